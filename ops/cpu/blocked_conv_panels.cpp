// Convolution of blocked images with dense filters, and with sparse ones whose neighbouring rows share their entries
// (r × 1 blocks), f32 and f64: outputs, and the data gradient of dense filters.
//
// Mapping      As blocked_conv_rows.cpp, but a panel of 4 (8 with 32 registers) rows of the filter meets 3 pixels in
//              registers: each loaded vector feeds as many FMAs as the panel has rows, each broadcast weight three.
//              Dense is the case in which every panel has every entry.
// Work         2·nnz·pixels·images FLOP; weights are packed once per call into panels [entry][row].
// Bound        FMA throughput: 7 loads for 12 FMAs (11 for 24 with 32 registers).
// Deterministic yes: a sum runs over blocks of channels in order.
// Measure      coppice-bench --benchmark_filter=Conv2d
// Source       register blocking: Goto and van de Geijn, TOMS 2008; the layout and the lists are our own.

#include <coppice/ops/cpu/blocked_conv.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/blocked_conv_panels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/blocked_tile-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

inline constexpr std::size_t kPanelColumns = 3;
/// The inputs of a tile and a panel's weights share L1.
inline constexpr std::int64_t kTileBytes = 20 << 10;

/// A filter as a pass reads it: for every block of channels and panel of rows, the places of its entries in the tile
/// and, entry by entry, a weight for each of the panel's rows.
template <class T>
struct PanelList {
  std::size_t panel_rows = 0;
  std::int64_t panels = 0;        // of all groups
  std::int64_t group_panels = 0;  // of one
  std::int64_t blocks = 0;
  std::int64_t block_channels = 0;
  std::vector<std::int64_t> weight_starts;  // (blocks · panels + 1), in entries
  std::vector<std::int64_t> offset_starts;  // (blocks · panels)
  Buffer<std::int32_t> offsets;
  Buffer<T> weights;

  std::int64_t count(std::int64_t run) const {
    return weight_starts[static_cast<std::size_t>(run) + 1] - weight_starts[static_cast<std::size_t>(run)];
  }
  const std::int32_t* run_offsets(std::int64_t run) const {
    return offsets.data() + offset_starts[static_cast<std::size_t>(run)];
  }
  const T* run_weights(std::int64_t run) const {
    return weights.data() + weight_starts[static_cast<std::size_t>(run)] * static_cast<std::int64_t>(panel_rows);
  }
};

/// Rows of a panel for a filter whose rows share entries in groups of `shared`.
std::size_t panel_rows_for(std::int64_t shared) { return kManyRegisters && shared % 8 == 0 ? 8 : 4; }

template <class T>
PanelList<T> list_dense(const BlockedConv& conv, const DenseFilter& filter, const T* weight, const Tile& tile,
                        std::int64_t block_channels) {
  PanelList<T> list;
  list.panel_rows = panel_rows_for(8);
  const auto panel_rows = static_cast<std::int64_t>(list.panel_rows);
  list.group_panels = divide_up(conv.group_outputs(), panel_rows);
  list.panels = list.group_panels * conv.groups;
  list.block_channels = block_channels;
  list.blocks = std::max<std::int64_t>(1, divide_up(conv.group_inputs(), block_channels));
  const auto taps = static_cast<std::int64_t>(conv.taps.size());
  list.offsets = Buffer<std::int32_t>(block_channels * taps);
  for (std::int64_t c = 0; c < block_channels; ++c) {
    for (std::int64_t t = 0; t < taps; ++t) {
      list.offsets[c * taps + t] =
          static_cast<std::int32_t>(c * tile.channel_size() + tile.offset(conv.taps[static_cast<std::size_t>(t)]));
    }
  }
  const std::int64_t runs = list.blocks * list.panels;
  list.offset_starts.assign(static_cast<std::size_t>(runs), 0);
  list.weight_starts.resize(static_cast<std::size_t>(runs) + 1);
  for (std::int64_t run = 0; run <= runs; ++run) {
    const std::int64_t block = run / list.panels;
    const std::int64_t before = std::min(block * block_channels, conv.group_inputs());
    const std::int64_t channels = std::min(block_channels, conv.group_inputs() - before);
    list.weight_starts[static_cast<std::size_t>(run)] = taps * (before * list.panels + run % list.panels * channels);
  }
  list.weights = Buffer<T>(list.weight_starts.back() * panel_rows);
  parallel_for(0, runs, 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t run = first; run < last; ++run) {
      const std::int64_t panel = run % list.panels;
      const std::int64_t row = panel % list.group_panels * panel_rows;  // in its group
      const std::int64_t valid = std::min(panel_rows, conv.group_outputs() - row);
      const std::int64_t channel = run / list.panels * block_channels;
      const std::int64_t channels = list.count(run) / std::max<std::int64_t>(1, taps);
      const std::int64_t group = panel / list.group_panels;
      T* HWY_RESTRICT to = list.weights.data() + list.weight_starts[static_cast<std::size_t>(run)] * panel_rows;
      const T* const from = weight + group * filter.group + row * filter.row + channel * filter.channel;
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t t = 0; t < taps; ++t) {
          const T* const entry = from + c * filter.channel + conv.taps[static_cast<std::size_t>(t)].id;
          for (std::int64_t r = 0; r < panel_rows; ++r) to[r] = r < valid ? entry[r * filter.row] : T(0);
          to += panel_rows;
        }
      }
    }
  });
  return list;
}

