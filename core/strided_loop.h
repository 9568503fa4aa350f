#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include <coppice/core/parallel.h>
#include <coppice/core/shape.h>

namespace coppice {

namespace detail {

/// An iteration space over K operands with unit dimensions dropped and neighbours merged where every operand allows.
template <int K>
struct LoopPlan {
  int rank = 0;
  std::array<std::int64_t, kMaxRank> size{};
  std::array<std::array<std::int64_t, K>, kMaxRank> step{};  // [dimension][operand], in elements

  LoopPlan(const Shape& shape, const std::array<const Strides*, K>& strides) {
    for (int d = 0; d < shape.rank(); ++d) {
      if (shape[d] == 1) continue;
      std::array<std::int64_t, K> steps{};
      for (std::size_t k = 0; k < K; ++k) steps[k] = (*strides[k])[d];
      if (rank > 0 && mergeable(steps, shape[d])) {
        size[last()] *= shape[d];
        step[last()] = steps;
      } else {
        size[static_cast<std::size_t>(rank)] = shape[d];
        step[static_cast<std::size_t>(rank)] = steps;
        ++rank;
      }
    }
    if (rank == 0) {
      size[0] = 1;
      rank = 1;
    }
  }

  std::size_t last() const { return static_cast<std::size_t>(rank - 1); }

 private:
  bool mergeable(const std::array<std::int64_t, K>& inner, std::int64_t inner_size) const {
    for (std::size_t k = 0; k < K; ++k) {
      if (step[last()][k] != inner[k] * inner_size) return false;
    }
    return true;
  }
};

}  // namespace detail

/// Walks K operands of one shape together: calls body(offsets, steps, count) for runs along the innermost merged
/// dimension, where element i of a run lies at offsets[k] + i · steps[k] of operand k. Runs are visited in parallel in
/// parts of at least `grain` elements; each position is visited once.
template <int K, class Body>
void strided_loop(const Shape& shape, const std::array<const Strides*, K>& strides, Body&& body,
                  std::int64_t grain = 32768) {
  const std::int64_t numel = shape.numel();
  if (numel == 0) return;
  const detail::LoopPlan<K> plan(shape, strides);
  const std::size_t inner = plan.last();
  const std::array<std::int64_t, K> steps = plan.step[inner];
  if (plan.rank == 1 && numel <= grain) {
    body(std::array<std::int64_t, K>{}, steps, numel);
    return;
  }
  parallel_for(0, numel, grain, [&](std::int64_t first, std::int64_t end) {
    std::array<std::int64_t, kMaxRank> index{};
    std::array<std::int64_t, K> row{};  // offsets of the current run's element 0
    std::int64_t rest = first;
    for (std::size_t d = inner + 1; d-- > 0;) {
      index[d] = rest % plan.size[d];
      rest /= plan.size[d];
      if (d == inner) continue;
      for (std::size_t k = 0; k < K; ++k) row[k] += index[d] * plan.step[d][k];
    }
    for (std::int64_t position = first; position < end;) {
      const std::int64_t start = index[inner];
      const std::int64_t count = std::min(plan.size[inner] - start, end - position);
      std::array<std::int64_t, K> offsets = row;
      for (std::size_t k = 0; k < K; ++k) offsets[k] += start * steps[k];
      body(offsets, steps, count);
      position += count;
      index[inner] = 0;
      for (std::size_t d = inner; d-- > 0;) {
        for (std::size_t k = 0; k < K; ++k) row[k] += plan.step[d][k];
        if (++index[d] < plan.size[d]) break;
        for (std::size_t k = 0; k < K; ++k) row[k] -= plan.size[d] * plan.step[d][k];
        index[d] = 0;
      }
    }
  });
}

}  // namespace coppice
