#include <coppice/ops/roi_align.h>

#include <algorithm>
#include <cmath>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::leaf;
using testing::normal;
using Size = std::array<std::int64_t, 2>;

double bilinear(const Tensor& x, std::int64_t n, std::int64_t c, double at_y, double at_x) {
  const std::int64_t h = x.size(2), w = x.size(3);
  if (at_y < -1.0 || at_y > double(h) || at_x < -1.0 || at_x > double(w)) return 0.0;
  at_y = std::clamp(at_y, 0.0, double(h - 1));
  at_x = std::clamp(at_x, 0.0, double(w - 1));
  double sum = 0.0;
  for (std::int64_t r = 0; r < h; ++r)
    for (std::int64_t s = 0; s < w; ++s) {
      sum += std::max(0.0, 1.0 - std::abs(at_y - double(r))) * std::max(0.0, 1.0 - std::abs(at_x - double(s))) *
             testing::element_at(x, {n, c, r, s});
    }
  return sum;
}

double reference(const Tensor& x, const Tensor& boxes, Size size, const RoiAlignOptions& o,
                 const std::vector<std::int64_t>& i) {
  const auto box = [&](std::int64_t k) { return testing::element_at(boxes, {i[0], k}); };
  const double shift = o.aligned ? 0.5 : 0.0;
  const double x1 = box(1) * o.spatial_scale - shift, y1 = box(2) * o.spatial_scale - shift;
  double width = box(3) * o.spatial_scale - shift - x1, height = box(4) * o.spatial_scale - shift - y1;
  if (!o.aligned) {
    width = std::max(width, 1.0);
    height = std::max(height, 1.0);
  }
  const double bin_h = height / double(size[0]), bin_w = width / double(size[1]);
  const auto samples = [&](double bin) {
    return o.sampling_ratio > 0 ? o.sampling_ratio : static_cast<std::int64_t>(std::ceil(bin));
  };
  double sum = 0.0;
  for (std::int64_t a = 0; a < samples(bin_h); ++a)
    for (std::int64_t b = 0; b < samples(bin_w); ++b) {
      sum += bilinear(x, static_cast<std::int64_t>(box(0)), i[1],
                      y1 + (double(i[2]) + (double(a) + 0.5) / double(samples(bin_h))) * bin_h,
                      x1 + (double(i[3]) + (double(b) + 0.5) / double(samples(bin_w))) * bin_w);
    }
  return sum / double(std::max<std::int64_t>(1, samples(bin_h) * samples(bin_w)));
}

/// Inside, partly outside, far outside, tiny, inverted, as large as the image.
Tensor some_boxes() {
  return Tensor::of({0.0, 1.2, 2.3, 6.1, 7.9, 1.0, -3.5, -2.0, 4.0, 3.0, 0.0, 30.0, 40.0, 50.0, 60.0,
                     1.0, 5.0, 5.0, 5.1, 5.2, 1.0, 6.0,  6.0,  3.0, 2.0, 0.0, 0.0,  0.0,  11.0, 9.0},
                    Shape{6, 5});
}

const RoiAlignOptions kOptions[] = {{},
                                    {.aligned = true},
                                    {.spatial_scale = 0.5, .sampling_ratio = 2},
                                    {.spatial_scale = 1.5, .sampling_ratio = 3, .aligned = true}};

TEST(RoiAlign, MatchesTheDefinition) {
  const Tensor input = normal({2, 3, 9, 11}, 3, kFloat64);
  for (const RoiAlignOptions& o : kOptions) {
    for (const Size size : {Size{1, 1}, Size{3, 2}, Size{7, 7}}) {
      const Tensor output = roi_align(input, some_boxes(), size, o);
      const Tensor single = roi_align(input.to(kFloat32), some_boxes().to(kFloat32), size, o);
      ASSERT_EQ(output.shape(), (Shape{6, 3, size[0], size[1]}));
      testing::for_each_index(output.shape(), [&](const std::vector<std::int64_t>& i) {
        const double expected = reference(input, some_boxes(), size, o, i);
        ASSERT_NEAR(testing::element_at(output, i), expected, 1e-12) << i[0];
        ASSERT_NEAR(testing::element_at(single, i), expected, 1e-5) << i[0];
      });
    }
  }
  EXPECT_EQ(roi_align(input, Tensor::zeros({0, 5}, {.dtype = kFloat64}), {2, 2}).shape(), (Shape{0, 3, 2, 2}));
}

TEST(RoiAlign, GradientsAgreeWithDifferences) {
  for (const RoiAlignOptions& o : kOptions) {
    testing::check_gradients(
        [&](const std::vector<Tensor>& x) {
          return roi_align(x[0], some_boxes(), {2, 3}, o);
        },
        {leaf({2, 2, 5, 6}, 3)});
  }
}

TEST(RoiAlign, IsBitwiseTheSameForAnyNumberOfThreads) {
  testing::expect_same_for_any_threads([&] {
    const Tensor x = normal({2, 9, 9, 11}, 3).requires_grad_();
    const Tensor y = roi_align(x, some_boxes().to(kFloat32), {5, 5});
    y.backward(y.detach());
    return x.grad();
  });
}

TEST(RoiAlign, SaysWhatDoesNotFit) {
  const Tensor input = Tensor::zeros({1, 1, 4, 4});
  expect_error(
      [&] {
        roi_align(input, Tensor::zeros({2, 4}), {2, 2});
      },
      "[roi_align] expects features (n, c, h, w) and boxes (k, 5), rows (image, x1, y1, x2, y2); got (1, 1, 4, 4) "
      "and (2, 4)");
  expect_error(
      [&] {
        roi_align(input, Tensor::ones({2, 5}), {2, 2});
      },
      "[roi_align] expects boxes in 1 images; got image 1 in row 0");
}

}  // namespace
}  // namespace coppice
