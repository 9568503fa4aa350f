#include <gtest/gtest.h>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/pad.h>
#include <coppice/ops/repeat.h>
#include <coppice/ops/roll.h>

#include "tests/ops/rearrange_reference.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::counted;
using testing::element_at;
using testing::expect_elements;
using testing::Index;
using testing::leaf;

/// Walks from the border step by step, as the mode says.
std::int64_t walked(std::int64_t at, std::int64_t size, PadMode mode) {
  while (at < 0 || at >= size) {
    if (mode == PadMode::Constant) return -1;
    if (mode == PadMode::Circular) at += at < 0 ? size : -size;
    if (mode == PadMode::Replicate) at += at < 0 ? 1 : -1;
    if (mode == PadMode::Reflect) at = at < 0 ? -at : size - 1 - (at - (size - 1));
  }
  return at;
}

Tensor naive_pad(const Tensor& x, const std::vector<std::int64_t>& padding, PadMode mode, double value) {
  Shape shape = x.shape();
  Index before(static_cast<std::size_t>(x.dim()), 0);
  for (std::size_t i = 0; i < padding.size(); i += 2) {
    const int dim = x.dim() - 1 - static_cast<int>(i / 2);
    shape[dim] += padding[i] + padding[i + 1];
    before[static_cast<std::size_t>(dim)] = padding[i];
  }
  std::vector<double> values;
  testing::for_each_index(shape, [&](const Index& index) {
    Index from = index;
    bool outside = false;
    for (std::size_t d = 0; d < index.size(); ++d) {
      from[d] = walked(index[d] - before[d], x.size(static_cast<int>(d)), mode);
      outside = outside || from[d] < 0;
    }
    values.push_back(outside ? value : element_at(x, from));
  });
  return Tensor::of(values, shape).to(x.dtype());
}

constexpr PadMode kModes[] = {PadMode::Constant, PadMode::Reflect, PadMode::Replicate, PadMode::Circular};

TEST(Pad, MatchesPlainLoops) {
  const std::vector<std::vector<std::int64_t>> paddings{
      {}, {1, 2}, {3, 0}, {0, 3, 2, 1}, {1, 1, 1, 1, 2, 1}, {-1, 2}, {-2, -1, 1, -1}, {0, 0, 0, 0, 1, 2}};
  for (const PadMode mode : kModes) {
    for (const DType dtype : testing::moved_dtypes()) {
      for (const auto& padding : paddings) {
        for (const Tensor& x : {counted({3, 4, 5}, dtype), counted({5, 4, 3}, dtype).permute({2, 1, 0})}) {
          EXPECT_TRUE(bit_equal(pad(x, padding, {mode, 7.0}), naive_pad(x, padding, mode, 7.0)));
        }
      }
    }
  }
}

TEST(Pad, OfNothingAndOfOneElement) {
  EXPECT_TRUE(bit_equal(pad(Tensor::empty({0, 2}), {1, 0, 2, 1}, {.value = 3.0}), Tensor::full({3, 3}, 3.0)));
  EXPECT_EQ(pad(Tensor::ones({2, 3}), {-3, 0}).shape(), (Shape{2, 0}));
  EXPECT_EQ(pad(Tensor::of({4.0F}), {2, 1}, {PadMode::Replicate}).to_vector<float>(), (std::vector<float>{4, 4, 4, 4}));
  EXPECT_EQ(pad(Tensor::of({4.0F}), {1, 1}, {PadMode::Circular}).to_vector<float>(), (std::vector<float>{4, 4, 4}));
  EXPECT_EQ(pad(Tensor::full({}, 2.0), {}).item<float>(), 2.0F);
}

TEST(Pad, GradientsOfFirstAndSecondOrder) {
  const Tensor x = leaf({2, 3, 4}, 1);
  for (const PadMode mode : kModes) {
    check_gradients([mode](auto& v) { return pow(pad(v[0], {2, 1, 1, 2}, {mode}), 2.0); }, {x});
    check_gradients(
        [mode](auto& v) {
          return pow(pad(v[0].permute({2, 0, 1}), {-1, 2, 0, 1, 1, 0}, {mode}), 2.0);
        },
        {x});
  }
}

TEST(Pad, IsTheSameForAnyNumberOfThreads) {
  const Tensor x = testing::normal({40, 50, 60}, 3).requires_grad_();
  testing::expect_same_for_any_threads([&] {
    x.set_grad({});
    pad(x, {20, 30, 7, 9}, {PadMode::Reflect}).backward(testing::normal({40, 66, 110}, 4));
    return x.grad();
  });
}

TEST(Pad, ErrorsNamePaddingAndShape) {
  const Tensor x = counted({2, 3});
  EXPECT_EQ(error_of([&] {
              return pad(x, {3, 0}, {PadMode::Reflect});
            }),
            "[pad] reflect padding does not fit dimension 1; got (3, 0) for (2, 3)");
  EXPECT_EQ(error_of([&] {
              return pad(x, {4, 0}, {PadMode::Circular});
            }),
            "[pad] circular padding does not fit dimension 1; got (4, 0) for (2, 3)");
  EXPECT_EQ(error_of([&] {
              return pad(x, {1, 2, 3});
            }),
            "[pad] expects two numbers for each of at most 2 dimensions; got 3 numbers (1, 2, 3) for (2, 3)");
  EXPECT_EQ(error_of([&] {
              return pad(x, {-2, -2});
            }),
            "[pad] removes more than there is of dimension 1; got (-2, -2) for (2, 3)");
}

