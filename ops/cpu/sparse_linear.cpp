// Products with an unstructured sparse matrix W, f32 and f64:  Y = X · Wᵀ, and dW = dYᵀ · X where W has entries.
//
// Mapping      Activations are transposed into panels of 8 vectors of samples, so that one entry of W meets 8 FMAs with
//              contiguous operands. A block of columns of the panel (about 28 KiB at 50 % density) stays in L1 while
//              all rows of W pass; a row's sums stay in registers. Indices are 16-bit within the block. The transposed
//              product is the same kernel on the transposed structure, its values found through their slots, once if
//              there are several panels.
// Work         2·nnz·n FLOP per product; reads nnz·6 B of W per panel (10 B through slots), transposes X and Y.
// Bound        one load per FMA: two thirds of FMA peak from L1 on Zen 3, half of it from L2 (why blocks matter).
// Wins / loses against our dense product above / below about 50 % sparsity, for batches of 64 and more.
// Deterministic yes: a row of Y is summed in order of columns by one thread, an entry of dW in order of panels.
// Measure      coppice-bench --benchmark_filter=linear
// Source       Gale et al., SC 2020 (sampled and sparse-dense products for pruned networks); panels are our own.

#include <coppice/ops/cpu/sparse_linear.h>

#include <algorithm>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/sparse_linear.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/panel-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

/// FMAs worth a thread of their own.
inline constexpr std::int64_t kGrainWork = std::int64_t{1} << 17;

/// Rows that make a part worth a thread.
std::int64_t row_grain(const CsrView& w, std::int64_t samples) {
  return std::max<std::int64_t>(1, kGrainWork * w.rows / std::max<std::int64_t>(1, w.entries() * samples));
}

/// One block's contribution to the rows from first to last of Yᵀ: sums (last - first, width). The first block begins
/// with the bias.
template <std::size_t kVectors, bool kSlots, class T>
void multiply_rows(const CsrView& w, std::int64_t block, std::int64_t first, std::int64_t last,
                   const T* HWY_RESTRICT values, const T* bias, const T* HWY_RESTRICT panel, T* HWY_RESTRICT sums) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kStep = static_cast<std::size_t>(kLanes<T>);
  constexpr std::size_t kWidth = kVectors * kStep;
  const std::uint32_t* const starts = w.starts + block * w.rows;
  const std::uint32_t* const ends = starts + w.rows;
  const std::uint16_t* HWY_RESTRICT const indices = w.indices;
  const std::uint32_t* HWY_RESTRICT const slots = w.slots;
  panel += static_cast<std::size_t>(block * w.block_columns) * kWidth;
  for (std::int64_t row = first; row < last; ++row) {
    T* HWY_RESTRICT out = sums + static_cast<std::size_t>(row - first) * kWidth;
    V sum[kVectors];
    if (block > 0) {
      unroll<kVectors>([&](auto v) HWY_ATTR { sum[v] = hn::Load(d, out + v * kStep); });
    } else {
      const V start = bias == nullptr ? hn::Zero(d) : hn::Set(d, bias[row]);
      unroll<kVectors>([&](auto v) HWY_ATTR { sum[v] = start; });
    }
    const std::uint32_t end = ends[row];
    for (std::uint32_t e = starts[row]; e < end; ++e) {
      const V value = hn::Set(d, kSlots ? values[slots[e]] : values[e]);
      const T* HWY_RESTRICT x = panel + indices[e] * kWidth;
      unroll<kVectors>([&](auto v) HWY_ATTR { sum[v] = hn::MulAdd(value, hn::Load(d, x + v * kStep), sum[v]); });
    }
    unroll<kVectors>([&](auto v) HWY_ATTR { hn::Store(sum[v], d, out + v * kStep); });
  }
}