template <class T>
PanelList<T> list_blocks(const BlockedConv& conv, const FilterView& filter, const T* values, const Tile& tile) {
  PanelList<T> list;
  list.panel_rows = panel_rows_for(filter.shared);
  const auto panel_rows = static_cast<std::int64_t>(list.panel_rows);
  list.group_panels = divide_up(conv.group_outputs(), panel_rows);
  list.panels = list.group_panels * conv.groups;
  list.block_channels = filter.block_channels;
  list.blocks = filter.blocks();
  const std::vector<std::int32_t> places = tile.offsets(filter.block_channels, filter.taps);
  const std::int64_t runs = list.blocks * list.panels;
  const auto first_row = [&](std::int64_t run) {
    const std::int64_t panel = run % list.panels;
    return panel / list.group_panels * conv.group_outputs() + panel % list.group_panels * panel_rows;
  };
  const auto run_start = [&](std::int64_t run, std::int64_t row) {
    return filter.starts[run / list.panels * filter.rows + row];
  };
  list.weight_starts.push_back(0);
  for (std::int64_t run = 0; run < runs; ++run) {
    const std::int64_t row = first_row(run);
    list.weight_starts.push_back(list.weight_starts.back() + run_start(run + list.panels, row) - run_start(run, row));
  }
  list.offset_starts.assign(list.weight_starts.begin(), list.weight_starts.end() - 1);
  list.offsets = Buffer<std::int32_t>(list.weight_starts.back());
  list.weights = Buffer<T>(list.weight_starts.back() * panel_rows);
  for (std::int64_t run = 0; run < runs; ++run) {
    const std::int64_t row = first_row(run);
    const std::int64_t group_end = (run % list.panels / list.group_panels + 1) * conv.group_outputs();
    const std::int64_t start = list.weight_starts[static_cast<std::size_t>(run)];
    for (std::int64_t e = 0; e < list.count(run); ++e) {
      list.offsets[start + e] = places[filter.indices[run_start(run, row) + e]];
      for (std::int64_t r = 0; r < panel_rows; ++r) {
        list.weights[(start + e) * panel_rows + r] = row + r < group_end ? values[run_start(run, row + r) + e] : T(0);
      }
    }
  }
  return list;
}

