// Products with a sparse matrix W whose rows share their columns in groups of four (r × 1 and r × c blocks, shared
// columns), f32 and f64:  Y = X · Wᵀ,  dX = dY · W,  and dW = dYᵀ · X where W has entries.
//
// Mapping      Samples are the lanes. Forward and data gradient take panels [column][samples] of 3 vectors (6 with 32
//              registers): an entry of a group meets 4 broadcast weights, so every vector loaded feeds 4 FMAs. Forward
//              keeps the sums of the 4 rows in registers; the data gradient keeps their 4 rows of dY and adds to lines
//              of dX, so that both read the weights in row-major order. The weight gradient keeps the products of 4
//              rows of dY with 3 (6) columns of X, over panels of 16 vectors, and adds up lanes once per panel.
// Work         2·nnz·n FLOP per product; reads nnz·4.5 B of W per panel, transposes X and Y.
// Bound        FMA throughput: 7 loads for 12 FMAs (10 for 24 with 32 registers). With few rows or above 90 % sparsity
//              the transposition of X and Y: two fifths of the time for 128 rows of 512 at 90 %.
// Wins         against our dense product from 50 % sparsity on, the least at which weights are packed; against the
//              unstructured kernels 1.1 to 2 times.
// Deterministic yes: a row of Y is summed in order of columns, a column of dX in order of rows, an entry of dW in
//              order of panels.
// Measure      coppice-bench --document --only block-products
// Source       Gale et al., SC 2020 (vector-sparse products); tiles and panels are our own.

#include <coppice/ops/cpu/row_blocks.h>

#include <algorithm>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/row_blocks.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/panel-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64
inline constexpr std::size_t kTile = 6;  // with 32 registers
#else
inline constexpr std::size_t kTile = 3;
#endif
inline constexpr std::int64_t kSampledVectors = 16;
/// FMAs worth a thread of their own.
inline constexpr std::int64_t kGrainWork = std::int64_t{1} << 17;

template <class T>
inline constexpr std::int64_t kPanelWidth = static_cast<std::int64_t>(kTile) * kLanes<T>;

std::int64_t groups_of(const CsrView& w) { return (w.rows + kGroupRows - 1) / kGroupRows; }
std::int64_t group_grain(const CsrView& w, std::int64_t samples) {
  return std::max<std::int64_t>(1, kGrainWork * groups_of(w) / std::max<std::int64_t>(1, w.entries() * samples));
}

/// What a group of kRows rows has in one block of columns: the columns, and where each row's entries begin.
template <std::size_t kRows>
struct Group {
  Group(const CsrView& w, std::int64_t block, std::int64_t row) {
    const std::uint32_t* const starts = w.starts + block * w.rows + row;
    columns = w.indices + starts[0];
    count = starts[w.rows] - starts[0];
    unroll<kRows>([&](auto r) HWY_ATTR { entries[r] = starts[r]; });
  }
  const std::uint16_t* columns;
  std::uint32_t count;
  std::uint32_t entries[kRows];
};

/// Calls body(integral_constant rows, first row) for the groups from first to last.
template <class Body>
void for_groups(const CsrView& w, std::int64_t first, std::int64_t last, Body&& body) {
  for (std::int64_t group = first; group < last; ++group) {
    const std::int64_t row = group * kGroupRows;
    switch (std::min(kGroupRows, w.rows - row)) {
      case 1: body(std::integral_constant<std::size_t, 1>(), row); break;
      case 2: body(std::integral_constant<std::size_t, 2>(), row); break;
      case 3: body(std::integral_constant<std::size_t, 3>(), row); break;
      default: body(std::integral_constant<std::size_t, 4>(), row);
    }
  }
}

/// Calls body(integral_constant vectors, first sample, samples) for panels that cover n.
template <class T, class Body>
void for_panels(std::int64_t n, Body body) {
  const std::int64_t panels = (n + kPanelWidth<T> - 1) / kPanelWidth<T>;
  const auto run = [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t start = first * kPanelWidth<T>; start < std::min(n, last * kPanelWidth<T>);
         start += kPanelWidth<T>) {
      const std::int64_t count = std::min(n - start, kPanelWidth<T>);
      if (count > 2 * kLanes<T>) {
        body(std::integral_constant<std::size_t, kTile>(), start, count);
      } else if (count > kLanes<T>) {
        body(std::integral_constant<std::size_t, 2>(), start, count);
      } else {
        body(std::integral_constant<std::size_t, 1>(), start, count);
      }
    }
  };
  if (panels >= 4 * num_threads()) {
    parallel_for(0, panels, 1, run);
  } else {
    run(0, panels);  // what it does with a panel is shared out instead
  }
}