/// Products of one row's panel line with kGroup lines of X: their sums over lanes, in order.
template <std::size_t kVectors, class T, class V, std::size_t kGroup, class LineOf>
HWY_INLINE void dot_lines(const V (&y)[kVectors], LineOf line_of, V (&sums)[kGroup]) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kStep = static_cast<std::size_t>(kLanes<T>);
  unroll<kGroup>([&](auto g) HWY_ATTR {
    const T* HWY_RESTRICT x = line_of(static_cast<std::uint32_t>(g()));
    sums[g] = hn::Mul(y[0], hn::Load(d, x));
    unroll<kVectors - 1>([&](auto v)
                             HWY_ATTR { sums[g] = hn::MulAdd(y[v + 1], hn::Load(d, x + (v + 1) * kStep), sums[g]); });
  });
}

/// One panel's contribution to the entries of the rows from first to last in one block.
template <std::size_t kVectors, class T>
void sample_rows(const CsrView& w, std::int64_t block, std::int64_t first, std::int64_t last, bool add,
                 const T* HWY_RESTRICT y_panel, const T* HWY_RESTRICT x_panel, T* HWY_RESTRICT out) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kStep = static_cast<std::size_t>(kLanes<T>);
  constexpr std::size_t kWidth = kVectors * kStep;
  constexpr std::uint32_t kGroup = static_cast<std::uint32_t>(kSquareSide<T>);
  const std::uint32_t* const starts = w.starts + block * w.rows;
  const std::uint32_t* const ends = starts + w.rows;
  const std::uint16_t* HWY_RESTRICT const indices = w.indices;
  x_panel += static_cast<std::size_t>(block * w.block_columns) * kWidth;
  for (std::int64_t row = first; row < last; ++row) {
    const T* HWY_RESTRICT in = y_panel + static_cast<std::size_t>(row) * kWidth;
    V y[kVectors];
    unroll<kVectors>([&](auto v) HWY_ATTR { y[v] = hn::Load(d, in + v * kStep); });
    const std::uint32_t end = ends[row];
    for (std::uint32_t e = starts[row]; e < end; e += kGroup) {
      V sums[kGroup];
      const std::uint32_t count = std::min(kGroup, end - e);
      if (count == kGroup) [[likely]] {
        dot_lines<kVectors, T>(
            y, [&](std::uint32_t g) HWY_ATTR { return x_panel + indices[e + g] * kWidth; }, sums);
      } else {
        // The last group repeats an entry: every entry is summed by the same instructions.
        dot_lines<kVectors, T>(
            y, [&](std::uint32_t g) HWY_ATTR { return x_panel + indices[std::min(e + g, end - 1)] * kWidth; }, sums);
      }
#if HWY_TARGET == HWY_SCALAR
      out[e] = hn::GetLane(sums[0]) + (add ? out[e] : T(0));
#else
      const hn::Full128<T> block_of_sums;
      auto total = sum_lanes(d, sums);
      if (count == kGroup) [[likely]] {
        if (add) total = hn::Add(total, hn::LoadU(block_of_sums, out + e));
        hn::StoreU(total, block_of_sums, out + e);
      } else {
        HWY_ALIGN T tail[kGroup];
        hn::Store(total, block_of_sums, tail);
        for (std::uint32_t g = 0; g < count; ++g) out[e + g] = add ? tail[g] + out[e + g] : tail[g];
      }
#endif
    }
  }
}

/// Calls body(kVectors, first sample, samples) for panels that cover the samples from begin to end: of 8 vectors, the
/// last one as narrow as a power of two allows.
template <class T, class Body>
void for_panels(std::int64_t begin, std::int64_t end, Body&& body) {
  for (std::int64_t first = begin; first < end; first += 8 * kLanes<T>) {
    const std::int64_t count = std::min(end - first, 8 * kLanes<T>);
    if (count > 4 * kLanes<T>) {
      body(std::integral_constant<std::size_t, 8>(), first, count);
    } else if (count > 2 * kLanes<T>) {
      body(std::integral_constant<std::size_t, 4>(), first, count);
    } else if (count > kLanes<T>) {
      body(std::integral_constant<std::size_t, 2>(), first, count);
    } else {
      body(std::integral_constant<std::size_t, 1>(), first, count);
    }
  }
}

