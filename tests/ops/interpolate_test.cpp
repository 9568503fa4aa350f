#include <coppice/ops/interpolate.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::leaf;
using testing::normal;
using testing::small_integers;
using Mode = InterpolateMode;
using Size = std::array<std::int64_t, 2>;

double hat(double x) { return std::max(0.0, 1.0 - std::abs(x)); }
double keys(double x, double a) {
  x = std::abs(x);
  if (x <= 1.0) return (a + 2.0) * x * x * x - (a + 3.0) * x * x + 1.0;
  return x < 2.0 ? a * x * x * x - 5.0 * a * x * x + 8.0 * a * x - 4.0 * a : 0.0;
}

/// The weight of element j for output i along one axis, by the definition.
double weight(const InterpolateOptions& o, std::int64_t in, std::int64_t out, double scale, std::int64_t i,
              std::int64_t j) {
  const double step = o.align_corners ? (out > 1 ? double(in - 1) / double(out - 1) : 0.0)
                      : scale > 0.0   ? 1.0 / scale
                                      : double(in) / double(out);
  const bool cubic = o.mode == Mode::Bicubic;
  if (o.mode == Mode::Nearest || o.mode == Mode::NearestExact) {
    const double position = (double(i) + (o.mode == Mode::Nearest ? 0.0 : 0.5)) * step;
    return j == std::min<std::int64_t>(in - 1, static_cast<std::int64_t>(std::floor(position + 1e-9))) ? 1.0 : 0.0;
  }
  if (o.mode == Mode::Area) {
    const std::int64_t first = i * in / out, end = ((i + 1) * in + out - 1) / out;
    return j >= first && j < end ? 1.0 / double(end - first) : 0.0;
  }
  if (o.antialias) {
    const double stretch = std::max(1.0, step), centre = step * (double(i) + 0.5);
    const auto value = [&](std::int64_t e) {
      const double x = (double(e) + 0.5 - centre) / stretch;
      return cubic ? keys(x, -0.5) : hat(x);
    };
    double total = 0.0;
    for (std::int64_t e = 0; e < in; ++e) total += value(e);
    return value(j) / total;
  }
  double position = o.align_corners ? step * double(i) : step * (double(i) + 0.5) - 0.5;
  if (!cubic) position = std::clamp(position, 0.0, double(in - 1));
  double sum = 0.0;
  for (std::int64_t e = -4; e < in + 4; ++e) {  // pixels repeated past the border
    if (std::clamp<std::int64_t>(e, 0, in - 1) == j) {
      sum += cubic ? keys(position - double(e), -0.75) : hat(position - double(e));
    }
  }
  return sum;
}

std::vector<double> reference(const Tensor& input, const InterpolateOptions& o, Size out) {
  const std::vector<double> x = input.to_vector<double>();
  const std::int64_t h = input.size(2), w = input.size(3);
  std::vector<double> y;
  for (std::int64_t plane = 0; plane < input.size(0) * input.size(1); ++plane)
    for (std::int64_t oy = 0; oy < out[0]; ++oy)
      for (std::int64_t ox = 0; ox < out[1]; ++ox) {
        double sum = 0.0;
        for (std::int64_t r = 0; r < h; ++r)
          for (std::int64_t c = 0; c < w; ++c) {
            const double a = weight(o, h, out[0], o.scale_factor ? (*o.scale_factor)[0] : 0.0, oy, r);
            const double b = weight(o, w, out[1], o.scale_factor ? (*o.scale_factor)[1] : 0.0, ox, c);
            if (a != 0.0 && b != 0.0) sum += a * b * x[static_cast<std::size_t>((plane * h + r) * w + c)];
          }
        y.push_back(sum);
      }
  return y;
}

std::vector<InterpolateOptions> all_modes() {
  std::vector<InterpolateOptions> modes = {{.mode = Mode::Nearest}, {.mode = Mode::NearestExact}, {.mode = Mode::Area}};
  for (const Mode mode : {Mode::Bilinear, Mode::Bicubic}) {
    modes.push_back({.mode = mode});
    modes.push_back({.mode = mode, .align_corners = true});
    modes.push_back({.mode = mode, .antialias = true});
  }
  return modes;
}

struct ResizeCase {
  Shape input;
  Size size;
};
const ResizeCase kCases[] = {
    {{1, 1, 1, 1}, {1, 1}},  {{1, 1, 1, 1}, {3, 2}},   {{1, 2, 5, 7}, {10, 14}}, {{2, 1, 5, 7}, {5, 7}},
    {{1, 1, 9, 13}, {4, 5}}, {{1, 1, 4, 6}, {7, 1}},   {{1, 1, 3, 40}, {5, 67}}, {{1, 1, 40, 33}, {3, 70}},
    {{0, 2, 4, 4}, {2, 8}},  {{1, 1, 37, 2}, {80, 3}},
};

