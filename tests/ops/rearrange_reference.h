#pragma once

#include <functional>

#include "tests/ops/op_testing.h"

// What the tests of joining, rearranging and indexing share.

namespace coppice::testing {

using Index = std::vector<std::int64_t>;

/// Distinct numbers 0, 1, … in a shape.
inline Tensor counted(const Shape& shape, DType dtype = kFloat32) {
  return Tensor::arange(shape.numel()).to(dtype).reshape(shape);
}

/// Expects `actual` to hold value(index) at every index of `shape`.
inline void expect_elements(const Tensor& actual, const Shape& shape,
                            const std::function<double(const Index&)>& value) {
  ASSERT_EQ(actual.shape(), shape);
  for_each_index(shape, [&](const Index& index) { ASSERT_EQ(element_at(actual, index), value(index)); });
}

/// The dtypes that every op which only moves elements takes and that have kernels to read them with.
inline const std::vector<DType>& moved_dtypes() {
  static const std::vector<DType> dtypes{kFloat32, kFloat64, kInt32, kInt64, kUInt8};
  return dtypes;
}

}  // namespace coppice::testing
