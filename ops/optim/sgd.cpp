#include <coppice/ops/optim/sgd.h>

#include <utility>

#include <coppice/ops/cpu/optim.h>
#include <coppice/ops/optim/update.h>

namespace coppice::optim {

SGD::SGD(std::vector<Tensor> params, SgdOptions options)
    : SGD(std::vector<ParamGroup>{{.params = std::move(params)}}, options) {}

SGD::SGD(std::vector<ParamGroup> groups, SgdOptions options)
    : Optimizer("SGD", std::move(groups), options.lr, options.weight_decay), options_(options) {
  COPPICE_CHECK(options.momentum >= 0.0, "[SGD] expects momentum >= 0; got ", options.momentum);
  COPPICE_CHECK(!options.nesterov || (options.momentum > 0.0 && options.dampening == 0.0),
                "[SGD] nesterov expects a momentum and no dampening; got momentum ", options.momentum, ", dampening ",
                options.dampening);
}

void SGD::update(ParamUpdate& parameter) {
  const cpu::StepFactors factors{.lr = parameter.lr(),
                                 .decay = parameter.weight_decay(),
                                 .momentum = options_.momentum,
                                 .fresh = parameter.step() == 1 ? 1.0 : 1.0 - options_.dampening};
  if (options_.momentum == 0.0) {
    parameter.run(cpu::StepRule::Sgd, factors, {});
  } else {
    parameter.run(options_.nesterov ? cpu::StepRule::SgdNesterov : cpu::StepRule::SgdMomentum, factors,
                  {"momentum_buffer"});
  }
}

}  // namespace coppice::optim
