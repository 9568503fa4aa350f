#include <coppice/ops/grid_sample.h>

#include <limits>

#include <coppice/autograd/record.h>
#include <coppice/ops/cpu/grid_sample.h>

namespace coppice {

namespace {

void check_grid_sample(const Tensor& input, const Tensor& grid) {
  COPPICE_CHECK(input.dim() == 4 && grid.dim() == 4 && grid.size(0) == input.size(0) && grid.size(3) == 2,
                "[grid_sample] expects an input (n, c, h, w) and a grid (n, h_out, w_out, 2); got ", input.shape(),
                " and ", grid.shape());
  COPPICE_CHECK(input.dtype() == grid.dtype() && (input.dtype() == kFloat32 || input.dtype() == kFloat64),
                "[grid_sample] expects float32 or float64, both of one dtype; got ", input.dtype(), " and ",
                grid.dtype());
  COPPICE_CHECK(input.size(2) >= 1 && input.size(3) >= 1 &&
                    input.size(2) * input.size(3) <= std::numeric_limits<std::int32_t>::max(),
                "[grid_sample] expects images of 1 to 2³¹ − 1 pixels; got ", input.shape());
}

cpu::SampleGeometry geometry_of(const Tensor& input, const Tensor& grid, const GridSampleOptions& options) {
  return {.batch = input.size(0),
          .channels = input.size(1),
          .height = input.size(2),
          .width = input.size(3),
          .points = grid.size(1) * grid.size(2),
          .mode = static_cast<cpu::SampleMode>(options.mode),
          .padding = static_cast<cpu::SamplePadding>(options.padding_mode),
          .align_corners = options.align_corners};
}

}  // namespace

Tensor grid_sample(const Tensor& input, const Tensor& grid, GridSampleOptions options) {
  check_grid_sample(input, grid);
  const cpu::SampleGeometry geometry = geometry_of(input, grid, options);
  const Tensor output =
      Tensor::empty({input.size(0), input.size(1), grid.size(1), grid.size(2)}, {.dtype = input.dtype()});
  const Tensor x = detail::raw_contiguous(input), points = detail::raw_contiguous(grid);
  if (output.numel() > 0) {
    dispatch_floating(x.dtype(), "grid_sample",
                      [&]<class T>() { cpu::grid_sample(geometry, x.data<T>(), points.data<T>(), output.data<T>()); });
  }
  return record_once("grid_sample", output, {input, grid}, {input, grid},
                     [geometry](const Saved& saved, const Tensor& d_output) {
                       const Tensor in = detail::raw_contiguous(saved[0]), at = detail::raw_contiguous(saved[1]);
                       const Tensor dy = detail::raw_contiguous(d_output);
                       Gradients gradients(2);
                       if (saved.needs(0)) gradients[0] = Tensor::empty(in.shape(), {.dtype = in.dtype()});
                       if (saved.needs(1)) gradients[1] = Tensor::empty(at.shape(), {.dtype = at.dtype()});
                       dispatch_floating(in.dtype(), "grid_sample", [&]<class T>() {
                         cpu::grid_sample_gradients(geometry, in.data<T>(), at.data<T>(), dy.data<T>(),
                                                    gradients[0].defined() ? gradients[0].data<T>() : nullptr,
                                                    gradients[1].defined() ? gradients[1].data<T>() : nullptr);
                       });
                       return gradients;
                     });
}

}  // namespace coppice
