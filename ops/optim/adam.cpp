#include <coppice/ops/optim/adam.h>

#include <cmath>
#include <utility>

#include <coppice/ops/optim/update.h>

namespace coppice::optim {

namespace {

template <class T>
void update_as(ParamUpdate& parameter, const AdamOptions& options) {
  const double t = static_cast<double>(parameter.step());
  const auto rate = static_cast<T>(parameter.lr() / (1.0 - std::pow(options.betas[0], t)));
  const auto root = static_cast<T>(std::sqrt(1.0 - std::pow(options.betas[1], t)));
  const auto first = static_cast<T>(1.0 - options.betas[0]), keep = static_cast<T>(options.betas[1]),
             second = static_cast<T>(1.0 - options.betas[1]), decay = static_cast<T>(parameter.weight_decay()),
             eps = static_cast<T>(options.eps);
  parameter.apply<T, 2>({"exp_avg", "exp_avg_sq"}, [=](T& value, T gradient, T& m, T& v) {
    const T g = gradient + decay * value;
    m += first * (g - m);
    v = keep * v + second * (g * g);
    value -= rate * (m / (std::sqrt(v) / root + eps));
  });
}

}  // namespace

Adam::Adam(std::vector<Tensor> params, AdamOptions options)
    : Adam(std::vector<ParamGroup>{{.params = std::move(params)}}, options) {}

Adam::Adam(std::vector<ParamGroup> groups, AdamOptions options)
    : Optimizer("Adam", std::move(groups), options.lr, options.weight_decay), options_(options) {
  for (const double beta : options.betas) {
    COPPICE_CHECK(beta >= 0.0 && beta < 1.0, "[Adam] expects betas in [0, 1); got ", beta);
  }
  COPPICE_CHECK(options.eps >= 0.0, "[Adam] expects eps >= 0; got ", options.eps);
}

void Adam::update(ParamUpdate& parameter) {
  if (parameter.dtype() == kFloat64) return update_as<double>(parameter, options_);
  update_as<float>(parameter, options_);
}

}  // namespace coppice::optim