/// One block's contribution to the rows of a group of Yᵀ: sums (rows, width). The first block begins with the bias.
template <std::size_t kRows, std::size_t kVectors, class T>
void multiply_group(const CsrView& w, std::int64_t block, std::int64_t row, const T* HWY_RESTRICT values, const T* bias,
                    const T* HWY_RESTRICT panel, T* HWY_RESTRICT sums) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kStep = static_cast<std::size_t>(kLanes<T>);
  constexpr std::size_t kWidth = kVectors * kStep;
  const Group<kRows> group(w, block, row);
  const std::uint16_t* HWY_RESTRICT const columns = group.columns;
  const T* weights[kRows];
  unroll<kRows>([&](auto r) HWY_ATTR { weights[r] = values + group.entries[r]; });
  V sum[kRows][kVectors];
  unroll<kRows>([&](auto r) HWY_ATTR {
    const V start = bias == nullptr ? hn::Zero(d) : hn::Set(d, bias[static_cast<std::size_t>(row) + r]);
    unroll<kVectors>([&](auto v) HWY_ATTR {
      sum[r][v] = block == 0 ? start : hn::LoadU(d, sums + (static_cast<std::size_t>(row) + r) * kWidth + v * kStep);
    });
  });
  for (std::uint32_t e = 0; e < group.count; ++e) {
    const T* HWY_RESTRICT const x = panel + columns[e] * kWidth;
    V line[kVectors];
    unroll<kVectors>([&](auto v) HWY_ATTR { line[v] = hn::LoadU(d, x + v * kStep); });
    unroll<kRows>([&](auto r) HWY_ATTR {
      const V weight = hn::Set(d, weights[r][e]);
      unroll<kVectors>([&](auto v) HWY_ATTR { sum[r][v] = hn::MulAdd(weight, line[v], sum[r][v]); });
    });
  }
  unroll<kRows>([&](auto r) HWY_ATTR {
    unroll<kVectors>([&](auto v) HWY_ATTR {
      hn::StoreU(sum[r][v], d, sums + (static_cast<std::size_t>(row) + r) * kWidth + v * kStep);
    });
  });
}

template <class T>
void multiply(const CsrView& w, const T* values, std::int64_t n, const T* x, std::int64_t ldx, const T* bias, T* y,
              std::int64_t ldy) {
  for_panels<T>(n, [&](auto vectors, std::int64_t start, std::int64_t count) {
    constexpr std::int64_t kWidth = static_cast<std::int64_t>(vectors()) * kLanes<T>;
    const Buffer<T> panel(w.block_columns * kWidth), sums(w.rows * kWidth);
    for (std::int64_t block = 0; block < w.blocks(); ++block) {
      const std::int64_t column = block * w.block_columns;
      load_panel(count, column, std::min(column + w.block_columns, w.columns), x + start * ldx, ldx, panel.data(),
                 kWidth);
      parallel_for(0, groups_of(w), group_grain(w, count), [&](std::int64_t first, std::int64_t last) {
        for_groups(w, first, last, [&](auto rows, std::int64_t row) {
          multiply_group<rows, vectors>(w, block, row, values, bias, panel.data(), sums.data());
        });
      });
    }
    transpose(w.rows, count, sums.data(), kWidth, y + start * ldy, ldy);
  });
}

/// A group's contribution to one block of columns of dXᵀ: lines (columns, width).
template <std::size_t kRows, std::size_t kVectors, class T>
void spread_group(const CsrView& w, std::int64_t block, std::int64_t row, const T* HWY_RESTRICT values,
                  const T* HWY_RESTRICT y_panel, T* HWY_RESTRICT lines) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kStep = static_cast<std::size_t>(kLanes<T>);
  constexpr std::size_t kWidth = kVectors * kStep;
  const Group<kRows> group(w, block, row);
  const std::uint16_t* HWY_RESTRICT const columns = group.columns;
  const T* weights[kRows];
  unroll<kRows>([&](auto r) HWY_ATTR { weights[r] = values + group.entries[r]; });
  V y[kRows][kVectors];
  unroll<kRows>([&](auto r) HWY_ATTR {
    const T* const from = y_panel + (static_cast<std::size_t>(row) + r) * kWidth;
    unroll<kVectors>([&](auto v) HWY_ATTR { y[r][v] = hn::LoadU(d, from + v * kStep); });
  });
  for (std::uint32_t e = 0; e < group.count; ++e) {
    T* HWY_RESTRICT const line = lines + columns[e] * kWidth;
    V sum[kVectors];
    unroll<kVectors>([&](auto v) HWY_ATTR { sum[v] = hn::LoadU(d, line + v * kStep); });
    unroll<kRows>([&](auto r) HWY_ATTR {
      const V weight = hn::Set(d, weights[r][e]);
      unroll<kVectors>([&](auto v) HWY_ATTR { sum[v] = hn::MulAdd(weight, y[r][v], sum[v]); });
    });
    unroll<kVectors>([&](auto v) HWY_ATTR { hn::StoreU(sum[v], d, line + v * kStep); });
  }
}

