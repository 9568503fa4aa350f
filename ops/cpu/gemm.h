#pragma once

#include <cstdint>

#include <coppice/core/function_ref.h>

namespace coppice::cpu {

enum class Transpose : bool { No, Yes };

/// What is done to each element of C once its sum is complete: + row_bias[row], + column_bias[column], + residual
/// (laid out as C), then ReLU (NaN stays).
template <class T>
struct GemmEpilogue {
  const T* row_bias = nullptr;
  const T* column_bias = nullptr;
  const T* residual = nullptr;
  bool relu = false;

  bool is_empty() const { return row_bias == nullptr && column_bias == nullptr && residual == nullptr && !relu; }
};

/// C (m, n) = op(A) (m, k) · op(B) (k, n), plus C if `accumulate`. Row-major, leading dimensions in elements.
///
/// f32 and f64. Runs under parallel_for; the order in which an element of C is summed depends on the sizes and the
/// element's place alone, so the result is bitwise independent of the number of threads.
template <class T>
void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
          std::int64_t lda, const T* b, std::int64_t ldb, bool accumulate, T* c, std::int64_t ldc,
          const GemmEpilogue<T>& epilogue = {});

/// A part of an operand that the micro-kernel reads: `count` of its lines (rows of A, columns of B) from `first`, at
/// `depth` positions of the summed dimension from `start`.
struct GemmSlice {
  std::int64_t first;
  std::int64_t count;
  std::int64_t start;
  std::int64_t depth;
  std::int64_t width;  ///< lines side by side when packed
};

/// Writes `width` lines after `width` lines, each group of them as packed[p * width + line] and width · depth elements
/// after the one before; lines past count are 0.
template <class T>
using GemmPack = FunctionRef<void(const GemmSlice& slice, T* packed)>;

/// As gemm, for a right operand that only its packing function can read (a convolution's patches, say).
template <class T>
void gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t lda, GemmPack<T> pack_b,
                 bool accumulate, T* c, std::int64_t ldc, const GemmEpilogue<T>& epilogue = {});

}  // namespace coppice::cpu
