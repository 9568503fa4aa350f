// What follows a matrix product, once per SIMD target.

#if defined(COPPICE_OPS_CPU_GEMM_EPILOGUE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_GEMM_EPILOGUE_INL_H_
#undef COPPICE_OPS_CPU_GEMM_EPILOGUE_INL_H_
#else
#define COPPICE_OPS_CPU_GEMM_EPILOGUE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#include <coppice/ops/cpu/gemm.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

/// Finishes rows × columns elements of C from (row, column) on; c is all of C.
template <class T>
void finish_product(const GemmEpilogue<T>& epilogue, std::int64_t row, std::int64_t column, std::int64_t rows,
                    std::int64_t columns, T* HWY_RESTRICT c, std::int64_t ldc) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const T* const column_bias = epilogue.column_bias == nullptr ? nullptr : epilogue.column_bias + column;
  for (std::int64_t r = row; r < row + rows; ++r) {
    T* const y = c + r * ldc + column;
    const T* const residual = epilogue.residual == nullptr ? nullptr : epilogue.residual + r * ldc + column;
    const T bias = epilogue.row_bias == nullptr ? T(0) : epilogue.row_bias[r];
    std::int64_t j = 0;
    for (; j + lanes <= columns; j += lanes) {
      auto value = hn::Add(hn::LoadU(d, y + j), hn::Set(d, bias));
      if (column_bias != nullptr) value = hn::Add(value, hn::LoadU(d, column_bias + j));
      if (residual != nullptr) value = hn::Add(value, hn::LoadU(d, residual + j));
      if (epilogue.relu) value = hn::IfThenElse(hn::Lt(value, hn::Zero(d)), hn::Zero(d), value);  // NaN stays
      hn::StoreU(value, d, y + j);
    }
    for (; j < columns; ++j) {
      T value = y[j] + bias;
      if (column_bias != nullptr) value += column_bias[j];
      if (residual != nullptr) value += residual[j];
      y[j] = epilogue.relu && value < T(0) ? T(0) : value;
    }
  }
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
