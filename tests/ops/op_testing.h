#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <coppice/autograd/gradcheck.h>
#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>
#include <coppice/core/tensor.h>

#include "tests/autograd/leak_check.h"
#include "tests/error_of.h"

// What the tests of ops share.

namespace coppice::testing {

inline Tensor normal(const Shape& shape, std::uint64_t seed, DType dtype = kFloat32) {
  Generator generator(seed);
  return Tensor::randn(shape, generator, {.dtype = dtype});
}

/// A standard normal f64 leaf, for gradcheck.
inline Tensor leaf(const Shape& shape, std::uint64_t seed) { return normal(shape, seed, kFloat64).requires_grad_(); }

/// Integers in −3 … 3: every partial sum of a few million is exact in f32.
inline Tensor small_integers(const Shape& shape, std::uint64_t seed, DType dtype = kFloat32) {
  Generator generator(seed);
  return Tensor::randint(-3, 4, shape, generator).to(dtype);
}

/// First and second derivatives of `function` of these f64 leaves, and that nothing of them leaks.
template <class Function>
void check_gradients(Function function, const std::vector<Tensor>& inputs) {
  gradcheck([&](const std::vector<Tensor>& x) { return std::vector<Tensor>{function(x)}; }, inputs,
            {.double_backward = true});
  expect_no_leak([&](const std::vector<Tensor>& x) { return std::vector<Tensor>{function(x)}; }, inputs);
}

/// Runs `compute` with 1, 2 and 3 threads and expects the same bits.
template <class Compute>
void expect_same_for_any_threads(Compute compute) {
  const int before = num_threads();
  set_num_threads(1);
  const Tensor expected = compute();
  for (const int threads : {2, 3}) {
    set_num_threads(threads);
    EXPECT_TRUE(bit_equal(compute(), expected)) << threads << " threads";
  }
  set_num_threads(before);
}

/// Calls visit(index) for every index of a shape, in row-major order.
template <class Visit>
void for_each_index(const Shape& shape, Visit visit) {
  std::vector<std::int64_t> index(static_cast<std::size_t>(shape.rank()), 0);
  for (std::int64_t n = 0; n < shape.numel(); ++n) {
    std::int64_t rest = n;
    for (int d = shape.rank() - 1; d >= 0; --d) {
      index[static_cast<std::size_t>(d)] = rest % shape[d];
      rest /= shape[d];
    }
    visit(index);
  }
}

/// The element at an index, by the definition of strides; a dimension of size 1 is read at 0 whatever the index, and
/// the index is aligned at its end, so that broadcast operands can be read with the output's index.
inline double element_at(const Tensor& tensor, const std::vector<std::int64_t>& index) {
  const auto skipped = index.size() - static_cast<std::size_t>(tensor.dim());
  std::int64_t offset = 0;
  for (int d = 0; d < tensor.dim(); ++d) {
    if (tensor.shape()[d] != 1) offset += index[skipped + static_cast<std::size_t>(d)] * tensor.strides()[d];
  }
  return dispatch_dtype(tensor.dtype(), "element_at",
                        [&]<class T>() { return static_cast<double>(tensor.data<T>()[offset]); });
}

}  // namespace coppice::testing
