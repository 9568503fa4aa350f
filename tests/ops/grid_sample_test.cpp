#include <coppice/ops/grid_sample.h>

#include <cmath>
#include <limits>

#include <coppice/ops/affine_grid.h>
#include <coppice/ops/elementwise.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::leaf;
using testing::normal;
using Mode = GridSampleMode;
using Padding = GridSamplePadding;

double mirrored(double x, double low, double high) {
  if (high <= low) return 0.0;
  while (x < low || x > high) x = x < low ? 2.0 * low - x : 2.0 * high - x;
  return x;
}

double padded(double x, std::int64_t size, const GridSampleOptions& o) {
  const double last = double(size - 1);
  if (o.padding_mode == Padding::Border) return std::clamp(x, 0.0, last);
  if (o.padding_mode == Padding::Zeros) return x;
  return std::clamp(o.align_corners ? mirrored(x, 0.0, last) : mirrored(x, -0.5, last + 0.5), 0.0, last);
}

double hat(double x) { return std::max(0.0, 1.0 - std::abs(x)); }
double keys(double x) {
  x = std::abs(x);
  if (x <= 1.0) return 1.25 * x * x * x - 2.25 * x * x + 1.0;
  return x < 2.0 ? -0.75 * x * x * x + 3.75 * x * x - 6.0 * x + 3.0 : 0.0;
}

std::vector<double> reference(const Tensor& input, const Tensor& grid, const GridSampleOptions& o) {
  const std::vector<double> x = input.to_vector<double>(), points = grid.to_vector<double>();
  const std::int64_t h = input.size(2), w = input.size(3), c = input.size(1), count = grid.size(1) * grid.size(2);
  const auto position = [&](double at, std::int64_t size) {
    return o.align_corners ? (at + 1.0) / 2.0 * double(size - 1) : ((at + 1.0) * double(size) - 1.0) / 2.0;
  };
  std::vector<double> y;
  for (std::int64_t plane = 0; plane < input.size(0) * c; ++plane)
    for (std::int64_t p = 0; p < count; ++p) {
      const auto at = static_cast<std::size_t>((plane / c * count + p) * 2);
      double px = position(points[at], w), py = position(points[at + 1], h);
      const auto pixel = [&](double column, double row) {
        if (o.mode == Mode::Bicubic) {
          column = padded(column, w, o);
          row = padded(row, h, o);
        }
        if (column < 0.0 || row < 0.0 || column >= double(w) || row >= double(h)) return 0.0;
        return x[static_cast<std::size_t>((plane * h + static_cast<std::int64_t>(row)) * w +
                                          static_cast<std::int64_t>(column))];
      };
      double sum = 0.0;
      if (o.mode != Mode::Bicubic) {
        px = padded(px, w, o);
        py = padded(py, h, o);
      }
      if (o.mode == Mode::Nearest) {
        y.push_back(pixel(std::nearbyint(px), std::nearbyint(py)));
        continue;
      }
      for (int j = -2; j <= 3; ++j)
        for (int i = -2; i <= 3; ++i) {
          const double column = std::floor(px) + i, row = std::floor(py) + j;
          const double weight =
              o.mode == Mode::Bilinear ? hat(px - column) * hat(py - row) : keys(px - column) * keys(py - row);
          if (weight != 0.0) sum += weight * pixel(column, row);
        }
      y.push_back(sum);
    }
  return y;
}

std::vector<GridSampleOptions> all_options() {
  std::vector<GridSampleOptions> result;
  for (const Mode mode : {Mode::Bilinear, Mode::Nearest, Mode::Bicubic})
    for (const Padding padding : {Padding::Zeros, Padding::Border, Padding::Reflection})
      for (const bool align : {false, true}) result.push_back({mode, padding, align});
  return result;
}

struct SampleCase {
  Shape input, grid;
};
// One channel and many, images read by few points and by many.
const SampleCase kCases[] = {{{1, 1, 1, 1}, {1, 1, 1, 2}},  {{2, 1, 5, 7}, {2, 9, 9, 2}},
                             {{2, 3, 5, 4}, {2, 3, 5, 2}},  {{1, 19, 6, 7}, {1, 9, 11, 2}},
                             {{2, 32, 4, 9}, {2, 8, 8, 2}}, {{1, 9, 40, 9}, {1, 3, 2, 2}},
                             {{0, 2, 3, 3}, {0, 2, 2, 2}},  {{2, 8, 3, 3}, {2, 0, 4, 2}}};

TEST(GridSample, MatchesTheDefinition) {
  for (const GridSampleOptions& o : all_options()) {
    for (const SampleCase& c : kCases) {
      const Tensor input = normal(c.input, 3, kFloat64), grid = normal(c.grid, 5, kFloat64) * 1.3;
      const std::vector<double> expected = reference(input, grid, o);
      const std::vector<double> actual = grid_sample(input, grid, o).to_vector<double>();
      const std::vector<double> single = grid_sample(input.to(kFloat32), grid.to(kFloat32), o).to_vector<double>();
      ASSERT_EQ(actual.size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(actual[i], expected[i], 1e-12) << c.input << ' ' << static_cast<int>(o.mode) << ' ' << i;
        ASSERT_NEAR(single[i], expected[i], 1e-4) << c.input << ' ' << static_cast<int>(o.mode) << ' ' << i;
      }
    }
  }
}