/// The width of the widest panel that for_panels uses for n samples.
template <class T>
std::int64_t max_width(std::int64_t n) {
  std::int64_t width = kLanes<T>;
  while (width < 8 * kLanes<T> && width < n) width *= 2;
  return width;
}

/// The rows from first to last of a panel's outputs. With kLoad a block's lines are loaded right before they are first
/// read; otherwise the panel holds them.
template <std::size_t kVectors, bool kLoad, class T>
void multiply_panel(const CsrView& w, std::int64_t first, std::int64_t last, const T* values, std::int64_t count,
                    const T* x, std::int64_t ldx, const T* bias, T* panel, T* y, std::int64_t ldy) {
  constexpr std::int64_t kWidth = static_cast<std::int64_t>(kVectors) * kLanes<T>;
  constexpr std::int64_t kChunk = 256;  // rows whose sums stay in L2 while all blocks pass
  const Buffer<T> sums(std::min(kChunk, last - first) * kWidth);
  for (std::int64_t row = first; row < last; row += kChunk) {
    const std::int64_t row_end = std::min(row + kChunk, last);
    for (std::int64_t block = 0; block < w.blocks(); ++block) {
      if (kLoad && row == first) {
        const std::int64_t column = block * w.block_columns;
        load_lines(count, column, std::min(column + w.block_columns, w.columns), x, ldx, panel + column * kWidth,
                   kWidth);
      }
      if (w.slots != nullptr) {
        multiply_rows<kVectors, true>(w, block, row, row_end, values, bias, panel, sums.data());
      } else {
        multiply_rows<kVectors, false>(w, block, row, row_end, values, bias, panel, sums.data());
      }
    }
    transpose(row_end - row, count, sums.data(), kWidth, y + row, ldy);
  }
}

template <class T>
void multiply(const CsrView& w, const T* values, std::int64_t n, const T* x, std::int64_t ldx, const T* bias, T* y,
              std::int64_t ldy) {
  const std::int64_t panels = (n + 8 * kLanes<T> - 1) / (8 * kLanes<T>);
  if (w.slots != nullptr && panels > 1) {  // values found once, and read in order by every panel
    const Buffer<T> ordered(w.entries());
    parallel_for(0, w.entries(), 1 << 14, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t e = first; e < last; ++e) ordered.data()[e] = values[w.slots[e]];
    });
    CsrView view = w;
    view.slots = nullptr;
    return multiply(view, ordered.data(), n, x, ldx, bias, y, ldy);
  }
  if (num_threads() == 1 || panels >= 4 * num_threads()) {
    parallel_for(0, panels, 1, [&](std::int64_t first, std::int64_t last) {
      const Buffer<T> panel(w.columns * max_width<T>(n));
      for_panels<T>(first * 8 * kLanes<T>, std::min(n, last * 8 * kLanes<T>),
                    [&](auto vectors, std::int64_t start, std::int64_t count) {
                      multiply_panel<vectors, true>(w, 0, w.rows, values, count, x + start * ldx, ldx, bias,
                                                    panel.data(), y + start * ldy, ldy);
                    });
    });
    return;
  }
  const Buffer<T> panel(w.columns * max_width<T>(n));
  for_panels<T>(0, n, [&](auto vectors, std::int64_t start, std::int64_t count) {
    load_panel(count, 0, w.columns, x + start * ldx, ldx, panel.data(),
               static_cast<std::int64_t>(vectors()) * kLanes<T>);
    parallel_for(0, w.rows, row_grain(w, count), [&](std::int64_t first, std::int64_t last) {
      multiply_panel<vectors, false>(w, first, last, values, count, x + start * ldx, ldx, bias, panel.data(),
                                     y + start * ldy, ldy);
    });
  });
}

