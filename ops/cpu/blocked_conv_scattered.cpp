// Data gradient of convolutions of blocked images by scattering, f32 and f64: of filters whose neighbouring rows share
// their entries (r × 1 blocks), and of dense ones.
//
// Mapping      3 pixels of the output's gradient for 4 (8 with 32 registers) rows of the filter stay in registers while
//              all the panel's entries pass: each adds to the 3 inputs it read, in a tile of inputs with its
//              surroundings, which is added to the image when all panels have passed. A thread has whole image blocks
//              or whole parts of their channels. The list of entries is the forward pass's, and any stride is one pass.
// Work         2·nnz·pixels·images FLOP; weights are packed once per call.
// Bound        FMA throughput: 7 loads and 3 stores for 12 FMAs (11 and 3 for 24 with 32 registers); with few entries
//              per panel, reading the gradient; with few rows, adding tiles.
// Deterministic yes: an input is summed over tiles and panels in order by one thread.
// Measure      coppice-bench --benchmark_filter=Conv2d

#include <coppice/ops/cpu/blocked_conv.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/blocked_conv_scattered.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/blocked_panel_list-inl.h>
#include <coppice/ops/cpu/blocked_tile-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

/// Adds to the inputs of `count` entries what kColumns pixels of kRows rows of the filter give them. Only the first
/// `valid` rows exist: unless kFull, the others have gradient 0.
template <bool kFull, std::size_t kRows, std::size_t kColumns, class T>
void scatter_panel(std::int64_t count, const std::int32_t* HWY_RESTRICT offsets, const T* HWY_RESTRICT weights,
                   const T* HWY_RESTRICT d_output, std::int64_t valid, const OutputSteps& steps,
                   T* HWY_RESTRICT buffer) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  V gradients[kRows][kColumns];
  unroll<kRows>([&](auto r) HWY_ATTR {
    const auto row = static_cast<std::int64_t>(r());
    unroll<kColumns>([&](auto c) HWY_ATTR {
      gradients[r][c] =
          kFull || row < valid
              ? hn::Load(d, d_output + row * steps.channel + static_cast<std::int64_t>(c()) * steps.column)
              : hn::Zero(d);
    });
  });
  unroll<kRows>([&](auto r) HWY_ATTR {  // the next panel's, which lie too far apart for the hardware to expect
    const T* const next = d_output + static_cast<std::int64_t>(kRows + r()) * steps.channel;
    hwy::Prefetch(next);
    if constexpr (kColumns * kLanes * sizeof(T) > 64) hwy::Prefetch(next + 64 / sizeof(T));
  });
  for (std::int64_t e = 0; e < count; ++e) {
    T* HWY_RESTRICT x = buffer + offsets[e];
    V sums[kColumns];
    unroll<kColumns>([&](auto c) HWY_ATTR { sums[c] = hn::Load(d, x + c * kLanes); });
    unroll<kRows>([&](auto r) HWY_ATTR {
      const V weight = hn::Set(d, weights[r]);
      unroll<kColumns>([&](auto c) HWY_ATTR { sums[c] = hn::MulAdd(weight, gradients[r][c], sums[c]); });
    });
    unroll<kColumns>([&](auto c) HWY_ATTR { hn::Store(sums[c], d, x + c * kLanes); });
    weights += kRows;
  }
}

template <class T>
using ScatterKernel = void (*)(std::int64_t, const std::int32_t*, const T*, const T*, std::int64_t, const OutputSteps&,
                               T*);
template <bool kFull, std::size_t kRows, class T>
constexpr std::array<ScatterKernel<T>, kPanelColumns> kScatterKernels = {
    &scatter_panel<kFull, kRows, 1, T>, &scatter_panel<kFull, kRows, 2, T>, &scatter_panel<kFull, kRows, 3, T>};

template <class T>
ScatterKernel<T> scatter_kernel(std::size_t panel_rows, bool full, std::int64_t columns) {
  const auto column = static_cast<std::size_t>(columns - 1);
  if (panel_rows == 8) return full ? kScatterKernels<true, 8, T>[column] : kScatterKernels<false, 8, T>[column];
  return full ? kScatterKernels<true, 4, T>[column] : kScatterKernels<false, 4, T>[column];
}

/// `entries` per channel of the filter's rows, which a panel shares.
template <class T>
Tiling choose_scatter_tiling(const BlockedConv& conv, std::int64_t block_channels, std::int64_t panel_rows,
                             double entries) {
  constexpr TilingLimits kLimits{.rows = 56, .columns = 56, .outputs = 56, .l1_bytes = 20 << 10};
  constexpr double kStore = 1.0;
  constexpr double kGradient = 5.0;     // a vector, from beyond L2
  constexpr double kClearAndAdd = 4.0;  // a vector of the tile
  const auto panels = static_cast<double>(divide_up(conv.group_outputs(), panel_rows));
  return choose_tiling<T>(conv, block_channels, kLimits, [&](const TileShape& s) {
    const auto gradients = static_cast<double>(s.rows * s.columns * panel_rows);
    return panels * (panel_cycles(panel_rows, s, s.channels * entries, kStore) + gradients * kGradient) +
           s.channels * kClearAndAdd * s.copied;
  });
}