/// The sums of kRows rows of the filter at kColumns pixels, for one block of channels. Only the first `valid` are
/// outputs: unless kFull, the others are computed and dropped.
template <bool kFull, std::size_t kRows, std::size_t kColumns, class T>
void multiply_panel(std::int64_t count, const std::int32_t* HWY_RESTRICT offsets, const T* HWY_RESTRICT weights,
                    const T* HWY_RESTRICT buffer, std::int64_t valid, const OutputSteps& steps,
                    const TileEpilogue<T>& epilogue, std::int64_t row, std::int64_t base, T* HWY_RESTRICT output) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  const auto line_of = [&](std::size_t r) HWY_ATTR {
    const auto used = static_cast<std::int64_t>(r);
    return output + base + (kFull ? used : std::min(used, valid - 1)) * steps.channel;
  };
  V sums[kRows][kColumns];
  if (epilogue.accumulate) {
    unroll<kRows>([&](auto r) HWY_ATTR {
      const T* const line = line_of(r());
      unroll<kColumns>(
          [&](auto c) HWY_ATTR { sums[r][c] = hn::Load(d, line + static_cast<std::int64_t>(c()) * steps.column); });
    });
  } else {
    unroll<kRows>([&](auto r) HWY_ATTR {
      const auto used = static_cast<std::int64_t>(r());
      const V start = first_sum<T, V>(epilogue, row + (kFull ? used : std::min(used, valid - 1)));
      unroll<kColumns>([&](auto c) HWY_ATTR { sums[r][c] = start; });
    });
  }
  for (std::int64_t e = 0; e < count; ++e) {
    const T* HWY_RESTRICT x = buffer + offsets[e];
    V line[kColumns];
    unroll<kColumns>([&](auto c) HWY_ATTR { line[c] = hn::Load(d, x + c * kLanes); });
    unroll<kRows>([&](auto r) HWY_ATTR {
      const V weight = hn::Set(d, weights[r]);
      unroll<kColumns>([&](auto c) HWY_ATTR { sums[r][c] = hn::MulAdd(weight, line[c], sums[r][c]); });
    });
    weights += kRows;
  }
  const bool finishes = epilogue.residual != nullptr || epilogue.relu;
  unroll<kRows>([&](auto r) HWY_ATTR {
    if (!kFull && static_cast<std::int64_t>(r()) >= valid) return;
    T* const line = line_of(r());
    unroll<kColumns>([&](auto c) HWY_ATTR {
      T* const to = line + static_cast<std::int64_t>(c()) * steps.column;
      if (HWY_UNLIKELY(finishes)) sums[r][c] = last_sum<T, V>(epilogue, sums[r][c], to - output);
      hn::Store(sums[r][c], d, to);
    });
  });
}

template <class T>
using PanelKernel = void (*)(std::int64_t, const std::int32_t*, const T*, const T*, std::int64_t, const OutputSteps&,
                             const TileEpilogue<T>&, std::int64_t, std::int64_t, T*);
template <bool kFull, std::size_t kRows, class T>
constexpr std::array<PanelKernel<T>, kPanelColumns> kPanelKernels = {
    &multiply_panel<kFull, kRows, 1, T>, &multiply_panel<kFull, kRows, 2, T>, &multiply_panel<kFull, kRows, 3, T>};

template <class T>
PanelKernel<T> panel_kernel(std::size_t panel_rows, std::int64_t valid, std::int64_t columns) {
  const auto column = static_cast<std::size_t>(columns - 1);
  const bool full = valid == static_cast<std::int64_t>(panel_rows);
  if (panel_rows == 8) return full ? kPanelKernels<true, 8, T>[column] : kPanelKernels<false, 8, T>[column];
  return full ? kPanelKernels<true, 4, T>[column] : kPanelKernels<false, 4, T>[column];
}

struct PanelTiling {
  std::int64_t row_tiles, column_tiles, block_channels;
};

