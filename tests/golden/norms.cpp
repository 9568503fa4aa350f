#include <coppice/ops/batch_norm.h>

#include "tests/golden/families.h"

namespace coppice::golden {

Table norms() {
  Op normalise{.run =
                   [](const Tensors& x, const Options& options) {
                     const auto running = [&](const char* key) {
                       return options.has(key) ? Tensor::of(options.numbers(key)).to(x.at(0).dtype()) : Tensor();
                     };
                     const Tensor mean = running("running_mean");
                     const Tensor variance = running("running_var");
                     const bool training = options.flag("training");
                     const Tensor y =
                         batch_norm(x.at(0), x.at(1), x.at(2), mean, variance,
                                    {.statistics = training ? BatchNormStatistics::Batch : BatchNormStatistics::Running,
                                     .running = training ? BatchNormRunning::Update : BatchNormRunning::Hold,
                                     .momentum = options.number("momentum"),
                                     .eps = options.number("eps")});
                     return training && mean.defined() ? Tensors{y, mean, variance} : Tensors{y};
                   },
               .takes_blocked = true};
  return {{"batch_norm", normalise}};
}

}  // namespace coppice::golden
