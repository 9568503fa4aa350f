#include <coppice/ops/optim/adamw.h>

#include <cmath>
#include <utility>

#include <coppice/ops/cpu/optim.h>
#include <coppice/ops/optim/update.h>

namespace coppice::optim {

AdamW::AdamW(std::vector<Tensor> params, AdamWOptions options)
    : AdamW(std::vector<ParamGroup>{{.params = std::move(params)}}, options) {}

AdamW::AdamW(std::vector<ParamGroup> groups, AdamWOptions options)
    : Optimizer("AdamW", std::move(groups), options.lr, options.weight_decay), options_(options) {
  for (const double beta : options.betas) {
    COPPICE_CHECK(beta >= 0.0 && beta < 1.0, "[AdamW] expects betas in [0, 1); got ", beta);
  }
  COPPICE_CHECK(options.eps >= 0.0, "[AdamW] expects eps >= 0; got ", options.eps);
}

void AdamW::update(ParamUpdate& parameter) {
  const double t = static_cast<double>(parameter.step());
  const cpu::StepFactors factors{.lr = parameter.lr() / (1.0 - std::pow(options_.betas[0], t)),
                                 .keep = 1.0 - parameter.lr() * parameter.weight_decay(),
                                 .first = 1.0 - options_.betas[0],
                                 .beta2 = options_.betas[1],
                                 .second = 1.0 - options_.betas[1],
                                 .root = std::sqrt(1.0 - std::pow(options_.betas[1], t)),
                                 .eps = options_.eps};
  parameter.run(cpu::StepRule::AdamW, factors, {"exp_avg", "exp_avg_sq"});
}

}  // namespace coppice::optim