/// Tiles whose inputs fit their part of L1 for a block of channels, at the least cost per multiplication.
/// `block_channels` > 0 is given; otherwise it is chosen.
template <class T>
PanelTiling choose_tiling(const BlockedConv& conv, std::int64_t block_channels) {
  constexpr std::int64_t kMaxPixels = 56;
  const auto taps = static_cast<double>(std::max<std::size_t>(1, conv.taps.size()));
  PanelTiling best{conv.rows, conv.columns, std::max<std::int64_t>(1, block_channels)};
  double best_cost = 0.0;
  for (std::int64_t column_tiles = 1; column_tiles <= conv.columns; ++column_tiles) {
    const std::int64_t columns = divide_up(conv.columns, column_tiles);
    for (std::int64_t rows = 1; rows <= conv.rows && rows * columns <= kMaxPixels; ++rows) {
      const Tile tile(conv, rows, columns, kBlockLanes<T>);
      const std::int64_t fitting = kTileBytes / (tile.channel_size() * static_cast<std::int64_t>(sizeof(T)));
      if (block_channels > 0 ? fitting < block_channels : fitting < 1) continue;
      const std::int64_t blocks =
          std::max<std::int64_t>(1, divide_up(conv.group_inputs(), block_channels > 0 ? block_channels : fitting));
      const std::int64_t channels =
          block_channels > 0 ? block_channels : std::max<std::int64_t>(1, divide_up(conv.group_inputs(), blocks));
      // Cycles per output row of the filter and input channel, a vector of pixels being 1: one pixel alone waits for
      // its own sums; then reading and writing sums, the copy, and starting a kernel.
      const double parts = static_cast<double>(divide_up(columns, kPanelColumns) * rows);
      const double pixels = static_cast<double>(rows * columns) + (columns == 1 ? static_cast<double>(rows) : 0.0);
      const double copied = static_cast<double>(tile.channel_size() / kBlockLanes<T>);
      const double cost = static_cast<double>(divide_up(conv.rows, rows) * column_tiles) *
                          (taps * pixels + (2.0 * pixels + 2.0 * parts) / static_cast<double>(channels) +
                           4.0 * copied / static_cast<double>(conv.group_outputs()));
      if (best_cost == 0.0 || cost < best_cost) {
        best = {divide_up(conv.rows, rows), column_tiles, channels};
        best_cost = cost;
      }
    }
  }
  return best;
}

template <class T>
void convolve_tiles(const BlockedConv& conv, const PanelTiling& tiling, const Tile& tile, const PanelList<T>& list,
                    const ConvEpilogue<T>& epilogue, const T* input, T* output) {
  const OutputSteps steps = output_steps<T>(conv);
  const auto panel_rows = static_cast<std::int64_t>(list.panel_rows);
  const std::int64_t tiles = tiling.row_tiles * tiling.column_tiles;
  const std::int64_t image_blocks = divide_up(conv.images, kBlockLanes<T>);
  parallel_for(0, image_blocks * tiles, 1, [&](std::int64_t first, std::int64_t last) {
    const Buffer<T> buffer(list.block_channels * tile.channel_size());
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t image_block = unit / tiles;
      const TilePart row_part = tile_part(conv.rows, tiling.row_tiles, unit % tiles / tiling.column_tiles);
      const TilePart column_part = tile_part(conv.columns, tiling.column_tiles, unit % tiling.column_tiles);
      const std::int64_t column_parts = divide_up(column_part.count, kPanelColumns);
      const T* const image = input_block(conv, input, image_block);
      const std::int64_t base = output_base<T>(conv, image_block, row_part.first, column_part.first);
      for (std::int64_t group = 0; group < conv.groups; ++group) {
        for (std::int64_t block = 0; block < list.blocks; ++block) {
          const std::int64_t channel = block * list.block_channels;
          tile.load(image, group * conv.group_inputs() + channel,
                    std::min(list.block_channels, conv.group_inputs() - channel), row_part, column_part, buffer.data());
          const TileEpilogue<T> part_epilogue =
              tile_epilogue(conv, epilogue, image_block, block, list.blocks, std::int64_t{0}, std::int64_t{0});
          for (std::int64_t panel = 0; panel < list.group_panels; ++panel) {
            const std::int64_t run = block * list.panels + group * list.group_panels + panel;
            const std::int64_t row = panel * panel_rows;
            const std::int64_t valid = std::min(panel_rows, conv.group_outputs() - row);
            const std::int64_t channel_row = group * conv.group_outputs() + row;
            for (std::int64_t r = 0; r < row_part.count; ++r) {
              for (std::int64_t part = 0; part < column_parts; ++part) {
                const TilePart columns = tile_part(column_part.count, column_parts, part);
                panel_kernel<T>(list.panel_rows, valid, columns.count)(
                    list.count(run), list.run_offsets(run), list.run_weights(run),
                    buffer.data() + r * tile.row_step() + columns.first * kBlockLanes<T>, valid, steps, part_epilogue,
                    channel_row, base + channel_row * steps.channel + r * steps.row + columns.first * steps.column,
                    output);
              }
            }
          }
        }
      }
    }
  });
}

