#include <coppice/ops/pool2d.h>

#include <algorithm>
#include <limits>

#include <coppice/autograd/record.h>
#include <coppice/ops/cpu/blocked_pool.h>
#include <coppice/ops/cpu/pool2d.h>
#include <coppice/ops/memory_format.h>

namespace coppice {

namespace {

using cpu::Pool2dGeometry;
using cpu::PoolWindow;
using Pair = std::array<std::int64_t, 2>;

struct Axis {
  std::int64_t size, kernel, stride, pad, dilation;
  bool ceil_mode, count_include_pad;
};

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

Buffer<PoolWindow> windows_of(const Axis& a) {
  const std::int64_t span = a.dilation * (a.kernel - 1) + 1;
  const std::int64_t room = a.size + 2 * a.pad - span;
  if (room < 0) return {};
  std::int64_t count = (a.ceil_mode ? ceil_div(room, a.stride) : room / a.stride) + 1;
  if (a.ceil_mode && (count - 1) * a.stride >= a.size + a.pad) --count;  // a window must not start in the padding
  Buffer<PoolWindow> windows(count);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t start = i * a.stride - a.pad;
    const std::int64_t padded_end = std::min(start + span, a.size + a.pad);
    const std::int64_t first = start < 0 ? start + ceil_div(-start, a.dilation) * a.dilation : start;
    const std::int64_t last = std::min(padded_end, a.size);
    windows[i] = {start, first, last, a.count_include_pad ? padded_end - start : last - first};
  }
  return windows;
}

void check_input(const Tensor& input, const char* op) {
  COPPICE_CHECK(input.dim() == 4, "[", op, "] expects an input (n, c, h, w); got ", input.shape());
  COPPICE_CHECK(is_floating(input.dtype()), "[", op, "] expects a floating dtype; got ", input.dtype(), " ",
                input.shape());
}

Pool2dGeometry window_geometry(const Tensor& input, Pair kernel, Pair stride, Pair padding, Pair dilation,
                               bool ceil_mode, bool count_include_pad, const char* op) {
  check_input(input, op);
  for (std::size_t axis = 0; axis < 2; ++axis) {
    COPPICE_CHECK(kernel[axis] >= 1 && stride[axis] >= 1 && dilation[axis] >= 1, "[", op,
                  "] expects kernel, stride and dilation of at least 1; got kernel (", kernel[0], ", ", kernel[1],
                  "), stride (", stride[0], ", ", stride[1], "), dilation (", dilation[0], ", ", dilation[1], ")");
    COPPICE_CHECK(padding[axis] >= 0 && 2 * padding[axis] <= kernel[axis], "[", op,
                  "] expects a padding of at most half the kernel; got padding (", padding[0], ", ", padding[1],
                  "), kernel (", kernel[0], ", ", kernel[1], ")");
  }
  const Shape& x = input.shape();
  Pool2dGeometry geometry{
      .planes = x[0] * x[1],
      .height = x[2],
      .width = x[3],
      .kernel_h = kernel[0],
      .kernel_w = kernel[1],
      .step_h = dilation[0],
      .step_w = dilation[1],
      .rows = windows_of({x[2], kernel[0], stride[0], padding[0], dilation[0], ceil_mode, count_include_pad}),
      .columns = windows_of({x[3], kernel[1], stride[1], padding[1], dilation[1], ceil_mode, count_include_pad})};
  COPPICE_CHECK(!geometry.rows.empty() && !geometry.columns.empty() && x[2] > 0 && x[3] > 0, "[", op, "] the kernel (",
                kernel[0], ", ", kernel[1], ") is larger than the padded input; got input ", x);
  return geometry;
}

Shape output_shape(const Shape& input, const Pool2dGeometry& geometry) {
  return {input[0], input[1], geometry.out_h(), geometry.out_w()};
}

/// Calls function<T, Index>() for the dtypes of a floating tensor and of positions in windows.
template <class F>
void dispatch_max_pool(DType dtype, DType index, F&& function) {
  dispatch_floating(dtype, "max_pool2d", [&]<class T>() {
    if (index == kUInt8) {
      function.template operator()<T, std::uint8_t>();
    } else {
      function.template operator()<T, std::int32_t>();
    }
  });
}

Tensor gather_maxima(const Tensor& input, const Tensor& where, const Pool2dGeometry& geometry);

/// Linear in d_output, with gather_maxima as its transpose: both can be differentiated any number of times.
Tensor scatter_maxima(const Tensor& d_output, const Tensor& where, const Pool2dGeometry& geometry) {
  const Shape shape{d_output.size(0), d_output.size(1), geometry.height, geometry.width};
  const Tensor d_input = Tensor::empty(shape, {.dtype = d_output.dtype()});
  const Tensor dy = detail::raw_contiguous(d_output);
  dispatch_max_pool(dy.dtype(), where.dtype(), [&]<class T, class Index>() {
    cpu::max_pool2d_scatter(geometry, dy.data<T>(), where.data<Index>(), d_input.data<T>());
  });
  return record("max_pool2d_scatter", d_input, {d_output}, {where},
                [geometry](const Saved& saved, const Tensor& g) { return gather_maxima(g, saved[0], geometry); });
}

Tensor gather_maxima(const Tensor& input, const Tensor& where, const Pool2dGeometry& geometry) {
  const Tensor output = Tensor::empty(where.shape(), {.dtype = input.dtype()});
  const Tensor x = detail::raw_contiguous(input);
  dispatch_max_pool(x.dtype(), where.dtype(), [&]<class T, class Index>() {
    cpu::max_pool2d_gather(geometry, x.data<T>(), where.data<Index>(), output.data<T>());
  });
  return record("max_pool2d_gather", output, {input}, {where},
                [geometry](const Saved& saved, const Tensor& g) { return scatter_maxima(g, saved[0], geometry); });
}

Tensor blocked_gather_maxima(const Tensor& input, const Tensor& where, const Shape& shape,
                             const Pool2dGeometry& geometry);

/// As scatter_maxima, for blocked images (n, c, height, width) of the shape `from`.
Tensor blocked_scatter_maxima(const Tensor& d_output, const Tensor& where, const Shape& from,
                              const Pool2dGeometry& geometry) {
  const Tensor dy = detail::in_format(d_output, MemoryFormat::Blocked);
  const Tensor d_input = detail::empty_blocked(from, dy.dtype());
  dispatch_max_pool(dy.dtype(), where.dtype(), [&]<class T, class Index>() {
    cpu::blocked_max_pool_scatter(from[0], from[1], geometry, detail::blocked_data<T>(dy), where.data<Index>(),
                                  detail::blocked_data<T>(d_input));
  });
  return record("max_pool2d_scatter", d_input, {d_output}, {where},
                [geometry, to = d_output.shape()](const Saved& saved, const Tensor& g) {
                  return blocked_gather_maxima(g, saved[0], to, geometry);
                });
}

Tensor blocked_gather_maxima(const Tensor& input, const Tensor& where, const Shape& shape,
                             const Pool2dGeometry& geometry) {
  const Tensor x = detail::in_format(input, MemoryFormat::Blocked);
  const Tensor output = detail::empty_blocked(shape, x.dtype());
  dispatch_max_pool(x.dtype(), where.dtype(), [&]<class T, class Index>() {
    cpu::blocked_max_pool_gather(shape[0], shape[1], geometry, detail::blocked_data<T>(x), where.data<Index>(),
                                 detail::blocked_data<T>(output));
  });
  return record("max_pool2d_gather", output, {input}, {where},
                [geometry, from = input.shape()](const Saved& saved, const Tensor& g) {
                  return blocked_scatter_maxima(g, saved[0], from, geometry);
                });
}

/// Maxima of blocked images, which stay blocked.
Tensor blocked_max_pool(const Tensor& input, const Shape& shape, bool small, const Pool2dGeometry& geometry) {
  const Tensor output = detail::empty_blocked(shape, input.dtype());
  const Tensor where = Tensor::empty({detail::blocked_size(output)}, {.dtype = small ? kUInt8 : kInt32});
  dispatch_max_pool(input.dtype(), where.dtype(), [&]<class T, class Index>() {
    cpu::blocked_max_pool(shape[0], shape[1], geometry, detail::blocked_data<T>(input), detail::blocked_data<T>(output),
                          where.data<Index>());
  });
  return record("max_pool2d", output, {input}, {where},
                [geometry, from = input.shape()](const Saved& saved, const Tensor& d_output) {
                  return blocked_scatter_maxima(d_output, saved[0], from, geometry);
                });
}

/// Whether the one output is the mean of the whole image: it leaves the blocked format.
bool is_global(const Pool2dGeometry& g) {
  return g.out_pixels() == 1 && g.rows[0].extent == g.height && g.columns[0].extent == g.width &&
         g.rows[0].first == 0 && g.rows[0].last == g.height && g.columns[0].first == 0 && g.columns[0].last == g.width;
}

Tensor mean_pool(const Tensor& input, const Pool2dGeometry& geometry, const char* op);

/// `format` is that of the pooled images.
Tensor mean_pool_gradient(const Tensor& d_output, const Pool2dGeometry& geometry, MemoryFormat format, const char* op) {
  const Shape shape{d_output.size(0), d_output.size(1), geometry.height, geometry.width};
  const bool blocked = format == MemoryFormat::Blocked;
  const Tensor dy = detail::in_format(d_output, is_global(geometry) ? MemoryFormat::Contiguous : format);
  const Tensor d_input =
      blocked ? detail::empty_blocked(shape, dy.dtype()) : Tensor::empty(shape, {.dtype = dy.dtype()});
  dispatch_floating(dy.dtype(), op, [&]<class T>() {
    if (!blocked) {
      cpu::mean_pool2d_gradient(geometry, dy.data<T>(), d_input.data<T>());
    } else if (is_global(geometry)) {
      cpu::blocked_global_mean_gradient(shape[0], shape[1], shape[2], shape[3], dy.data<T>(),
                                        detail::blocked_data<T>(d_input));
    } else {
      cpu::blocked_mean_pool_gradient(shape[0], shape[1], geometry, detail::blocked_data<T>(dy),
                                      detail::blocked_data<T>(d_input));
    }
  });
  return record(op, d_input, {d_output}, {},
                [geometry, op](const Saved&, const Tensor& g) { return mean_pool(g, geometry, op); });
}

Tensor mean_pool(const Tensor& input, const Pool2dGeometry& geometry, const char* op) {
  const Shape shape = output_shape(input.shape(), geometry);
  const MemoryFormat format = input.memory_format();
  const bool blocked = format == MemoryFormat::Blocked;
  const bool leaves = !blocked || is_global(geometry);
  const Tensor output =
      leaves ? Tensor::empty(shape, {.dtype = input.dtype()}) : detail::empty_blocked(shape, input.dtype());
  if (blocked && leaves) count_conversion(output.numel());
  dispatch_floating(input.dtype(), op, [&]<class T>() {
    if (!blocked) {
      cpu::mean_pool2d_forward(geometry, detail::raw_contiguous(input).data<T>(), output.data<T>());
    } else if (leaves) {
      cpu::blocked_global_mean(shape[0], shape[1], geometry.height, geometry.width, detail::blocked_data<T>(input),
                               output.data<T>());
    } else {
      cpu::blocked_mean_pool(shape[0], shape[1], geometry, detail::blocked_data<T>(input),
                             detail::blocked_data<T>(output));
    }
  });
  return record(op, output, {input}, {}, [geometry, format, op](const Saved&, const Tensor& d_output) {
    return mean_pool_gradient(d_output, geometry, format, op);
  });
}

}  // namespace

