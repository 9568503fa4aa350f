#include <coppice/ops/interpolate.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include <coppice/ops/resample.h>

namespace coppice {

namespace {

using cpu::Taps;

struct AxisSizes {
  std::int64_t in, out;
  double given_scale;  ///< 0: none
};

/// Input elements per output element.
template <class T>
T step_of(const AxisSizes& axis, bool align_corners) {
  if (align_corners) return axis.out > 1 ? static_cast<T>(axis.in - 1) / static_cast<T>(axis.out - 1) : T{0};
  if (axis.given_scale > 0.0) return static_cast<T>(1.0 / axis.given_scale);
  return static_cast<T>(axis.in) / static_cast<T>(axis.out);
}

/// The cubic convolution kernel at distance x ≥ 0.
template <class T>
T cubic(T x, T a) {
  if (x <= T{1}) return ((a + T{2}) * x - (a + T{3})) * x * x + T{1};
  if (x < T{2}) return (((x - T{5}) * x + T{8}) * x - T{4}) * a;
  return T{0};
}

/// Adds a run whose elements outside the axis are those at its ends.
template <class T>
void add_clamped(Taps& taps, std::int64_t first, const std::vector<T>& weights) {
  const auto count = static_cast<std::int64_t>(weights.size());
  const std::int64_t begin = std::clamp<std::int64_t>(first, 0, taps.size - 1);
  const std::int64_t end = std::clamp<std::int64_t>(first + count - 1, 0, taps.size - 1) + 1;
  std::vector<double> run(static_cast<std::size_t>(end - begin), 0.0);
  for (std::int64_t k = 0; k < count; ++k) {
    const std::int64_t place = std::clamp<std::int64_t>(first + k, 0, taps.size - 1) - begin;
    run[static_cast<std::size_t>(place)] += static_cast<double>(weights[static_cast<std::size_t>(k)]);
  }
  taps.add(begin, run);
}

Taps nearest_taps(const AxisSizes& axis, bool exact) {
  Taps taps{.size = axis.in};
  const float step = step_of<float>(axis, false);
  for (std::int64_t i = 0; i < axis.out; ++i) {
    const float position = (static_cast<float>(i) + (exact ? 0.5F : 0.0F)) * step;
    taps.add(std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(position)), 0, axis.in - 1), {1.0});
  }
  return taps;
}

template <class T>
Taps smooth_taps(const AxisSizes& axis, bool is_cubic, bool align_corners) {
  Taps taps{.size = axis.in};
  const T step = step_of<T>(axis, align_corners);
  for (std::int64_t i = 0; i < axis.out; ++i) {
    T position = align_corners ? step * static_cast<T>(i) : step * (static_cast<T>(i) + T(0.5)) - T(0.5);
    if (!is_cubic) position = std::max(position, T{0});
    const T floor = std::floor(position);
    const T t = position - floor;
    const auto first = static_cast<std::int64_t>(floor);
    if (is_cubic) {
      constexpr T kA = T(-0.75);
      add_clamped<T>(taps, first - 1, {cubic(t + T{1}, kA), cubic(t, kA), cubic(T{1} - t, kA), cubic(T{2} - t, kA)});
    } else {
      add_clamped<T>(taps, first, {T{1} - t, t});
    }
  }
  return taps;
}

template <class T>
Taps filtered_taps(const AxisSizes& axis, bool is_cubic, bool align_corners) {
  Taps taps{.size = axis.in};
  const T step = step_of<T>(axis, align_corners);
  const T stretch = std::max(step, T{1});
  const T support = (is_cubic ? T{2} : T{1}) * stretch;
  for (std::int64_t i = 0; i < axis.out; ++i) {
    const T centre = step * (static_cast<T>(i) + T(0.5));
    const std::int64_t first = std::max<std::int64_t>(static_cast<std::int64_t>(centre - support + T(0.5)), 0);
    const std::int64_t end = std::min<std::int64_t>(static_cast<std::int64_t>(centre + support + T(0.5)), axis.in);
    std::vector<double> run;
    T total{0};
    for (std::int64_t j = first; j < end; ++j) {
      const T x = std::abs((static_cast<T>(j) - centre + T(0.5)) / stretch);
      const T weight = is_cubic ? cubic(x, T(-0.5)) : std::max(T{1} - x, T{0});
      total += weight;
      run.push_back(static_cast<double>(weight));
    }
    if (total != T{0}) {
      for (double& weight : run) weight = static_cast<double>(static_cast<T>(weight) / total);
    }
    taps.add(first, run);
  }
  return taps;
}

