#include <coppice/ops/optim/sgd.h>

#include <utility>

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
  dispatch_floating(parameter.dtype(), "SGD", [&]<class T>() {
    const T lr = static_cast<T>(parameter.lr());
    const T decay = static_cast<T>(parameter.weight_decay());
    const T momentum = static_cast<T>(options_.momentum);
    const T fresh = parameter.step() == 1 ? T{1} : static_cast<T>(1.0 - options_.dampening);
    if (options_.momentum == 0.0) {
      parameter.apply<T, 0>({}, [=](T& weight, T gradient) { weight -= lr * (gradient + decay * weight); });
    } else if (options_.nesterov) {
      parameter.apply<T, 1>({"momentum_buffer"}, [=](T& weight, T gradient, T& buffer) {
        const T direction = gradient + decay * weight;
        buffer = momentum * buffer + direction;
        weight -= lr * (direction + momentum * buffer);
      });
    } else {
      parameter.apply<T, 1>({"momentum_buffer"}, [=](T& weight, T gradient, T& buffer) {
        buffer = momentum * buffer + fresh * (gradient + decay * weight);
        weight -= lr * buffer;
      });
    }
  });
}

}  // namespace coppice::optim
