#include <coppice/ops/correlation.h>

#include <algorithm>
#include <cmath>

#include <coppice/autograd/function.h>
#include <coppice/ops/cpu/correlation.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/matmul.h>
#include <coppice/ops/pool2d.h>

namespace coppice {

namespace {

void check_maps(const char* op, const Tensor& a, const Tensor& b) {
  COPPICE_CHECK(a.dim() == 4 && b.dim() == 4 && a.size(0) == b.size(0) && a.size(1) == b.size(1), "[", op,
                "] expects feature maps (n, c, h, w) and (n, c, h₂, w₂); got ", a.shape(), " and ", b.shape());
  COPPICE_CHECK(a.dtype() == b.dtype() && (a.dtype() == kFloat32 || a.dtype() == kFloat64), "[", op,
                "] expects float32 or float64, both of one dtype; got ", a.dtype(), " and ", b.dtype());
}

void check_coordinates(const char* op, const Tensor& map, std::int64_t n, std::int64_t h, std::int64_t w,
                       const Tensor& coordinates, std::int64_t radius) {
  COPPICE_CHECK(coordinates.shape() == (Shape{n, 2, h, w}) && coordinates.dtype() == map.dtype(), "[", op,
                "] expects coordinates ", Shape{n, 2, h, w}, " of ", map.dtype(), "; got ", coordinates.shape(), " of ",
                coordinates.dtype());
  COPPICE_CHECK(radius >= 0, "[", op, "] expects a radius of at least 0; got ", radius);
}

double scale_of(std::optional<double> scale, const Tensor& map) {
  return scale.value_or(1.0 / std::sqrt(static_cast<double>(std::max<std::int64_t>(1, map.size(1)))));
}

/// The elements of tensors, null where a tensor is undefined.
template <class T>
std::vector<T*> elements_of(const std::vector<Tensor>& tensors) {
  std::vector<T*> result;
  for (const Tensor& tensor : tensors) result.push_back(tensor.defined() ? tensor.data<T>() : nullptr);
  return result;
}

/// The coarser levels of a pyramid.
struct Halving {
  static constexpr bool kOnceDifferentiable = true;
  std::int64_t levels;
  Shape shape;

  std::int64_t planes() const { return shape[0] * shape[1] * shape[2]; }

  std::vector<Tensor> forward(FunctionContext&, const std::vector<Tensor>& inputs) {
    const Tensor volume = detail::raw_contiguous(inputs[0]);
    shape = volume.shape();
    std::vector<Tensor> outputs;
    for (std::int64_t level = 1; level <= levels; ++level) {
      outputs.push_back(Tensor::empty({shape[0], shape[1], shape[2], shape[3] >> level, shape[4] >> level},
                                      {.dtype = volume.dtype()}));
    }
    dispatch_floating(volume.dtype(), "correlation_pyramid", [&]<class T>() {
      cpu::halve_planes<T>(planes(), shape[3], shape[4], levels, volume.data<T>(), elements_of<T>(outputs).data());
    });
    return outputs;
  }

  std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& d_outputs) {
    std::vector<Tensor> gradients;
    DType dtype = kFloat32;
    for (const Tensor& d_output : d_outputs) {
      gradients.push_back(d_output.defined() ? detail::raw_contiguous(d_output) : Tensor());
      if (d_output.defined()) dtype = d_output.dtype();
    }
    const Tensor d_volume = Tensor::empty(shape, {.dtype = dtype});
    dispatch_floating(dtype, "correlation_pyramid", [&]<class T>() {
      const std::vector<T*> elements = elements_of<T>(gradients);
      const std::vector<const T*> read(elements.begin(), elements.end());
      cpu::halve_planes_gradient<T>(planes(), shape[3], shape[4], levels, read.data(), d_volume.data<T>());
    });
    return {d_volume};
  }
};

cpu::LookupGeometry level_geometry(const Tensor& coordinates, std::int64_t height, std::int64_t width,
                                   std::int64_t radius, std::size_t level, std::size_t levels) {
  const std::int64_t window = (2 * radius + 1) * (2 * radius + 1);
  return {.batch = coordinates.size(0),
          .queries = coordinates.size(2) * coordinates.size(3),
          .height = height,
          .width = width,
          .radius = radius,
          .scale = std::ldexp(1.0, -static_cast<int>(level)),
          .first_channel = static_cast<std::int64_t>(level) * window,
          .all_channels = static_cast<std::int64_t>(levels) * window};
}

Tensor empty_windows(const Tensor& coordinates, std::size_t levels, std::int64_t radius) {
  const std::int64_t side = 2 * radius + 1;
  return Tensor::empty(
      {coordinates.size(0), static_cast<std::int64_t>(levels) * side * side, coordinates.size(2), coordinates.size(3)},
      {.dtype = coordinates.dtype()});
}

/// What backward of a lookup reads: gradients come as (coordinates, then the others).
std::vector<Tensor> contiguous_saved(const FunctionContext& context, std::size_t count) {
  std::vector<Tensor> saved;
  for (std::size_t i = 0; i < count; ++i) saved.push_back(detail::raw_contiguous(context.saved(static_cast<int>(i))));
  return saved;
}

Tensor zeros_if(bool wanted, const Tensor& like) {
  return wanted ? Tensor::zeros(like.shape(), {.dtype = like.dtype()}) : Tensor();
}

template <class T>
T* data_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

/// Inputs: coordinates, then the levels of a pyramid.
struct Lookup {
  static constexpr bool kOnceDifferentiable = true;
  std::int64_t radius;
  std::size_t levels = 0;