TEST(GridSample, ReadsZerosAtPointsThatAreNowhere) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor grid = Tensor::of({inf, 0.0, 0.0, -inf, nan, 0.0, 1e300, 1e300}, Shape{1, 2, 2, 2});
  for (const std::int64_t channels : {1, 16}) {
    const Tensor input = Tensor::full({1, channels, 2, 2}, inf, {.dtype = kFloat64});
    for (const Mode mode : {Mode::Bilinear, Mode::Nearest}) {
      for (const double value : grid_sample(input, grid, {.mode = mode}).to_vector<double>()) EXPECT_EQ(value, 0.0);
    }
  }
  const Tensor zeros = Tensor::zeros({1, 1, 2, 2}, {.dtype = kFloat64});
  for (const GridSampleOptions& o : all_options()) grid_sample(zeros, grid, o);  // reads inside the image
}

TEST(GridSample, GradientsAgreeWithDifferences) {
  for (const GridSampleOptions& o : all_options()) {
    for (const SampleCase& c : {SampleCase{{2, 2, 4, 5}, {2, 3, 3, 2}}, SampleCase{{1, 9, 3, 4}, {1, 4, 3, 2}}}) {
      const Tensor grid = leaf(c.grid, 13);
      const auto sample = [&](const std::vector<Tensor>& x) { return std::vector<Tensor>{grid_sample(x[0], x[1], o)}; };
      const std::vector<Tensor> inputs = {leaf(c.input, 11), o.mode == Mode::Nearest ? grid.detach() : grid};
      gradcheck(sample, inputs);
      expect_no_leak(sample, inputs, {.create_graph = false});
    }
  }
}

TEST(GridSample, NearestHasNoGradientByTheGrid) {
  const Tensor grid = leaf({1, 3, 3, 2}, 3);
  grid_sample(normal({1, 2, 4, 4}, 5, kFloat64), grid, {.mode = Mode::Nearest})
      .backward(Tensor::ones({1, 2, 3, 3}, {.dtype = kFloat64}));
  EXPECT_TRUE(bit_equal(grid.grad(), Tensor::zeros({1, 3, 3, 2}, {.dtype = kFloat64})));
}

TEST(GridSample, IsBitwiseTheSameForAnyNumberOfThreads) {
  for (const Shape& shape : {Shape{2, 40, 17, 19}, Shape{3, 2, 17, 19}}) {
    for (const bool by_grid : {false, true}) {
      testing::expect_same_for_any_threads([&] {
        const Tensor input = normal(shape, 3).requires_grad_();
        const Tensor grid = (normal({shape[0], 31, 33, 2}, 5) * 0.7).requires_grad_();
        const Tensor output = grid_sample(input, grid);
        output.backward(output.detach());
        return by_grid ? grid.grad() : input.grad();
      });
    }
  }
}

TEST(GridSample, ReadsViewsAndTheIdentity) {
  const Tensor input = normal({5, 7, 3, 2}, 7).permute({3, 2, 0, 1});
  const Tensor theta = Tensor::of({1.F, 0.F, 0.F, 0.F, 1.F, 0.F, 1.F, 0.F, 0.F, 0.F, 1.F, 0.F}, Shape{2, 2, 3});
  for (const bool align : {false, true}) {
    const Tensor grid = affine_grid(theta, input.shape(), {.align_corners = align});
    const std::vector<float> actual = grid_sample(input, grid, {.align_corners = align}).to_vector<float>();
    const std::vector<float> expected = input.to_vector<float>();
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-5F);
  }
}

TEST(AffineGrid, MapsPixels) {
  const Tensor theta = Tensor::of({2.0, 1.0, 0.5, -1.0, 3.0, 0.25}, Shape{1, 2, 3});
  const std::vector<double> corners = affine_grid(theta, {1, 1, 2, 2}, {.align_corners = true}).to_vector<double>();
  EXPECT_EQ(corners, (std::vector<double>{-2.5, -1.75, 1.5, -3.75, -0.5, 4.25, 3.5, 2.25}));
  const std::vector<double> centres = affine_grid(theta, {1, 1, 2, 1}).to_vector<double>();
  EXPECT_EQ(centres, (std::vector<double>{0.0, -1.25, 1.0, 1.75}));
  testing::check_gradients(
      [](const std::vector<Tensor>& x) {
        return affine_grid(x[0], {2, 3, 3, 4});
      },
      {leaf({2, 2, 3}, 3)});
}

TEST(GridSample, SaysWhatDoesNotFit) {
  expect_error(
      [] {
        grid_sample(Tensor::zeros({1, 1, 3, 4}), Tensor::zeros({2, 3, 4, 2}));
      },
      "[grid_sample] expects an input (n, c, h, w) and a grid (n, h_out, w_out, 2); got (1, 1, 3, 4) and (2, 3, "
      "4, 2)");
  expect_error(
      [] {
        grid_sample(Tensor::zeros({1, 1, 3, 4}), Tensor::zeros({1, 3, 4, 2}, {.dtype = kFloat64}));
      },
      "[grid_sample] expects float32 or float64, both of one dtype; got float32 and float64");
  expect_error(
      [] {
        affine_grid(Tensor::zeros({1, 2, 3}), {2, 1, 4, 4});
      },
      "[affine_grid] expects theta (n, 2, 3) and a size (n, c, h, w); got (1, 2, 3) and (2, 1, 4, 4)");
}

}  // namespace
}  // namespace coppice
