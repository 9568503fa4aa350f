#include <coppice/ops/optim/adamw.h>

#include <cmath>
#include <utility>

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
  dispatch_floating(parameter.dtype(), "AdamW", [&]<class T>() {
    const double t = static_cast<double>(parameter.step());
    const T keep = static_cast<T>(1.0 - parameter.lr() * parameter.weight_decay());
    const T first = static_cast<T>(1.0 - options_.betas[0]);
    const T decay = static_cast<T>(options_.betas[1]);
    const T second = static_cast<T>(1.0 - options_.betas[1]);
    const T rate = static_cast<T>(parameter.lr() / (1.0 - std::pow(options_.betas[0], t)));
    const T root = static_cast<T>(std::sqrt(1.0 - std::pow(options_.betas[1], t)));
    const T eps = static_cast<T>(options_.eps);
    parameter.apply<T, 2>({"exp_avg", "exp_avg_sq"}, [=](T& weight, T gradient, T& average, T& square) {
      average += first * (gradient - average);
      square = decay * square + second * (gradient * gradient);
      weight = keep * weight - rate * (average / (std::sqrt(square) / root + eps));
    });
  });
}

}  // namespace coppice::optim