  std::vector<Tensor> forward(FunctionContext& context, const std::vector<Tensor>& inputs) {
    levels = inputs.size() - 1;
    const Tensor at = detail::raw_contiguous(inputs[0]);
    const Tensor output = empty_windows(at, levels, radius);
    dispatch_floating(at.dtype(), "correlation_lookup", [&]<class T>() {
      for (std::size_t l = 0; l < levels; ++l) {
        const Tensor volume = detail::raw_contiguous(inputs[l + 1]);
        cpu::lookup(level_geometry(at, volume.size(3), volume.size(4), radius, l, levels), volume.data<T>(),
                    at.data<T>(), output.data<T>());
      }
    });
    context.save_for_backward(inputs);
    return {output};
  }

  std::vector<Tensor> backward(FunctionContext& context, const std::vector<Tensor>& d_outputs) {
    const std::vector<Tensor> saved = contiguous_saved(context, levels + 1);
    const Tensor d_output = detail::raw_contiguous(d_outputs[0]);
    std::vector<Tensor> gradients(levels + 1);
    gradients[0] = zeros_if(context.needs_input_grad(0), saved[0]);
    dispatch_floating(d_output.dtype(), "correlation_lookup", [&]<class T>() {
      for (std::size_t l = 0; l < levels; ++l) {
        const Tensor& volume = saved[l + 1];
        if (context.needs_input_grad(static_cast<int>(l) + 1)) gradients[l + 1] = Tensor::empty_like(volume);
        cpu::lookup_gradients(level_geometry(saved[0], volume.size(3), volume.size(4), radius, l, levels),
                              volume.data<T>(), saved[0].data<T>(), d_output.data<T>(),
                              data_or_null<T>(gradients[l + 1]), data_or_null<T>(gradients[0]));
      }
    });
    return gradients;
  }
};

/// Inputs: coordinates, `a`, then `b` and its halves.
struct DirectLookup {
  static constexpr bool kOnceDifferentiable = true;
  std::int64_t radius;
  double scale;
  std::size_t levels = 0;

  std::vector<Tensor> forward(FunctionContext& context, const std::vector<Tensor>& inputs) {
    levels = inputs.size() - 2;
    const Tensor at = detail::raw_contiguous(inputs[0]), a = detail::raw_contiguous(inputs[1]);
    const Tensor output = empty_windows(at, levels, radius);
    dispatch_floating(at.dtype(), "correlation_lookup_direct", [&]<class T>() {
      for (std::size_t l = 0; l < levels; ++l) {
        const Tensor b = detail::raw_contiguous(inputs[l + 2]);
        cpu::direct_lookup(level_geometry(at, b.size(2), b.size(3), radius, l, levels), a.size(1), scale, a.data<T>(),
                           b.data<T>(), at.data<T>(), output.data<T>());
      }
    });
    context.save_for_backward(inputs);
    return {output};
  }