Tensor max_pool2d(const Tensor& input, Pair kernel_size, const MaxPool2dOptions& options) {
  const Pool2dGeometry geometry =
      window_geometry(input, kernel_size, options.stride.value_or(kernel_size), options.padding, options.dilation,
                      options.ceil_mode, false, "max_pool2d");
  const bool small = kernel_size[0] * kernel_size[1] <= std::numeric_limits<std::uint8_t>::max() + 1;
  const Shape shape = output_shape(input.shape(), geometry);
  if (detail::is_blocked(input)) return blocked_max_pool(input, shape, small, geometry);
  const Tensor output = Tensor::empty(shape, {.dtype = input.dtype()});
  const Tensor where = Tensor::empty(shape, {.dtype = small ? kUInt8 : kInt32});
  const Tensor x = detail::raw_contiguous(input);
  dispatch_max_pool(x.dtype(), where.dtype(), [&]<class T, class Index>() {
    cpu::max_pool2d_forward(geometry, x.data<T>(), output.data<T>(), where.data<Index>());
  });
  return record("max_pool2d", output, {input}, {where}, [geometry](const Saved& saved, const Tensor& d_output) {
    return scatter_maxima(d_output, saved[0], geometry);
  });
}

Tensor avg_pool2d(const Tensor& input, Pair kernel_size, const AvgPool2dOptions& options) {
  return mean_pool(input,
                   window_geometry(input, kernel_size, options.stride.value_or(kernel_size), options.padding, {1, 1},
                                   options.ceil_mode, options.count_include_pad, "avg_pool2d"),
                   "avg_pool2d");
}

Tensor adaptive_avg_pool2d(const Tensor& input, Pair output_size) {
  check_input(input, "adaptive_avg_pool2d");
  const Shape& x = input.shape();
  COPPICE_CHECK(output_size[0] >= 1 && output_size[1] >= 1 && x[2] >= 1 && x[3] >= 1,
                "[adaptive_avg_pool2d] expects an output and an input of at least 1 × 1; got output (", output_size[0],
                ", ", output_size[1], "), input ", x);
  const auto windows = [](std::int64_t size, std::int64_t out) {
    Buffer<PoolWindow> result(out);
    for (std::int64_t i = 0; i < out; ++i) {
      const std::int64_t first = i * size / out;
      const std::int64_t last = ceil_div((i + 1) * size, out);
      result[i] = {first, first, last, last - first};
    }
    return result;
  };
  const Pool2dGeometry geometry{.planes = x[0] * x[1],
                                .height = x[2],
                                .width = x[3],
                                .kernel_h = 0,
                                .kernel_w = 0,
                                .step_h = 1,
                                .step_w = 1,
                                .rows = windows(x[2], output_size[0]),
                                .columns = windows(x[3], output_size[1])};
  return mean_pool(input, geometry, "adaptive_avg_pool2d");
}

}  // namespace coppice
