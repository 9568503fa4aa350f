#include <coppice/ops/optim/rmsprop.h>

#include <cmath>
#include <utility>

#include <coppice/ops/optim/update.h>

namespace coppice::optim {

namespace {

template <class T>
void update_as(ParamUpdate& parameter, const RmsPropOptions& options) {
  const auto rate = static_cast<T>(parameter.lr()), decay = static_cast<T>(parameter.weight_decay()),
             alpha = static_cast<T>(options.alpha), fresh = static_cast<T>(1.0 - options.alpha),
             eps = static_cast<T>(options.eps), momentum = static_cast<T>(options.momentum);
  // The direction, with v and, where there is one, the mean a brought up to date.
  const auto plain = [=](T g, T& v) {
    v = alpha * v + fresh * (g * g);
    return g / (std::sqrt(v) + eps);
  };
  const auto centered = [=](T g, T& v, T& a) {
    v = alpha * v + fresh * (g * g);
    a += fresh * (g - a);
    return g / (std::sqrt(v - a * a) + eps);
  };
  const auto push = [=](T& buffer, T direction) { return rate * (buffer = momentum * buffer + direction); };
  if (options.centered && options.momentum > 0.0) {
    parameter.apply<T, 3>({"square_avg", "grad_avg", "momentum_buffer"}, [=](T& value, T gradient, T& v, T& a, T& b) {
      value -= push(b, centered(gradient + decay * value, v, a));
    });
  } else if (options.centered) {
    parameter.apply<T, 2>({"square_avg", "grad_avg"}, [=](T& value, T gradient, T& v, T& a) {
      value -= rate * centered(gradient + decay * value, v, a);
    });
  } else if (options.momentum > 0.0) {
    parameter.apply<T, 2>({"square_avg", "momentum_buffer"}, [=](T& value, T gradient, T& v, T& b) {
      value -= push(b, plain(gradient + decay * value, v));
    });
  } else {
    parameter.apply<T, 1>({"square_avg"},
                          [=](T& value, T gradient, T& v) { value -= rate * plain(gradient + decay * value, v); });
  }
}

}  // namespace

RMSprop::RMSprop(std::vector<Tensor> params, RmsPropOptions options)
    : RMSprop(std::vector<ParamGroup>{{.params = std::move(params)}}, options) {}

RMSprop::RMSprop(std::vector<ParamGroup> groups, RmsPropOptions options)
    : Optimizer("RMSprop", std::move(groups), options.lr, options.weight_decay), options_(options) {
  COPPICE_CHECK(options.alpha >= 0.0 && options.alpha < 1.0, "[RMSprop] expects alpha in [0, 1); got ", options.alpha);
  COPPICE_CHECK(options.eps >= 0.0 && options.momentum >= 0.0, "[RMSprop] expects eps and momentum >= 0; got ",
                options.eps, " and ", options.momentum);
}

void RMSprop::update(ParamUpdate& parameter) {
  if (parameter.dtype() == kFloat64) return update_as<double>(parameter, options_);
  update_as<float>(parameter, options_);
}

}  // namespace coppice::optim
