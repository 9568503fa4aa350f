#include <coppice/ops/batch_norm.h>
#include <coppice/ops/layer_norm.h>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

using T = const Tensor&;

/// normalise(x, weight, bias, mean, variance, how), and the statistics where they are results.
template <class Normalise>
Op batch_norm_with(Normalise normalise) {
  const auto run = [normalise](const Tensors& x, const Options& options) {
    const auto running = [&](const char* key) {
      return options.has(key) ? Tensor::of(options.numbers(key)).to(x.at(0).dtype()) : Tensor();
    };
    const Tensor mean = running("running_mean");
    const Tensor variance = running("running_var");
    const bool training = options.flag("training");
    const BatchNormOptions how = {.statistics = training ? BatchNormStatistics::Batch : BatchNormStatistics::Running,
                                  .running = training ? BatchNormRunning::Update : BatchNormRunning::Hold,
                                  .momentum = options.number("momentum"),
                                  .eps = options.number("eps")};
    const Tensor y = normalise(x, mean, variance, how);
    return training && mean.defined() ? Tensors{y, mean, variance} : Tensors{y};
  };
  return {run, /*takes_blocked=*/true};
}

}  // namespace

Table norms() {
  return {
      {"batch_norm", batch_norm_with([](const Tensors& x, T mean, T variance, const BatchNormOptions& how) {
         return batch_norm(x.at(0), x.at(1), x.at(2), mean, variance, how);
       })},
      {"batch_norm_relu", batch_norm_with([](const Tensors& x, T mean, T variance, const BatchNormOptions& how) {
         return batch_norm_relu(x.at(0), x.at(1), x.at(2), mean, variance, how, x.at(3));
       })},
      {"layer_norm", with_options([](const Tensors& x, const Options& options) {
         return layer_norm(x.at(0), Shape(options.integers("normalized_shape")), x.at(1), x.at(2),
                           {.eps = options.number("eps")});
       })},
      {"group_norm", with_options([](const Tensors& x, const Options& options) {
         return group_norm(x.at(0), options.integer("groups"), x.at(1), x.at(2));
       })},
      {"instance_norm", with_options([](const Tensors& x, const Options&) {
         return instance_norm(x.at(0), Tensor(), Tensor(), x.at(1), x.at(2));
       })},
  };
}

}  // namespace coppice::golden