Taps area_taps(const AxisSizes& axis) {
  Taps taps{.size = axis.in};
  for (std::int64_t i = 0; i < axis.out; ++i) {
    const std::int64_t first = i * axis.in / axis.out;
    const std::int64_t end = ((i + 1) * axis.in + axis.out - 1) / axis.out;
    const auto count = static_cast<std::size_t>(end - first);
    taps.add(first, std::vector<double>(count, 1.0 / static_cast<double>(count)));
  }
  return taps;
}

Taps axis_taps(const AxisSizes& axis, DType dtype, const InterpolateOptions& options) {
  const bool is_cubic = options.mode == InterpolateMode::Bicubic;
  switch (options.mode) {
    case InterpolateMode::Nearest: return nearest_taps(axis, false);
    case InterpolateMode::NearestExact: return nearest_taps(axis, true);
    case InterpolateMode::Area: return area_taps(axis);
    default: break;
  }
  return dispatch_floating(dtype, "interpolate", [&]<class T>() {
    return options.antialias ? filtered_taps<T>(axis, is_cubic, options.align_corners)
                             : smooth_taps<T>(axis, is_cubic, options.align_corners);
  });
}

std::array<AxisSizes, 2> check_interpolate(const Tensor& input, const InterpolateOptions& options) {
  COPPICE_CHECK(input.dim() == 4 && input.size(2) >= 1 && input.size(3) >= 1,
                "[interpolate] expects an input (n, c, h, w) of at least one pixel; got ", input.shape());
  COPPICE_CHECK(input.dtype() == kFloat32 || input.dtype() == kFloat64,
                "[interpolate] expects float32 or float64; got ", input.dtype(), " ", input.shape(),
                "; cast with to(kFloat32)");
  COPPICE_CHECK(options.size.has_value() != options.scale_factor.has_value(),
                "[interpolate] expects either size or scale_factor; got ", options.size ? "both" : "neither");
  const bool smooth = options.mode == InterpolateMode::Bilinear || options.mode == InterpolateMode::Bicubic;
  COPPICE_CHECK(smooth || (!options.align_corners && !options.antialias),
                "[interpolate] align_corners and antialias are for Bilinear and Bicubic; leave them unset here");
  std::array<AxisSizes, 2> axes{};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t in = input.size(static_cast<int>(i) + 2);
    const double scale = options.scale_factor ? (*options.scale_factor)[i] : 0.0;
    const std::int64_t out =
        options.size ? (*options.size)[i] : static_cast<std::int64_t>(std::floor(static_cast<double>(in) * scale));
    COPPICE_CHECK(out >= 1, "[interpolate] expects an output of at least 1 × 1; got ", out, " along dimension ", i + 2,
                  " of ", input.shape());
    axes[i] = {in, out, options.recompute_scale_factor ? 0.0 : scale};
  }
  return axes;
}

}  // namespace

Tensor interpolate(const Tensor& input, const InterpolateOptions& options) {
  const std::array<AxisSizes, 2> axes = check_interpolate(input, options);
  auto plan = std::make_shared<ResamplePlan>();
  plan->rows = axis_taps(axes[0], input.dtype(), options);
  plan->columns = axis_taps(axes[1], input.dtype(), options);
  plan->rows_back = cpu::transpose(plan->rows);
  plan->columns_back = cpu::transpose(plan->columns);
  return resample("interpolate", input, plan);
}

}  // namespace coppice