template <class T>
void scatter_tiles(const BlockedConv& conv, const Tiling& tiling, const Tile& tile, const PanelList<T>& list,
                   const T* d_output, T* d_input) {
  const OutputSteps steps = output_steps<T>(conv);
  const auto panel_rows = static_cast<std::int64_t>(list.panel_rows);
  const std::int64_t image_blocks = divide_up(conv.images, kBlockLanes<T>);
  const std::int64_t line = conv.in_w * kBlockLanes<T>;
  parallel_for(0, image_blocks * conv.groups * list.parts, 1, [&](std::int64_t first, std::int64_t last) {
    const Buffer<T> buffer(list.part_channels * tile.channel_size());
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t part = unit % list.parts, group = unit / list.parts % conv.groups;
      const std::int64_t image_block = unit / (list.parts * conv.groups);
      const std::int64_t before = std::min(part * list.part_channels, conv.group_inputs());
      const std::int64_t channels = std::min(list.part_channels, conv.group_inputs() - before);
      const std::int64_t channel = group * conv.group_inputs() + before;
      T* const image = d_input + image_block * conv.in_h * conv.in_channels * line;
      for (std::int64_t y = 0; y < conv.in_h; ++y) {
        std::fill_n(image + (y * conv.in_channels + channel) * line, channels * line, T(0));
      }
      for (std::int64_t t = 0; t < tiling.row_tiles * tiling.column_tiles; ++t) {
        const TilePart row_part = tile_part(conv.rows, tiling.row_tiles, t / tiling.column_tiles);
        const TilePart column_part = tile_part(conv.columns, tiling.column_tiles, t % tiling.column_tiles);
        const std::int64_t column_parts = divide_up(column_part.count, kPanelColumns);
        const T* const gradient = d_output + output_base<T>(conv, image_block, row_part.first, column_part.first);
        std::fill_n(buffer.data(), channels * tile.channel_size(), T(0));
        for (std::int64_t panel = 0; panel < list.group_panels; ++panel) {
          const std::int64_t run = part * list.panels + group * list.group_panels + panel;
          const std::int64_t row = panel * panel_rows;
          const std::int64_t valid = std::min(panel_rows, conv.group_outputs() - row);
          const T* const panel_gradient = gradient + (group * conv.group_outputs() + row) * steps.channel;
          for (std::int64_t r = 0; r < row_part.count; ++r) {
            for (std::int64_t c = 0; c < column_parts; ++c) {
              const TilePart columns = tile_part(column_part.count, column_parts, c);
              scatter_kernel<T>(list.panel_rows, valid == panel_rows, columns.count)(
                  list.count(run), list.run_offsets(run), list.run_weights(run),
                  panel_gradient + r * steps.row + columns.first * steps.column, valid, steps,
                  buffer.data() + r * tile.row_step() + columns.first * kBlockLanes<T>);
            }
          }
        }
        tile.add(buffer.data(), channel, channels, row_part, column_part, image);
      }
    }
  });
}

template <class T>
void scatter_dense(const BlockedConv& conv, const DenseFilter& filter, const T* weight, const T* d_output, T* d_input) {
  const auto panel_rows = static_cast<std::int64_t>(panel_rows_for(8));
  const Tiling tiling = choose_scatter_tiling<T>(conv, 1, panel_rows, static_cast<double>(conv.taps.size()));
  const Tile tile = tiling.tile(conv, kBlockLanes<T>);
  scatter_tiles(conv, tiling, tile, list_dense(conv, filter, weight, tile, tiling.part_blocks), d_output, d_input);
}

template <class T>
void scatter_blocks(const BlockedConv& conv, const FilterView& filter, const T* values, const T* d_output, T* d_input) {
  const auto panel_rows = static_cast<std::int64_t>(panel_rows_for(filter.shared));
  const Tiling tiling = choose_scatter_tiling<T>(conv, filter.block_channels, panel_rows, filter.entries_per_channel());
  const Tile tile = tiling.tile(conv, kBlockLanes<T>);
  scatter_tiles(conv, tiling, tile, list_blocks(conv, filter, values, tile, tiling.part_blocks), d_output, d_input);
}

void scatter_dense_f32(const BlockedConv& conv, const DenseFilter& filter, const float* weight, const float* d_output,
                       float* d_input) {
  scatter_dense(conv, filter, weight, d_output, d_input);
}
void scatter_dense_f64(const BlockedConv& conv, const DenseFilter& filter, const double* weight, const double* d_output,
                       double* d_input) {
  scatter_dense(conv, filter, weight, d_output, d_input);
}
void scatter_blocks_f32(const BlockedConv& conv, const FilterView& filter, const float* values, const float* d_output,
                        float* d_input) {
  scatter_blocks(conv, filter, values, d_output, d_input);
}
void scatter_blocks_f64(const BlockedConv& conv, const FilterView& filter, const double* values, const double* d_output,
                        double* d_input) {
  scatter_blocks(conv, filter, values, d_output, d_input);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(scatter_dense_f32);
HWY_EXPORT(scatter_dense_f64);
HWY_EXPORT(scatter_blocks_f32);
HWY_EXPORT(scatter_blocks_f64);

template <>
void blocked_conv_scattered_dense<float>(const BlockedConv& conv, const DenseFilter& filter, const float* weight,
                                         const float* d_output, float* d_input) {
  HWY_DYNAMIC_DISPATCH(scatter_dense_f32)(conv, filter, weight, d_output, d_input);
}
template <>
void blocked_conv_scattered_dense<double>(const BlockedConv& conv, const DenseFilter& filter, const double* weight,
                                          const double* d_output, double* d_input) {
  HWY_DYNAMIC_DISPATCH(scatter_dense_f64)(conv, filter, weight, d_output, d_input);
}
template <>
void blocked_conv_scattered_panels<float>(const BlockedConv& conv, const FilterView& filter, const float* values,
                                          const float* d_output, float* d_input) {
  HWY_DYNAMIC_DISPATCH(scatter_blocks_f32)(conv, filter, values, d_output, d_input);
}
template <>
void blocked_conv_scattered_panels<double>(const BlockedConv& conv, const FilterView& filter, const double* values,
                                           const double* d_output, double* d_input) {
  HWY_DYNAMIC_DISPATCH(scatter_blocks_f64)(conv, filter, values, d_output, d_input);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
