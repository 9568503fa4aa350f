#include <coppice/core/strided_loop.h>

#include <gtest/gtest.h>

#include <mutex>
#include <vector>

namespace coppice {
namespace {

/// Offsets of both operands at every position, in row-major order, by plain nested counting.
std::vector<std::array<std::int64_t, 2>> naive_offsets(const Shape& shape, const Strides& a, const Strides& b) {
  std::vector<std::array<std::int64_t, 2>> result;
  for (std::int64_t position = 0; position < shape.numel(); ++position) {
    std::array<std::int64_t, 2> offset{};
    std::int64_t rest = position;
    for (int d = shape.rank() - 1; d >= 0; --d) {
      offset[0] += rest % shape[d] * a[d];
      offset[1] += rest % shape[d] * b[d];
      rest /= shape[d];
    }
    result.push_back(offset);
  }
  return result;
}

std::vector<std::array<std::int64_t, 2>> walked_offsets(const Shape& shape, const Strides& a, const Strides& b,
                                                        std::int64_t grain) {
  std::vector<std::array<std::int64_t, 2>> result;
  std::mutex mutex;
  strided_loop<2>(
      shape, {&a, &b},
      [&](std::array<std::int64_t, 2> offset, std::array<std::int64_t, 2> step, std::int64_t count) {
        const std::lock_guard lock(mutex);
        for (std::int64_t i = 0; i < count; ++i) result.push_back({offset[0] + i * step[0], offset[1] + i * step[1]});
      },
      grain);
  return result;
}

struct LoopCase {
  Shape shape;
  Strides a, b;
};

TEST(StridedLoop, VisitsEveryPositionOnce) {
  const std::vector<LoopCase> cases = {
      {{}, {}, {}},
      {{0, 3}, {3, 1}, {3, 1}},
      {{1}, {1}, {0}},
      {{7}, {1}, {3}},
      {{2, 3, 4}, {12, 4, 1}, {12, 4, 1}},
      {{2, 3, 4}, {12, 4, 1}, {1, 2, 6}},
      {{3, 1, 5}, {5, 5, 1}, {0, 0, 1}},
      {{2, 3, 1, 4, 2}, {24, 8, 8, 2, 1}, {0, 2, 0, 6, 1}},
  };
  for (const LoopCase& c : cases) {
    auto expected = naive_offsets(c.shape, c.a, c.b);
    EXPECT_EQ(walked_offsets(c.shape, c.a, c.b, 1 << 20), expected) << c.shape;
    for (const std::int64_t grain : {1, 2, 5}) {  // small parts start in the middle of runs
      auto walked = walked_offsets(c.shape, c.a, c.b, grain);
      std::sort(walked.begin(), walked.end());
      std::sort(expected.begin(), expected.end());
      EXPECT_EQ(walked, expected) << c.shape << " grain " << grain;
    }
  }
}

}  // namespace
}  // namespace coppice
