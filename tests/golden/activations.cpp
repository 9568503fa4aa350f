#include <coppice/ops/activation.h>
#include <coppice/ops/softmax.h>

#include "tests/golden/families.h"

namespace coppice::golden {

Table activations() {
  return {
      {"relu", unary(relu)},
      {"silu", unary(silu)},
      {"gelu", with_options([](const Tensors& x, const Options& options) {
         const bool tanh = options.text("approximate") == "tanh";
         return gelu(x.at(0), {.approximate = tanh ? GeluApproximate::Tanh : GeluApproximate::None});
       })},
      {"softmax",
       with_options([](const Tensors& x, const Options& options) { return softmax(x.at(0), options.dim()); })},
      {"log_softmax",
       with_options([](const Tensors& x, const Options& options) { return log_softmax(x.at(0), options.dim()); })},
  };
}

}  // namespace coppice::golden
