#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <coppice/core/dtype.h>
#include <coppice/core/strided_loop.h>
#include <coppice/ops/map.h>

// Loops over contiguous elements, one per op, element type and instruction set; apply_strided brings every other case
// (strides, broadcasting, scalars) into that form.

namespace coppice::cpu {

inline constexpr auto kBinaryOps = static_cast<std::size_t>(BinaryOp::Count);
inline constexpr auto kUnaryOps = static_cast<std::size_t>(UnaryOp::Count);
inline constexpr std::size_t kKernelDTypes = 6;  ///< the dtypes with kernels come first in DType

using BinaryKernel = void (*)(const void* a, const void* b, void* out, std::int64_t count, double parameter);
using UnaryKernel = void (*)(const void* in, void* out, std::int64_t count, double parameter);
using WhereKernel = void (*)(const void* condition, const void* a, const void* b, void* out, std::int64_t count);

struct ElementwiseKernels {
  std::array<std::array<BinaryKernel, kKernelDTypes>, kBinaryOps> binary{};  // null where an op has no such type
  std::array<std::array<UnaryKernel, kKernelDTypes>, kUnaryOps> unary{};
  std::array<WhereKernel, 9> where{};  // by element size: 1, 4 or 8

  BinaryKernel find(BinaryOp op, DType dtype) const { return find_in(binary[static_cast<std::size_t>(op)], dtype); }
  UnaryKernel find(UnaryOp op, DType dtype) const { return find_in(unary[static_cast<std::size_t>(op)], dtype); }

 private:
  template <class Row>
  static typename Row::value_type find_in(const Row& row, DType dtype) {
    const auto column = static_cast<std::size_t>(dtype);
    return column < row.size() ? row[column] : nullptr;
  }
};

/// The kernels of this processor's best instruction set.
const ElementwiseKernels& elementwise_kernels();

/// The parts of the table that have sources of their own.
void add_math_kernels(ElementwiseKernels& kernels);
void add_activation_kernels(ElementwiseKernels& kernels);

/// Elements per part of a parallel loop over contiguous data.
inline constexpr std::int64_t kElementwiseGrain = 32768;

/// Where an operand's elements are: its strides are those over the output's shape, 0 where it is repeated.
struct StridedOperand {
  const void* data;
  Strides strides;
  std::size_t element_size;
};

/// Room for the gathered elements of one operand.
struct GatheredPiece {
  static constexpr std::int64_t kElements = 512;
  alignas(64) std::byte bytes[kElements * 8];
};

/// Copies `count` elements, `step` apart, to neighbouring places.
inline void gather_elements(const std::byte* from, std::int64_t step, std::size_t size, std::int64_t count,
                            std::byte* to) {
  const auto copy = [&]<std::size_t kSize>() {
    for (std::int64_t i = 0; i < count; ++i) {
      std::memcpy(to + static_cast<std::size_t>(i) * kSize, from + i * step * static_cast<std::int64_t>(kSize), kSize);
    }
  };
  switch (size) {
    case 1: return copy.template operator()<1>();
    case 4: return copy.template operator()<4>();
    default: return copy.template operator()<8>();
  }
}

/// Calls kernel(operand pointers, output pointer, count) on contiguous runs that cover the output, in parallel.
/// Operands that are not contiguous along a run are gathered piece by piece.
template <std::size_t K, class Kernel>
void apply_strided(const Shape& shape, const std::array<StridedOperand, K>& operands, void* out, std::size_t out_size,
                   Kernel&& kernel) {
  const Strides out_strides = contiguous_strides(shape);
  std::array<const Strides*, K + 1> strides;
  for (std::size_t k = 0; k < K; ++k) strides[k] = &operands[k].strides;
  strides[K] = &out_strides;
  using Offsets = std::array<std::int64_t, K + 1>;
  strided_loop<static_cast<int>(K + 1)>(shape, strides, [&](Offsets offsets, Offsets steps, std::int64_t count) {
    std::array<GatheredPiece, K> pieces;
    std::array<const void*, K> pointers;
    bool direct = steps[K] == 1 || count == 1;
    for (std::size_t k = 0; k < K; ++k) direct = direct && (steps[k] == 1 || count == 1);
    const std::int64_t piece = direct ? count : GatheredPiece::kElements;
    std::byte* result = static_cast<std::byte*>(out) + offsets[K] * static_cast<std::int64_t>(out_size);
    for (std::int64_t done = 0; done < count; done += piece) {
      const std::int64_t length = std::min(piece, count - done);
      for (std::size_t k = 0; k < K; ++k) {
        const StridedOperand& operand = operands[k];
        const std::byte* first = static_cast<const std::byte*>(operand.data) +
                                 (offsets[k] + done * steps[k]) * static_cast<std::int64_t>(operand.element_size);
        if (steps[k] == 1 || count == 1) {
          pointers[k] = first;
        } else {
          const bool filled = steps[k] == 0 && done > 0;
          if (!filled) gather_elements(first, steps[k], operand.element_size, length, pieces[k].bytes);
          pointers[k] = pieces[k].bytes;
        }
      }
      kernel(pointers, result + done * static_cast<std::int64_t>(out_size), length);
    }
  });
}

}  // namespace coppice::cpu