TEST(Interpolate, MatchesTheDefinition) {
  for (InterpolateOptions options : all_modes()) {
    for (const ResizeCase& c : kCases) {
      options.size = c.size;
      const Tensor input = normal(c.input, 3, kFloat64);
      const Tensor output = interpolate(input, options);
      const std::vector<double> expected = reference(input, options, c.size);
      const std::vector<double> actual = output.to_vector<double>();
      const std::vector<double> single = interpolate(input.to(kFloat32), options).to_vector<double>();
      ASSERT_EQ(actual.size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(actual[i], expected[i], 1e-12) << static_cast<int>(options.mode) << ' ' << c.input << ' ' << i;
        ASSERT_NEAR(single[i], expected[i], 5e-5) << static_cast<int>(options.mode) << ' ' << c.input << ' ' << i;
      }
    }
  }
}

TEST(Interpolate, TakesScaleFactors) {
  for (InterpolateOptions options : all_modes()) {
    if (options.align_corners || options.mode == Mode::Area) continue;
    options.scale_factor = {{1.7, 0.6}};
    const Tensor input = normal({1, 2, 7, 9}, 5, kFloat64);
    const Tensor output = interpolate(input, options);
    ASSERT_EQ(output.shape(), (Shape{1, 2, 11, 5}));
    const std::vector<double> expected = reference(input, options, {11, 5});
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(output.to_vector<double>()[i], expected[i], 1e-12) << static_cast<int>(options.mode) << ' ' << i;
    }
    options.recompute_scale_factor = true;
    const Tensor again = interpolate(input, options);
    options.scale_factor.reset();
    options.size = {{11, 5}};
    EXPECT_TRUE(bit_equal(again, interpolate(input, options)));
  }
}

TEST(Interpolate, RepeatsPixelsExactly) {
  const Tensor input = Tensor::of({1.F, 2.F, 3.F, 4.F}, Shape{1, 1, 2, 2});
  EXPECT_EQ(interpolate(input, {.scale_factor = {{2.0, 2.0}}}).to_vector<float>(),
            (std::vector<float>{1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4}));
  EXPECT_EQ(interpolate(input, {.size = {{3, 3}}, .mode = Mode::Bilinear, .align_corners = true}).to_vector<float>(),
            (std::vector<float>{1, 1.5, 2, 2, 2.5, 3, 3, 3.5, 4}));
}

TEST(Interpolate, GradientsAgreeWithDifferences) {
  for (InterpolateOptions options : all_modes()) {
    for (const Size size : {Size{6, 9}, Size{3, 2}}) {
      options.size = size;
      check_gradients([&](const std::vector<Tensor>& x) { return interpolate(x[0], options); },
                      {leaf({1, 2, 4, 5}, 7)});
    }
  }
}

TEST(Interpolate, ReadsViewsAndAnyNumberOfThreads) {
  const Tensor view = normal({9, 7, 3, 2}, 9).permute({3, 2, 0, 1});
  const Tensor image = normal({1, 2, 70, 61}, 11);
  for (InterpolateOptions options : all_modes()) {
    options.size = {{150, 40}};
    EXPECT_TRUE(bit_equal(interpolate(view, options), interpolate(view.to_dense(), options)));
    testing::expect_same_for_any_threads([&] {
      const Tensor x = image.clone().requires_grad_();
      const Tensor y = interpolate(x, options);
      y.backward(y.detach());
      return x.grad();
    });
  }
}

TEST(Interpolate, SaysWhatDoesNotFit) {
  const Tensor input = Tensor::zeros({1, 1, 3, 4});
  expect_error([&] { interpolate(input, {}); }, "[interpolate] expects either size or scale_factor; got neither");
  expect_error(
      [&] {
        interpolate(Tensor::zeros({3, 4}), {.size = {{1, 1}}});
      },
      "[interpolate] expects an input (n, c, h, w) of at least one pixel; got (3, 4)");
  expect_error(
      [&] {
        interpolate(input, {.scale_factor = {{0.2, 1.0}}});
      },
      "[interpolate] expects an output of at least 1 × 1; got 0 along dimension 2 of (1, 1, 3, 4)");
  expect_error(
      [&] {
        interpolate(input, {.size = {{2, 2}}, .align_corners = true});
      },
      "[interpolate] align_corners and antialias are for Bilinear and Bicubic; leave them unset here");
}

}  // namespace
}  // namespace coppice
