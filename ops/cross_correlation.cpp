#include <coppice/ops/cross_correlation.h>

#include <coppice/autograd/record.h>
#include <coppice/ops/conv2d.h>
#include <coppice/ops/cpu/cross_correlation.h>

namespace coppice {

namespace {

void check_xcorr(const char* op, const Tensor& input, const Tensor& kernel) {
  COPPICE_CHECK(input.dim() == 4 && kernel.dim() == 4 && input.size(0) == kernel.size(0) && kernel.size(2) >= 1 &&
                    kernel.size(3) >= 1 && kernel.size(2) <= input.size(2) && kernel.size(3) <= input.size(3),
                "[", op, "] expects images (n, c, h, w) and templates of their batch that fit into them; got ",
                input.shape(), " and ", kernel.shape());
  COPPICE_CHECK(input.dtype() == kernel.dtype() && (input.dtype() == kFloat32 || input.dtype() == kFloat64), "[", op,
                "] expects float32 or float64, both of one dtype; got ", input.dtype(), " and ", kernel.dtype());
}

cpu::CorrelationGeometry geometry_of(const Tensor& larger, const Tensor& kernel) {
  return {.planes = larger.size(0) * larger.size(1),
          .height = larger.size(2),
          .width = larger.size(3),
          .kernel_height = kernel.size(2),
          .kernel_width = kernel.size(3)};
}

Tensor valid(const Tensor& input, const Tensor& kernel);

/// The transpose of `valid` by its first argument: image (i) = Σ kernel (k) · output (i − k).
Tensor full(const Tensor& output, const Tensor& kernel) {
  const Tensor y = detail::raw_contiguous(output), k = detail::raw_contiguous(kernel);
  const Tensor image =
      Tensor::empty({y.size(0), y.size(1), y.size(2) + k.size(2) - 1, y.size(3) + k.size(3) - 1}, {.dtype = y.dtype()});
  dispatch_floating(y.dtype(), "xcorr_depthwise", [&]<class T>() {
    cpu::correlate_full(geometry_of(image, k), y.data<T>(), k.data<T>(), image.data<T>());
  });
  return record("xcorr_depthwise", image, {output, kernel}, {output, kernel},
                [](const Saved& saved, const Tensor& d_image) {
                  Gradients gradients(2);
                  if (saved.needs(0)) gradients[0] = valid(d_image, saved[1]);
                  if (saved.needs(1)) gradients[1] = valid(d_image, saved[0]);
                  return gradients;
                });
}

Tensor valid(const Tensor& input, const Tensor& kernel) {
  const Tensor x = detail::raw_contiguous(input), k = detail::raw_contiguous(kernel);
  const Tensor output =
      Tensor::empty({x.size(0), x.size(1), x.size(2) - k.size(2) + 1, x.size(3) - k.size(3) + 1}, {.dtype = x.dtype()});
  dispatch_floating(x.dtype(), "xcorr_depthwise",
                    [&]<class T>() { cpu::correlate(geometry_of(x, k), x.data<T>(), k.data<T>(), output.data<T>()); });
  return record("xcorr_depthwise", output, {input, kernel}, {input, kernel},
                [](const Saved& saved, const Tensor& d_output) {
                  Gradients gradients(2);
                  if (saved.needs(0)) gradients[0] = full(d_output, saved[1]);
                  if (saved.needs(1)) gradients[1] = valid(saved[0], d_output);
                  return gradients;
                });
}

}  // namespace

Tensor xcorr_depthwise(const Tensor& input, const Tensor& kernel) {
  check_xcorr("xcorr_depthwise", input, kernel);
  COPPICE_CHECK(input.size(1) == kernel.size(1), "[xcorr_depthwise] expects as many channels in both; got ",
                input.shape(), " and ", kernel.shape());
  return valid(input, kernel);
}

Tensor xcorr(const Tensor& input, const Tensor& kernel) {
  check_xcorr("xcorr", input, kernel);
  const std::int64_t n = input.size(0), c = input.size(1);
  COPPICE_CHECK(c >= 1 && kernel.size(1) % c == 0,
                "[xcorr] expects templates (n, o · c, kh, kw) for images (n, c, h, w); "
                "got ",
                kernel.shape(), " and ", input.shape());
  const std::int64_t outputs = kernel.size(1) / c;
  const Shape shape{n, outputs, input.size(2) - kernel.size(2) + 1, input.size(3) - kernel.size(3) + 1};
  if (shape.numel() == 0) return Tensor::empty(shape, {.dtype = input.dtype()});
  return conv2d(input.reshape({1, n * c, input.size(2), input.size(3)}),
                kernel.reshape({n * outputs, c, kernel.size(2), kernel.size(3)}), {}, {.groups = n})
      .view(shape);
}

}  // namespace coppice