template <class T>
void spread(const CsrView& w, const T* values, std::int64_t n, const T* d_y, std::int64_t ldy, T* d_x,
            std::int64_t ldx) {
  for_panels<T>(n, [&](auto vectors, std::int64_t start, std::int64_t count) {
    constexpr std::int64_t kWidth = static_cast<std::int64_t>(vectors()) * kLanes<T>;
    const Buffer<T> y_panel(w.rows * kWidth);
    load_panel(count, 0, w.rows, d_y + start * ldy, ldy, y_panel.data(), kWidth);
    parallel_for(0, w.blocks(), 1, [&](std::int64_t first, std::int64_t last) {
      const Buffer<T> lines(w.block_columns * kWidth);
      for (std::int64_t block = first; block < last; ++block) {
        const std::int64_t column = block * w.block_columns;
        const std::int64_t columns = std::min(w.block_columns, w.columns - column);
        std::fill_n(lines.data(), columns * kWidth, T(0));
        for_groups(w, 0, groups_of(w), [&](auto rows, std::int64_t row) {
          spread_group<rows, vectors>(w, block, row, values, y_panel.data(), lines.data());
        });
        transpose(columns, count, lines.data(), kWidth, d_x + start * ldx + column, ldx);
      }
    });
  });
}

/// One panel's contribution to the entries of a group in one block; the panels hold `width` samples.
template <std::size_t kRows, class T>
void sample_group(const CsrView& w, std::int64_t block, std::int64_t row, std::int64_t width, bool add,
                  const T* HWY_RESTRICT y_panel, const T* HWY_RESTRICT x_panel, T* HWY_RESTRICT out) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kSide = static_cast<std::size_t>(kSquareSide<T>);
  constexpr std::size_t kQuads = (kTile + kSide - 1) / kSide;
  HWY_ALIGN T totals[kQuads * kSide];
  const Group<kRows> group(w, block, row);
  const T* y[kRows];
  unroll<kRows>([&](auto r) HWY_ATTR { y[r] = y_panel + (row + static_cast<std::int64_t>(r())) * width; });
  for (std::uint32_t e = 0; e < group.count; e += kTile) {
    // The last tile repeats an entry: every entry is summed by the same instructions.
    const std::uint32_t last = std::min<std::uint32_t>(kTile, group.count - e) - 1;
    const T* x[kTile];
    unroll<kTile>([&](auto c) HWY_ATTR {
      x[c] = x_panel + group.columns[e + std::min(static_cast<std::uint32_t>(c()), last)] * width;
    });
    V sums[kRows][kTile];
    unroll<kRows>([&](auto r) HWY_ATTR { unroll<kTile>([&](auto c) HWY_ATTR { sums[r][c] = hn::Zero(d); }); });
    for (std::int64_t i = 0; i < width; i += kLanes<T>) {
      V line[kTile];
      unroll<kTile>([&](auto c) HWY_ATTR { line[c] = hn::LoadU(d, x[c] + i); });
      unroll<kRows>([&](auto r) HWY_ATTR {
        const V gradient = hn::LoadU(d, y[r] + i);
        unroll<kTile>([&](auto c) HWY_ATTR { sums[r][c] = hn::MulAdd(gradient, line[c], sums[r][c]); });
      });
    }
    unroll<kRows>([&](auto r) HWY_ATTR {
      unroll<kQuads>([&](auto q) HWY_ATTR {
#if HWY_TARGET == HWY_SCALAR
        totals[q] = hn::GetLane(sums[r][q]);
#else
        V quad[kSide];
        unroll<kSide>([&](auto i) HWY_ATTR { quad[i] = sums[r][std::min(q * kSide + i, kTile - 1)]; });
        hn::Store(sum_lanes(d, quad), hn::Full128<T>(), totals + q * kSide);
#endif
      });
      T* HWY_RESTRICT const to = out + group.entries[r] + e;
      for (std::uint32_t c = 0; c <= last; ++c) to[c] = add ? to[c] + totals[c] : totals[c];
    });
  }
}