template <class T>
Tile tile_of(const BlockedConv& conv, const PanelTiling& tiling) {
  return {conv, divide_up(conv.rows, tiling.row_tiles), divide_up(conv.columns, tiling.column_tiles), kBlockLanes<T>};
}

template <class T>
void convolve_dense(const BlockedConv& conv, const DenseFilter& filter, const T* weight,
                    const ConvEpilogue<T>& epilogue, const T* input, T* output) {
  if (conv.out_channels == 0) return;
  const PanelTiling tiling = choose_tiling<T>(conv, 0);
  const Tile tile = tile_of<T>(conv, tiling);
  convolve_tiles(conv, tiling, tile, list_dense(conv, filter, weight, tile, tiling.block_channels), epilogue, input,
                 output);
}

template <class T>
void convolve_blocks(const BlockedConv& conv, const FilterView& filter, const T* values,
                     const ConvEpilogue<T>& epilogue, const T* input, T* output) {
  if (conv.out_channels == 0) return;
  const PanelTiling tiling = choose_tiling<T>(conv, filter.block_channels);
  const Tile tile = tile_of<T>(conv, tiling);
  convolve_tiles(conv, tiling, tile, list_blocks(conv, filter, values, tile), epilogue, input, output);
}

void dense_f32(const BlockedConv& conv, const DenseFilter& filter, const float* weight,
               const ConvEpilogue<float>& epilogue, const float* input, float* output) {
  convolve_dense(conv, filter, weight, epilogue, input, output);
}
void dense_f64(const BlockedConv& conv, const DenseFilter& filter, const double* weight,
               const ConvEpilogue<double>& epilogue, const double* input, double* output) {
  convolve_dense(conv, filter, weight, epilogue, input, output);
}
void blocks_f32(const BlockedConv& conv, const FilterView& filter, const float* values,
                const ConvEpilogue<float>& epilogue, const float* input, float* output) {
  convolve_blocks(conv, filter, values, epilogue, input, output);
}
void blocks_f64(const BlockedConv& conv, const FilterView& filter, const double* values,
                const ConvEpilogue<double>& epilogue, const double* input, double* output) {
  convolve_blocks(conv, filter, values, epilogue, input, output);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(dense_f32);
HWY_EXPORT(dense_f64);
HWY_EXPORT(blocks_f32);
HWY_EXPORT(blocks_f64);

template <>
void blocked_conv_dense<float>(const BlockedConv& conv, const DenseFilter& filter, const float* weight,
                               const ConvEpilogue<float>& epilogue, const float* input, float* output) {
  HWY_DYNAMIC_DISPATCH(dense_f32)(conv, filter, weight, epilogue, input, output);
}
template <>
void blocked_conv_dense<double>(const BlockedConv& conv, const DenseFilter& filter, const double* weight,
                                const ConvEpilogue<double>& epilogue, const double* input, double* output) {
  HWY_DYNAMIC_DISPATCH(dense_f64)(conv, filter, weight, epilogue, input, output);
}
template <>
void blocked_conv_panels<float>(const BlockedConv& conv, const FilterView& filter, const float* values,
                                const ConvEpilogue<float>& epilogue, const float* input, float* output) {
  HWY_DYNAMIC_DISPATCH(blocks_f32)(conv, filter, values, epilogue, input, output);
}
template <>
void blocked_conv_panels<double>(const BlockedConv& conv, const FilterView& filter, const double* values,
                                 const ConvEpilogue<double>& epilogue, const double* input, double* output) {
  HWY_DYNAMIC_DISPATCH(blocks_f64)(conv, filter, values, epilogue, input, output);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