  std::vector<Tensor> backward(FunctionContext& context, const std::vector<Tensor>& d_outputs) {
    const std::vector<Tensor> saved = contiguous_saved(context, levels + 2);
    const Tensor d_output = detail::raw_contiguous(d_outputs[0]);
    std::vector<Tensor> gradients(levels + 2);
    gradients[0] = zeros_if(context.needs_input_grad(0), saved[0]);
    gradients[1] = zeros_if(context.needs_input_grad(1), saved[1]);
    dispatch_floating(d_output.dtype(), "correlation_lookup_direct", [&]<class T>() {
      for (std::size_t l = 0; l < levels; ++l) {
        const Tensor& b = saved[l + 2];
        if (context.needs_input_grad(static_cast<int>(l) + 2)) gradients[l + 2] = Tensor::empty_like(b);
        cpu::direct_lookup_gradients(level_geometry(saved[0], b.size(2), b.size(3), radius, l, levels), b.size(1),
                                     scale, saved[1].data<T>(), b.data<T>(), saved[0].data<T>(), d_output.data<T>(),
                                     data_or_null<T>(gradients[1]), data_or_null<T>(gradients[l + 2]),
                                     data_or_null<T>(gradients[0]));
      }
    });
    return gradients;
  }
};

}  // namespace

Tensor all_pairs_correlation(const Tensor& a, const Tensor& b, CorrelationOptions options) {
  check_maps("all_pairs_correlation", a, b);
  const std::int64_t n = a.size(0), c = a.size(1);
  const Tensor left = mul(a, scale_of(options.scale, a)).reshape({n, c, a.size(2) * a.size(3)});
  const Tensor right = b.reshape({n, c, b.size(2) * b.size(3)});
  return matmul(left.transpose(1, 2), right).view({n, a.size(2), a.size(3), b.size(2), b.size(3)});
}

std::vector<Tensor> correlation_pyramid(const Tensor& volume, std::int64_t levels) {
  COPPICE_CHECK(volume.dim() == 5 && (volume.dtype() == kFloat32 || volume.dtype() == kFloat64),
                "[correlation_pyramid] expects a floating volume (n, h, w, h₂, w₂); got ", volume.dtype(), " ",
                volume.shape());
  COPPICE_CHECK(
      levels >= 1 && levels < 32 && volume.size(3) >> (levels - 1) >= 1 && volume.size(4) >> (levels - 1) >= 1,
      "[correlation_pyramid] expects at least 1 level and maps that can be halved between levels; got ", levels,
      " levels of ", volume.shape());
  std::vector<Tensor> pyramid = {volume};
  if (levels == 1) return pyramid;
  const std::vector<Tensor> coarser = apply_function(Halving{.levels = levels - 1, .shape = {}}, {volume});
  pyramid.insert(pyramid.end(), coarser.begin(), coarser.end());
  return pyramid;
}

Tensor correlation_lookup(const std::vector<Tensor>& pyramid, const Tensor& coordinates, std::int64_t radius) {
  COPPICE_CHECK(!pyramid.empty(), "[correlation_lookup] expects at least one level; got none");
  std::vector<Tensor> inputs = {coordinates};
  for (const Tensor& volume : pyramid) {
    COPPICE_CHECK(volume.dim() == 5 && volume.size(0) == pyramid[0].size(0) && volume.size(1) == pyramid[0].size(1) &&
                      volume.size(2) == pyramid[0].size(2) && volume.dtype() == pyramid[0].dtype(),
                  "[correlation_lookup] expects volumes (n, h, w, h₂, w₂) of the same n, h, w and dtype; got ",
                  pyramid[0].shape(), " and ", volume.shape());
    inputs.push_back(volume);
  }
  check_coordinates("correlation_lookup", pyramid[0], pyramid[0].size(0), pyramid[0].size(1), pyramid[0].size(2),
                    coordinates, radius);
  return apply_function(Lookup{.radius = radius}, inputs)[0];
}

Tensor correlation_lookup_direct(const Tensor& a, const Tensor& b, const Tensor& coordinates,
                                 const DirectLookupOptions& options) {
  check_maps("correlation_lookup_direct", a, b);
  check_coordinates("correlation_lookup_direct", a, a.size(0), a.size(2), a.size(3), coordinates, options.radius);
  const std::int64_t halvings = options.levels - 1;
  COPPICE_CHECK(halvings >= 0 && halvings < 31 && b.size(2) >> halvings >= 1 && b.size(3) >> halvings >= 1,
                "[correlation_lookup_direct] expects at least 1 level and maps that can be halved between levels; got ",
                options.levels, " levels of ", b.shape());
  std::vector<Tensor> inputs = {coordinates, a, b};
  for (std::int64_t level = 0; level < halvings; ++level) inputs.push_back(avg_pool2d(inputs.back(), {2, 2}));
  return apply_function(DirectLookup{.radius = options.radius, .scale = scale_of(options.scale, a)}, inputs)[0];
}

}  // namespace coppice