template <class T>
void sample(const CsrView& w, std::int64_t n, const T* d_y, std::int64_t ldy, const T* x, std::int64_t ldx,
            T* d_values) {
  const std::int64_t most = std::min(kSampledVectors, (n + kLanes<T> - 1) / kLanes<T>) * kLanes<T>;
  const Buffer<T> x_panel(w.block_columns * most), y_panel(w.rows * most);
  for (std::int64_t start = 0; start < n; start += most) {
    const std::int64_t count = std::min(most, n - start);
    const std::int64_t width = (count + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
    load_panel(count, 0, w.rows, d_y + start * ldy, ldy, y_panel.data(), width);
    for (std::int64_t block = 0; block < w.blocks(); ++block) {
      const std::int64_t column = block * w.block_columns;
      load_panel(count, column, std::min(column + w.block_columns, w.columns), x + start * ldx, ldx, x_panel.data(),
                 width);
      parallel_for(0, groups_of(w), group_grain(w, count), [&](std::int64_t first, std::int64_t last) {
        for_groups(w, first, last, [&](auto rows, std::int64_t row) {
          sample_group<rows>(w, block, row, width, start > 0, y_panel.data(), x_panel.data(), d_values);
        });
      });
    }
  }
}

void multiply_f32(const CsrView& w, const float* values, std::int64_t n, const float* x, std::int64_t ldx,
                  const float* bias, float* y, std::int64_t ldy) {
  multiply(w, values, n, x, ldx, bias, y, ldy);
}
void multiply_f64(const CsrView& w, const double* values, std::int64_t n, const double* x, std::int64_t ldx,
                  const double* bias, double* y, std::int64_t ldy) {
  multiply(w, values, n, x, ldx, bias, y, ldy);
}
void spread_f32(const CsrView& w, const float* values, std::int64_t n, const float* d_y, std::int64_t ldy, float* d_x,
                std::int64_t ldx) {
  spread(w, values, n, d_y, ldy, d_x, ldx);
}
void spread_f64(const CsrView& w, const double* values, std::int64_t n, const double* d_y, std::int64_t ldy,
                double* d_x, std::int64_t ldx) {
  spread(w, values, n, d_y, ldy, d_x, ldx);
}
void sample_f32(const CsrView& w, std::int64_t n, const float* d_y, std::int64_t ldy, const float* x, std::int64_t ldx,
                float* d_values) {
  sample(w, n, d_y, ldy, x, ldx, d_values);
}
void sample_f64(const CsrView& w, std::int64_t n, const double* d_y, std::int64_t ldy, const double* x,
                std::int64_t ldx, double* d_values) {
  sample(w, n, d_y, ldy, x, ldx, d_values);
}

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(multiply_f32);
HWY_EXPORT(multiply_f64);
HWY_EXPORT(spread_f32);
HWY_EXPORT(spread_f64);
HWY_EXPORT(sample_f32);
HWY_EXPORT(sample_f64);

template <>
void row_blocks_product<float>(const CsrView& w, const float* values, std::int64_t n, const float* x, std::int64_t ldx,
                               const float* bias, float* y, std::int64_t ldy) {
  HWY_DYNAMIC_DISPATCH(multiply_f32)(w, values, n, x, ldx, bias, y, ldy);
}
template <>
void row_blocks_product<double>(const CsrView& w, const double* values, std::int64_t n, const double* x,
                                std::int64_t ldx, const double* bias, double* y, std::int64_t ldy) {
  HWY_DYNAMIC_DISPATCH(multiply_f64)(w, values, n, x, ldx, bias, y, ldy);
}

template <>
void row_blocks_data_gradient<float>(const CsrView& w, const float* values, std::int64_t n, const float* d_y,
                                     std::int64_t ldy, float* d_x, std::int64_t ldx) {
  HWY_DYNAMIC_DISPATCH(spread_f32)(w, values, n, d_y, ldy, d_x, ldx);
}
template <>
void row_blocks_data_gradient<double>(const CsrView& w, const double* values, std::int64_t n, const double* d_y,
                                      std::int64_t ldy, double* d_x, std::int64_t ldx) {
  HWY_DYNAMIC_DISPATCH(spread_f64)(w, values, n, d_y, ldy, d_x, ldx);
}

template <>
void row_blocks_weight_gradient<float>(const CsrView& w, std::int64_t n, const float* d_y, std::int64_t ldy,
                                       const float* x, std::int64_t ldx, float* d_values) {
  if (n == 0) std::fill_n(d_values, w.entries(), 0.0F);
  HWY_DYNAMIC_DISPATCH(sample_f32)(w, n, d_y, ldy, x, ldx, d_values);
}
template <>
void row_blocks_weight_gradient<double>(const CsrView& w, std::int64_t n, const double* d_y, std::int64_t ldy,
                                        const double* x, std::int64_t ldx, double* d_values) {
  if (n == 0) std::fill_n(d_values, w.entries(), 0.0);
  HWY_DYNAMIC_DISPATCH(sample_f64)(w, n, d_y, ldy, x, ldx, d_values);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
