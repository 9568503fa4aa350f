#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include <coppice/core/error.h>
#include <coppice/core/shape.h>

#include "tests/error_of.h"

namespace coppice {
namespace {

std::string text(const Dims& dims) {
  std::ostringstream out;
  out << dims;
  return out.str();
}

TEST(Shape, CountsAndPrints) {
  EXPECT_EQ(Shape{}.numel(), 1);
  EXPECT_EQ((Shape{2, 3, 4}).numel(), 24);
  EXPECT_EQ((Shape{2, 0, 4}).numel(), 0);
  EXPECT_EQ(text(Shape{}), "()");
  EXPECT_EQ(text(Shape{8, 32, 56}), "(8, 32, 56)");
}

TEST(Shape, RejectsWhatCannotBe) {
  const std::int64_t big = std::int64_t{1} << 32;
  EXPECT_THROW((Shape{2, -1}), Error);
  EXPECT_THROW((Shape{big, big}), Error);
  EXPECT_THROW((Shape{big, big, 0}), Error);
  EXPECT_NO_THROW((Shape{std::numeric_limits<std::int64_t>::max()}));
  EXPECT_THROW((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), Error);
}

TEST(Dims, IndexesFromBothEnds) {
  const Dims dims{5, 6, 7};
  EXPECT_EQ(dims[0], 5);
  EXPECT_EQ(dims[-1], 7);
  EXPECT_EQ(dims.back(), 7);
  EXPECT_THROW(dims[3], Error);
  EXPECT_THROW(dims[-4], Error);
}

TEST(Dims, InsertsAndErases) {
  Dims dims{5, 7};
  dims.insert(1, 6);
  dims.insert(0, 4);
  dims.push_back(8);
  EXPECT_EQ(dims, (Dims{4, 5, 6, 7, 8}));
  dims.erase(0);
  dims.erase(-1);
  EXPECT_EQ(dims, (Dims{5, 6, 7}));
  EXPECT_THROW(dims.insert(5, 1), Error);
  EXPECT_THROW(dims.erase(3), Error);
  EXPECT_NE(dims, (Dims{5, 6}));
}

TEST(Strides, AreRowMajor) {
  EXPECT_EQ(contiguous_strides(Shape{2, 3, 4}), (Strides{12, 4, 1}));
  EXPECT_EQ(contiguous_strides(Shape{}), Strides{});
  EXPECT_EQ(contiguous_strides(Shape{2, 0, 4}), (Strides{4, 4, 1}));
}

TEST(Broadcast, FollowsTheUsualRule) {
  EXPECT_EQ(broadcast_shapes(Shape{2, 1, 4}, Shape{3, 1}, "add"), (Shape{2, 3, 4}));
  EXPECT_EQ(broadcast_shapes(Shape{3, 1}, Shape{2, 1, 4}, "add"), (Shape{2, 3, 4}));
  EXPECT_EQ(broadcast_shapes(Shape{}, Shape{5}, "add"), (Shape{5}));
  EXPECT_EQ(broadcast_shapes(Shape{1}, Shape{0}, "add"), (Shape{0}));
  EXPECT_EQ(error_of([] {
              broadcast_shapes(Shape{2, 3}, Shape{4}, "add");
            }),
            "[add] shapes must broadcast; got (2, 3) and (4), which differ in dimension -1");
}

TEST(NormalizeDim, WrapsAndChecks) {
  EXPECT_EQ(normalize_dim(-1, 3, "sum"), 2);
  EXPECT_EQ(normalize_dim(0, 0, "sum"), 0);
  EXPECT_THROW(normalize_dim(3, 3, "sum"), Error);
  EXPECT_THROW(normalize_dim(-4, 3, "sum"), Error);
}

}  // namespace
}  // namespace coppice
