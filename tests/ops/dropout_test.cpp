#include <gtest/gtest.h>

#include <coppice/ops/dropout.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::element_at;
using testing::expect_same_for_any_threads;
using testing::leaf;
using testing::normal;

TEST(Dropout, KeepsWhatTheWordsOfTheGeneratorSay) {
  const Tensor x = normal({7, 5, 3, 2}, 1);
  Generator generator(3), words(3);
  const Tensor y = dropout(x, generator, 0.25);
  int kept = 0;
  testing::for_each_index(x.shape(), [&](const std::vector<std::int64_t>& index) {
    const bool keep = words.uniform() >= 0.25F;
    kept += keep ? 1 : 0;
    EXPECT_EQ(element_at(y, index),
              keep ? static_cast<float>(element_at(x, index)) * static_cast<float>(4.0 / 3.0) : 0);
  });
  EXPECT_GT(kept, 130);  // of 210, 157.5 expected
  EXPECT_LT(kept, 185);
  EXPECT_EQ(generator.offset(), words.offset());
}

TEST(Dropout, DropsWholeChannels) {
  const Tensor x = normal({3, 4, 2, 5}, 1);
  Generator generator(5), words(5);
  const Tensor y = dropout2d(x, generator);
  for (std::int64_t n = 0; n < 3; ++n) {
    for (std::int64_t c = 0; c < 4; ++c) {
      const double scale = words.uniform() >= 0.5F ? 2.0 : 0.0;
      for (std::int64_t h = 0; h < 2; ++h) {
        for (std::int64_t w = 0; w < 5; ++w) {
          EXPECT_EQ(element_at(y, {n, c, h, w}), scale * element_at(x, {n, c, h, w}));
        }
      }
    }
  }
}

TEST(Dropout, DropsTheSameInEveryDtypeAndLayout) {
  const Tensor x = normal({4, 3, 2, 2}, 1);
  Generator a(2), b(2), c(2);
  const Tensor y = dropout(x, a);
  EXPECT_TRUE(bit_equal(dropout(x.to(kFloat64), b).to(kFloat32), y));
  EXPECT_TRUE(bit_equal(dropout(x.to(MemoryFormat::Blocked), c).contiguous().to(MemoryFormat::Contiguous), y));
}

TEST(Dropout, DrawsNothingWhereNothingIsDropped) {
  const Tensor x = normal({2, 3, 1, 2}, 1);
  Generator generator(1);
  EXPECT_TRUE(dropout(x, generator, 0.5, false).is_same(x));
  EXPECT_TRUE(dropout2d(x, generator, 0.0).is_same(x));
  EXPECT_EQ(generator.offset(), 0U);
  EXPECT_TRUE(bit_equal(dropout(x, generator, 1.0), Tensor::zeros(x.shape())));
  EXPECT_EQ(dropout(Tensor::zeros({0, 3}), generator).numel(), 0);
  EXPECT_EQ(dropout(Tensor::zeros({}), generator).dim(), 0);
}

TEST(Dropout, HasGradients) {
  for (const auto op : {&dropout, &dropout2d}) {
    check_gradients(
        [op](const std::vector<Tensor>& x) {
          Generator generator(4);
          return op(x[0], generator, 0.3, true);
        },
        {leaf({2, 3, 2, 2}, 1)});
  }
}

TEST(Dropout, IsTheSameForAnyThreads) {
  const Tensor x = normal({64, 33, 7, 11}, 1);
  for (const auto op : {&dropout, &dropout2d}) {
    expect_same_for_any_threads([&] {
      Generator generator(4);
      return op(x, generator, 0.3, true);
    });
  }
}

TEST(Dropout, NamesWhatDoesNotFit) {
  Generator generator(1);
  const Tensor x = Tensor::zeros({2, 3});
  EXPECT_NE(error_of([&] { dropout(x, generator, 1.5); }).find("in [0, 1]; got 1.5 for (2, 3)"), std::string::npos);
  EXPECT_NE(error_of([&] { dropout2d(x, generator); }).find("(n, c, h, w); got (2, 3)"), std::string::npos);
  EXPECT_NE(error_of([&] { dropout(x.to(kInt64), generator); }).find("floating dtype"), std::string::npos);
}

}  // namespace
}  // namespace coppice
