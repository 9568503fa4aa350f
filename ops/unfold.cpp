#include <coppice/ops/unfold.h>

#include <utility>

#include <coppice/autograd/record.h>
#include <coppice/ops/cpu/unfold.h>
#include <coppice/ops/rearrange.h>

namespace coppice {
namespace {

using Pair = std::array<std::int64_t, 2>;

Dims shown(const Pair& pair) { return {pair[0], pair[1]}; }

/// The windows of images of one size; `planes` is left to the caller.
cpu::UnfoldGeometry check_windows(const char* op, const Pair& size, const Pair& kernel, const UnfoldOptions& options) {
  cpu::UnfoldGeometry geometry{.planes = 0,
                               .size = size,
                               .kernel = kernel,
                               .dilation = options.dilation,
                               .padding = options.padding,
                               .stride = options.stride,
                               .windows = {0, 0}};
  for (std::size_t axis = 0; axis < 2; ++axis) {
    COPPICE_CHECK(
        kernel[axis] > 0 && options.dilation[axis] > 0 && options.stride[axis] > 0 && options.padding[axis] >= 0, "[",
        op, "] expects a positive kernel, dilation and stride, and no negative padding; got kernel ", shown(kernel),
        ", dilation ", shown(options.dilation), ", stride ", shown(options.stride), ", padding ",
        shown(options.padding));
    const std::int64_t room = size[axis] + 2 * options.padding[axis] - options.dilation[axis] * (kernel[axis] - 1) - 1;
    COPPICE_CHECK(room >= 0, "[", op, "] windows must fit the padded image; got kernel ", shown(kernel), ", dilation ",
                  shown(options.dilation), ", padding ", shown(options.padding), " for images ", shown(size));
    geometry.windows[axis] = room / options.stride[axis] + 1;
  }
  return geometry;
}

Tensor fold_images(const Tensor& columns, const cpu::UnfoldGeometry& geometry, const Shape& images);

/// `columns` is the shape of the result.
Tensor unfold_images(const Tensor& images, const cpu::UnfoldGeometry& geometry, const Shape& columns) {
  const Tensor from = detail::raw_contiguous(images);
  Tensor output = Tensor::empty(columns, {.dtype = from.dtype()});
  dispatch_floating(from.dtype(), "unfold",
                    [&]<class T>() { cpu::unfold(geometry, from.data<T>(), output.data<T>()); });
  return record("unfold", std::move(output), {images}, {},
                [geometry, shape = images.shape()](const Saved&, const Tensor& d_output) {
                  return fold_images(d_output, geometry, shape);
                });
}

Tensor fold_images(const Tensor& columns, const cpu::UnfoldGeometry& geometry, const Shape& images) {
  const Tensor from = detail::raw_contiguous(columns);
  Tensor output = Tensor::empty(images, {.dtype = from.dtype()});
  dispatch_floating(from.dtype(), "fold", [&]<class T>() { cpu::fold(geometry, from.data<T>(), output.data<T>()); });
  return record("fold", std::move(output), {columns}, {},
                [geometry, shape = columns.shape()](const Saved&, const Tensor& d_output) {
                  return unfold_images(d_output, geometry, shape);
                });
}

}  // namespace

Tensor unfold(const Tensor& input, Pair kernel_size, const UnfoldOptions& options) {
  check_dense_cpu("unfold", input);
  COPPICE_CHECK(input.dim() == 3 || input.dim() == 4, "[unfold] expects (n, c, h, w) or (c, h, w); got ",
                input.shape());
  cpu::UnfoldGeometry geometry = check_windows("unfold", {input.size(-2), input.size(-1)}, kernel_size, options);
  geometry.planes = input.dim() == 4 ? input.size(0) * input.size(1) : input.size(0);
  const std::int64_t rows = input.size(-3) * kernel_size[0] * kernel_size[1];
  const std::int64_t windows = geometry.windows[0] * geometry.windows[1];
  return unfold_images(input, geometry, input.dim() == 4 ? Shape{input.size(0), rows, windows} : Shape{rows, windows});
}

Tensor fold(const Tensor& input, Pair output_size, Pair kernel_size, const UnfoldOptions& options) {
  check_dense_cpu("fold", input);
  COPPICE_CHECK(input.dim() == 2 || input.dim() == 3,
                "[fold] expects columns (n, c · kh · kw, windows) or without n; got ", input.shape());
  cpu::UnfoldGeometry geometry = check_windows("fold", output_size, kernel_size, options);
  const std::int64_t taps = kernel_size[0] * kernel_size[1];
  const std::int64_t windows = geometry.windows[0] * geometry.windows[1];
  COPPICE_CHECK(input.size(-2) % taps == 0 && input.size(-1) == windows, "[fold] expects (…, c · ", taps, ", ", windows,
                ") for images ", shown(output_size), " and kernel ", shown(kernel_size), "; got ", input.shape());
  const std::int64_t channels = input.size(-2) / taps;
  geometry.planes = input.dim() == 3 ? input.size(0) * channels : channels;
  return fold_images(input, geometry,
                     input.dim() == 3 ? Shape{input.size(0), channels, output_size[0], output_size[1]}
                                      : Shape{channels, output_size[0], output_size[1]});
}

}  // namespace coppice
