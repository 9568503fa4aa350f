#include <coppice/ops/deform_conv2d.h>

#include <algorithm>

#include <coppice/autograd/record.h>
#include <coppice/ops/cpu/deform_conv2d.h>
#include <coppice/ops/cpu/gemm.h>
#include <coppice/ops/reduce.h>

namespace coppice {

namespace {

using cpu::Transpose;

/// Output pixels whose columns are held at a time: few enough to stay in cache, enough to multiply well.
constexpr std::int64_t kPixels = 384;

struct Problem {
  cpu::DeformGeometry image;
  std::int64_t batch, outputs, groups;

  std::int64_t patch() const { return image.taps() * image.channels; }
  std::int64_t group_channels() const { return image.channels / groups; }
  std::int64_t group_outputs() const { return outputs / groups; }
};

std::int64_t out_size(std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                      std::int64_t dilation) {
  const std::int64_t room = in + 2 * padding - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

Problem check_deform_conv2d(const Tensor& input, const Tensor& offset, const Tensor& weight, const Tensor& bias,
                            const DeformConv2dOptions& o, const Tensor& mask) {
  COPPICE_CHECK(
      input.dim() == 4 && weight.dim() == 4 && offset.dim() == 4 && weight.size(1) >= 1 && input.size(1) >= 1 &&
          input.size(1) % weight.size(1) == 0,
      "[deform_conv2d] expects an input (n, c, h, w), offsets (n, 2 · g · kh · kw, h_out, w_out) and a weight "
      "(o, c / groups, kh, kw); got ",
      input.shape(), ", ", offset.shape(), " and ", weight.shape());
  const std::int64_t groups = input.size(1) / weight.size(1), taps = weight.size(2) * weight.size(3);
  COPPICE_CHECK(weight.size(0) % groups == 0 && taps >= 1, "[deform_conv2d] expects outputs in ", groups,
                " equal groups, as the inputs are, and a kernel of at least 1 × 1; got weight ", weight.shape(),
                " and input ", input.shape());
  for (std::size_t i = 0; i < 2; ++i) {
    COPPICE_CHECK(o.stride[i] >= 1 && o.dilation[i] >= 1 && o.padding[i] >= 0,
                  "[deform_conv2d] expects stride and dilation of at least 1 and padding of at least 0; got ",
                  o.stride[i], ", ", o.dilation[i], ", ", o.padding[i]);
  }
  const std::int64_t h = out_size(input.size(2), weight.size(2), o.stride[0], o.padding[0], o.dilation[0]);
  const std::int64_t w = out_size(input.size(3), weight.size(3), o.stride[1], o.padding[1], o.dilation[1]);
  const std::int64_t offset_groups = offset.size(1) / (2 * taps);
  COPPICE_CHECK(h >= 1 && w >= 1 && offset.size(0) == input.size(0) && offset.size(2) == h && offset.size(3) == w &&
                    offset_groups >= 1 && offset.size(1) == 2 * taps * offset_groups &&
                    input.size(1) % offset_groups == 0,
                "[deform_conv2d] expects offsets (", input.size(0), ", 2 · g · ", taps, ", ", h, ", ", w,
                ") with g a divisor of ", input.size(1), " channels; got ", offset.shape());
  const Shape mask_shape{input.size(0), offset_groups * taps, h, w};
  COPPICE_CHECK(!mask.defined() || mask.shape() == mask_shape, "[deform_conv2d] expects a mask ", mask_shape, "; got ",
                mask.defined() ? mask.shape() : Shape{});
  COPPICE_CHECK(!bias.defined() || bias.shape() == Shape{weight.size(0)}, "[deform_conv2d] expects a bias (",
                weight.size(0), "); got ", bias.defined() ? bias.shape() : Shape{});
  for (const Tensor* tensor : {&input, &offset, &weight, &bias, &mask}) {
    COPPICE_CHECK(!tensor->defined() ||
                      (tensor->dtype() == input.dtype() && (input.dtype() == kFloat32 || input.dtype() == kFloat64)),
                  "[deform_conv2d] expects float32 or float64, all of one dtype; got ", input.dtype(), " and ",
                  tensor->dtype());
  }
  return {.image = {.channels = input.size(1),
                    .height = input.size(2),
                    .width = input.size(3),
                    .out_height = h,
                    .out_width = w,
                    .kernel_height = weight.size(2),
                    .kernel_width = weight.size(3),
                    .stride = o.stride,
                    .padding = o.padding,
                    .dilation = o.dilation,
                    .offset_groups = offset_groups},
          .batch = input.size(0),
          .outputs = weight.size(0),
          .groups = groups};
}

/// weight (o, c / groups, taps) as (o, taps, c / groups), and back: the order in which columns lie.
template <class T>
void to_tap_order(const Problem& p, const T* weight, T* ordered) {
  for (std::int64_t o = 0; o < p.outputs; ++o) {
    const std::int64_t at = o * p.group_channels() * p.image.taps();
    cpu::transpose_matrix(p.group_channels(), p.image.taps(), weight + at, ordered + at);
  }
}
template <class T>
void from_tap_order(const Problem& p, const T* ordered, T* weight) {
  for (std::int64_t o = 0; o < p.outputs; ++o) {
    const std::int64_t at = o * p.group_channels() * p.image.taps();
    cpu::transpose_matrix(p.image.taps(), p.group_channels(), ordered + at, weight + at);
  }
}

/// Where the tensors of one image begin.
template <class T>
struct Image {
  const T* offset;
  const T* mask;
};

template <class T>
Image<T> image_of(const Problem& p, std::int64_t n, const Tensor& offset, const Tensor& mask) {
  const std::int64_t entries = p.image.offset_groups * p.image.taps() * p.image.out_pixels();
  return {offset.data<T>() + 2 * n * entries, mask.defined() ? mask.data<T>() + n * entries : nullptr};
}

/// Calls body(group, tap) for the products that are summed: with one group all taps are one product.
template <class Body>
void for_products(const Problem& p, Body body) {
  const std::int64_t taps = p.groups == 1 ? 1 : p.image.taps();
  for (std::int64_t group = 0; group < p.groups; ++group) {
    for (std::int64_t tap = 0; tap < taps; ++tap) body(group, tap);
  }
}

/// A product's operands: rows of the ordered weight and rows of the columns.
struct Product {
  Product(const Problem& p, std::int64_t group, std::int64_t tap)
      : depth(p.groups == 1 ? p.patch() : p.group_channels()),
        weight(group * p.group_outputs() * p.image.taps() * p.group_channels() + tap * p.group_channels()),
        column(tap * p.image.channels + group * p.group_channels()),
        weight_row(p.image.taps() * p.group_channels()) {}
  std::int64_t depth, weight, column, weight_row;
};

template <class T>
void forward(const Problem& p, const Tensor& input, const Tensor& offset, const Tensor& weight, const Tensor& bias,
             const Tensor& mask, T* output) {
  const cpu::DeformGeometry& g = p.image;
  const Buffer<T> ordered(weight.numel()), pixels(g.pixels() * g.channels), columns(kPixels * p.patch());
  to_tap_order(p, weight.data<T>(), ordered.data());
  for (std::int64_t n = 0; n < p.batch; ++n) {
    cpu::transpose_matrix(g.channels, g.pixels(), input.data<T>() + n * g.channels * g.pixels(), pixels.data());
    const Image<T> image = image_of<T>(p, n, offset, mask);
    T* out = output + n * p.outputs * g.out_pixels();
    for (std::int64_t o = 0; bias.defined() && o < p.outputs; ++o) {
      std::fill_n(out + o * g.out_pixels(), g.out_pixels(), bias.data<T>()[o]);
    }
    for (std::int64_t first = 0; first < g.out_pixels(); first += kPixels) {
      const std::int64_t last = std::min(first + kPixels, g.out_pixels());
      cpu::deform_columns(g, first, last, pixels.data(), image.offset, image.mask, columns.data());
      for_products(p, [&](std::int64_t group, std::int64_t tap) {
        const Product at(p, group, tap);
        cpu::gemm<T>(Transpose::No, Transpose::Yes, p.group_outputs(), last - first, at.depth,
                     ordered.data() + at.weight, at.weight_row, columns.data() + at.column, p.patch(),
                     bias.defined() || tap > 0, out + group * p.group_outputs() * g.out_pixels() + first,
                     g.out_pixels());
      });
    }
  }
}

/// Gradients, undefined where not wanted.
struct DeformGradients {
  Tensor input, offset, weight, mask;
};

template <class T>
T* data_or_null(const Tensor& tensor, std::int64_t at) {
  return tensor.defined() ? tensor.data<T>() + at : nullptr;
}

template <class T>
void backward(const Problem& p, const Tensor& input, const Tensor& offset, const Tensor& weight, const Tensor& mask,
              const Tensor& d_output, const DeformGradients& d) {
  const cpu::DeformGeometry& g = p.image;
  const bool wants_columns = d.input.defined() || d.offset.defined() || d.mask.defined();
  const std::int64_t image_size = g.pixels() * g.channels;
  const std::int64_t entries = g.offset_groups * g.taps() * g.out_pixels();
  const Buffer<T> ordered(weight.numel()), d_ordered(weight.numel()), pixels(image_size), d_pixels(image_size);
  const Buffer<T> columns(kPixels * p.patch());
  to_tap_order(p, weight.data<T>(), ordered.data());
  std::fill(d_ordered.begin(), d_ordered.end(), T{0});
  for (std::int64_t n = 0; n < p.batch; ++n) {
    cpu::transpose_matrix(g.channels, g.pixels(), input.data<T>() + n * image_size, pixels.data());
    std::fill(d_pixels.begin(), d_pixels.end(), T{0});
    const Image<T> image = image_of<T>(p, n, offset, mask);
    const T* d_out = d_output.data<T>() + n * p.outputs * g.out_pixels();
    for (std::int64_t first = 0; first < g.out_pixels(); first += kPixels) {
      const std::int64_t last = std::min(first + kPixels, g.out_pixels());
      if (d.weight.defined()) {
        cpu::deform_columns(g, first, last, pixels.data(), image.offset, image.mask, columns.data());
        for_products(p, [&](std::int64_t group, std::int64_t tap) {
          const Product at(p, group, tap);
          cpu::gemm<T>(Transpose::No, Transpose::No, p.group_outputs(), at.depth, last - first,
                       d_out + group * p.group_outputs() * g.out_pixels() + first, g.out_pixels(),
                       columns.data() + at.column, p.patch(), true, d_ordered.data() + at.weight, at.weight_row);
        });
      }
      if (!wants_columns) continue;
      for_products(p, [&](std::int64_t group, std::int64_t tap) {
        const Product at(p, group, tap);
        cpu::gemm<T>(Transpose::Yes, Transpose::No, last - first, at.depth, p.group_outputs(),
                     d_out + group * p.group_outputs() * g.out_pixels() + first, g.out_pixels(),
                     ordered.data() + at.weight, at.weight_row, false, columns.data() + at.column, p.patch());
      });
      cpu::deform_columns_gradient(g, first, last, pixels.data(), image.offset, image.mask, columns.data(),
                                   d.input.defined() ? d_pixels.data() : nullptr,
                                   data_or_null<T>(d.offset, 2 * n * entries), data_or_null<T>(d.mask, n * entries));
    }
    if (d.input.defined()) {
      cpu::transpose_matrix(g.pixels(), g.channels, d_pixels.data(), d.input.data<T>() + n * image_size);
    }
  }
  if (d.weight.defined()) from_tap_order(p, d_ordered.data(), d.weight.data<T>());
}

}  // namespace

Tensor deform_conv2d(const Tensor& input, const Tensor& offset, const Tensor& weight, const Tensor& bias,
                     const DeformConv2dOptions& options, const Tensor& mask) {
  const Problem problem = check_deform_conv2d(input, offset, weight, bias, options, mask);
  const auto dense = [](const Tensor& tensor) { return tensor.defined() ? detail::raw_contiguous(tensor) : Tensor(); };
  const Tensor output = Tensor::empty(
      {problem.batch, problem.outputs, problem.image.out_height, problem.image.out_width}, {.dtype = input.dtype()});
  dispatch_floating(input.dtype(), "deform_conv2d", [&]<class T>() {
    forward<T>(problem, dense(input), dense(offset), dense(weight), dense(bias), dense(mask), output.data<T>());
  });
  const bool masked = mask.defined(), biased = bias.defined();
  const Tensor& any = input;  // in the place of what was not given: saving it keeps nothing more alive
  return record_once(
      "deform_conv2d", output, {input, offset, weight, bias, mask}, {input, offset, weight, masked ? mask : any},
      [problem, masked, biased, dense](const Saved& saved, const Tensor& d_output) {
        const Tensor x = dense(saved[0]), places = dense(saved[1]), filter = dense(saved[2]), dy = dense(d_output);
        const Tensor factors = masked ? dense(saved[3]) : Tensor();
        const auto like = [](bool wanted, const Tensor& tensor) {
          return wanted ? Tensor::empty(tensor.shape(), {.dtype = tensor.dtype()}) : Tensor();
        };
        const DeformGradients d{like(saved.needs(0), x), like(saved.needs(1), places), like(saved.needs(2), filter),
                                like(masked && saved.needs(4), factors)};
        dispatch_floating(x.dtype(), "deform_conv2d",
                          [&]<class T>() { backward<T>(problem, x, places, filter, factors, dy, d); });
        Tensor d_bias;
        if (biased && saved.needs(3)) d_bias = sum(dy, {0, 2, 3});
        return Gradients{d.input, d.offset, d.weight, d_bias, d.mask};
      });
}

}  // namespace coppice
