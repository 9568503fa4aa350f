#include <coppice/ops/conv1d.h>

#include <coppice/ops/conv2d.h>
#include <coppice/ops/rearrange.h>

namespace coppice {

Tensor conv1d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv1dOptions& options) {
  check_dense_cpu("conv1d", input);
  check_dense_cpu("conv1d", weight);
  COPPICE_CHECK(input.dim() == 3 && weight.dim() == 3,
                "[conv1d] expects input (n, c, l) and weight (m, c / groups, k); got ", input.shape(), " and ",
                weight.shape());
  const Conv2dOptions along_width = {.stride = {1, options.stride},
                                     .padding = {0, options.padding},
                                     .dilation = {1, options.dilation},
                                     .groups = options.groups};
  return conv2d(input.unsqueeze(2), weight.unsqueeze(2), bias, along_width).squeeze(2);
}

}  // namespace coppice