TEST(Roll, FlipsAndRolls) {
  const Tensor x = counted({3, 4, 5});
  for (const Tensor& y : {x, x.permute({0, 2, 1}), x.slice(1, 1, 4, 2)}) {
    const Shape& s = y.shape();
    expect_elements(flip(y, {0, -1}), s, [&](const Index& i) {
      return element_at(y, {s[0] - 1 - i[0], i[1], s[2] - 1 - i[2]});
    });
    expect_elements(flip(y, {1}), s, [&](const Index& i) { return element_at(y, {i[0], s[1] - 1 - i[1], i[2]}); });
    for (const std::int64_t shift : {-7, -1, 0, 2, 11}) {
      const auto moved = [&](std::int64_t at, std::int64_t size) { return (at - shift + 100 * size) % size; };
      expect_elements(roll(y, {shift}, {-1}), s, [&](const Index& i) {
        return element_at(y, {i[0], i[1], moved(i[2], s[2])});
      });
      expect_elements(roll(y, {shift, shift}, {0, 1}), s, [&](const Index& i) {
        return element_at(y, {moved(i[0], s[0]), moved(i[1], s[1]), i[2]});
      });
      EXPECT_TRUE(bit_equal(roll(y, {shift}).reshape({-1}), roll(y.reshape({-1}), {shift}, {0})));
    }
  }
  EXPECT_EQ(flip(Tensor::empty({0, 3}), {0, 1}).shape(), (Shape{0, 3}));
  EXPECT_EQ(roll(Tensor::empty({0, 3}), {2}, {0}).shape(), (Shape{0, 3}));
  const Tensor image = counted({2, 3, 2, 2});
  EXPECT_TRUE(bit_equal(flip(image.to(MemoryFormat::Blocked), {0, 3}), flip(image, {0, 3})));
  EXPECT_TRUE(bit_equal(flip(x.to(kFloat16), {2}).to(kFloat32), flip(x, {2})));
  EXPECT_NE(error_of([&] { return flip(x, {0, -3}); }).find("[flip] names a dimension twice"), std::string::npos);
  EXPECT_NE(error_of([&] { return roll(x, {1, 2}, {0}); }).find("[roll] expects a shift for each"), std::string::npos);
}

TEST(Roll, GradientsOfFirstAndSecondOrder) {
  const Tensor x = leaf({2, 3, 2}, 5);
  check_gradients([](auto& v) { return pow(flip(v[0], {0, 2}), 2.0) * v[0]; }, {x});
  check_gradients([](auto& v) { return pow(roll(v[0], {1, -1}, {1, 0}), 2.0) * v[0]; }, {x});
  check_gradients([](auto& v) { return pow(roll(v[0], {5}), 2.0) * v[0]; }, {x});
}

TEST(Repeat, MatchesPlainLoops) {
  for (const DType dtype : testing::moved_dtypes()) {
    const Tensor x = counted({2, 3}, dtype);
    const auto wrapped = [&](const Index& i) { return element_at(x, {i[1] % 2, i[2] % 3}); };
    expect_elements(repeat(x, {2, 3, 2}), {2, 6, 6}, wrapped);
    expect_elements(tile(x, {2}), {2, 6}, [&](const Index& i) { return element_at(x, {i[0], i[1] % 3}); });
    expect_elements(repeat_interleave(x, 3, 1), {2, 9}, [&](const Index& i) {
      return element_at(x, {i[0], i[1] / 3});
    });
    EXPECT_EQ(repeat_interleave(x, Tensor::of({2, 0}), 0).to_vector<double>(), (std::vector<double>{0, 1, 2, 0, 1, 2}));
  }
  EXPECT_EQ(repeat_interleave(counted({2, 2}), 2).to_vector<float>(), (std::vector<float>{0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(repeat(counted({2}), {0}).shape(), Shape{0});
  EXPECT_EQ(repeat(Tensor::full({}, 3.0), {2}).to_vector<float>(), (std::vector<float>{3, 3}));
}

TEST(Repeat, GradientsOfFirstAndSecondOrder) {
  const Tensor x = leaf({2, 3}, 6);
  check_gradients([](auto& v) { return pow(repeat(v[0], {2, 2, 3}), 2.0); }, {x});
  check_gradients([](auto& v) { return pow(repeat(v[0], {0, 3}), 2.0); }, {x});
  check_gradients([](auto& v) { return pow(repeat_interleave(v[0], Tensor::of({2, 0, 1}), 1), 2.0); }, {x});
}

TEST(Repeat, ErrorsNameShapes) {
  EXPECT_EQ(error_of([] {
              return repeat(Tensor::ones({2, 3}), {2});
            }),
            "[repeat] expects a number for every dimension; got (2) for (2, 3)");
  EXPECT_EQ(error_of([] {
              return repeat_interleave(Tensor::ones({2, 3}), Tensor::of({1, -1}), 0);
            }),
            "[repeat_interleave] expects repeats of at least 0; got -1 at position (1) for (2, 3)");
}

}  // namespace
}  // namespace coppice