template <class T>
void sample(const CsrView& w, std::int64_t n, const T* d_y, std::int64_t ldy, const T* x, std::int64_t ldx,
            T* d_values) {
  const Buffer<T> x_panel(w.columns * max_width<T>(n));
  const Buffer<T> y_panel(w.rows * max_width<T>(n));
  for_panels<T>(0, n, [&](auto vectors, std::int64_t start, std::int64_t count) {
    constexpr std::size_t kVectors = vectors;
    const std::int64_t width = static_cast<std::int64_t>(kVectors) * kLanes<T>;
    load_panel(count, 0, w.columns, x + start * ldx, ldx, x_panel.data(), width);
    load_panel(count, 0, w.rows, d_y + start * ldy, ldy, y_panel.data(), width);
    parallel_for(0, w.rows, row_grain(w, count), [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t block = 0; block < w.blocks(); ++block) {
        sample_rows<kVectors>(w, block, first, last, start > 0, y_panel.data(), x_panel.data(), d_values);
      }
    });
  });
}

void multiply_f32(const CsrView& w, const float* values, std::int64_t n, const float* x, std::int64_t ldx,
                  const float* bias, float* y, std::int64_t ldy) {
  multiply(w, values, n, x, ldx, bias, y, ldy);
}
void multiply_f64(const CsrView& w, const double* values, std::int64_t n, const double* x, std::int64_t ldx,
                  const double* bias, double* y, std::int64_t ldy) {
  multiply(w, values, n, x, ldx, bias, y, ldy);
}
void sample_f32(const CsrView& w, std::int64_t n, const float* d_y, std::int64_t ldy, const float* x, std::int64_t ldx,
                float* d_values) {
  sample(w, n, d_y, ldy, x, ldx, d_values);
}
void sample_f64(const CsrView& w, std::int64_t n, const double* d_y, std::int64_t ldy, const double* x,
                std::int64_t ldx, double* d_values) {
  sample(w, n, d_y, ldy, x, ldx, d_values);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(multiply_f32);
HWY_EXPORT(multiply_f64);
HWY_EXPORT(sample_f32);
HWY_EXPORT(sample_f64);

namespace {

template <class T>
void fill_bias(const CsrView& w, std::int64_t n, const T* bias, T* y, std::int64_t ldy) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (bias == nullptr) {
      std::fill_n(y + i * ldy, w.rows, T(0));
    } else {
      std::copy_n(bias, w.rows, y + i * ldy);
    }
  }
}

}  // namespace

template <>
void spmm<float>(const CsrView& w, const float* values, std::int64_t n, const float* x, std::int64_t ldx,
                 const float* bias, float* y, std::int64_t ldy) {
  if (w.entries() == 0) return fill_bias(w, n, bias, y, ldy);
  HWY_DYNAMIC_DISPATCH(multiply_f32)(w, values, n, x, ldx, bias, y, ldy);
}
template <>
void spmm<double>(const CsrView& w, const double* values, std::int64_t n, const double* x, std::int64_t ldx,
                  const double* bias, double* y, std::int64_t ldy) {
  if (w.entries() == 0) return fill_bias(w, n, bias, y, ldy);
  HWY_DYNAMIC_DISPATCH(multiply_f64)(w, values, n, x, ldx, bias, y, ldy);
}

template <>
void sampled_product<float>(const CsrView& w, std::int64_t n, const float* d_y, std::int64_t ldy, const float* x,
                            std::int64_t ldx, float* d_values) {
  if (n == 0) std::fill_n(d_values, w.entries(), 0.0F);
  HWY_DYNAMIC_DISPATCH(sample_f32)(w, n, d_y, ldy, x, ldx, d_values);
}
template <>
void sampled_product<double>(const CsrView& w, std::int64_t n, const double* d_y, std::int64_t ldy, const double* x,
                             std::int64_t ldx, double* d_values) {
  if (n == 0) std::fill_n(d_values, w.entries(), 0.0);
  HWY_DYNAMIC_DISPATCH(sample_f64)(w, n, d_y, ldy, x, ldx, d_values);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
