// Convolution of blocked images with dense filters, and with sparse ones whose neighbouring rows share their entries
// (r × 1 blocks), f32 and f64: outputs, and the data gradient of dense filters.
//
// Mapping      As blocked_conv_rows.cpp, but a panel of 4 (8 with 32 registers) rows of the filter meets 3 pixels in
//              registers: each loaded vector feeds as many FMAs as the panel has rows, each broadcast weight three.
//              Dense is the case in which every panel has every entry.
// Work         2·nnz·pixels·images FLOP; weights are packed once per call into panels [entry][row].
// Bound        FMA throughput: 7 loads for 12 FMAs (11 for 24 with 32 registers), if the inputs of a tile are in
//              L1 (three pixels of 256 channels) and those of the next are on their way.
// Deterministic yes: a sum runs over blocks of channels in order.
// Measure      coppice-bench --benchmark_filter=Conv2d
// Source       register blocking: Goto and van de Geijn, TOMS 2008; the layout and the lists are our own.

#include <coppice/ops/cpu/blocked_conv.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/blocked_conv_panels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/blocked_ahead-inl.h>
#include <coppice/ops/cpu/blocked_panel_list-inl.h>
#include <coppice/ops/cpu/blocked_tile-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

/// The sums of kRows rows of the filter at kColumns pixels, for one block of channels. Only the first `valid` are
/// outputs: unless kFull, the others are computed and dropped.
template <bool kFull, std::size_t kRows, std::size_t kColumns, class T>
void multiply_panel(Hint ahead, std::int64_t count, const std::int32_t* HWY_RESTRICT offsets,
                    const T* HWY_RESTRICT weights, const T* HWY_RESTRICT buffer, std::int64_t valid,
                    const OutputSteps& steps, const TileEpilogue<T>& epilogue, std::int64_t row, std::int64_t base,
                    T* HWY_RESTRICT output) {
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
    unroll<kRows>([&](auto r) HWY_ATTR {  // where the sums will go, too far apart for the hardware to expect
      const T* const line = line_of(r());
      hwy::Prefetch(line);
      if constexpr (kColumns * kLanes * sizeof(T) > 64) hwy::Prefetch(line + 64 / sizeof(T));
    });
    unroll<kRows>([&](auto r) HWY_ATTR {
      const auto used = static_cast<std::int64_t>(r());
      const V start = first_sum<T, V>(epilogue, row + (kFull ? used : std::min(used, valid - 1)));
      unroll<kColumns>([&](auto c) HWY_ATTR { sums[r][c] = start; });
    });
  }
  for (std::int64_t e = 0; e < count;) {
    ahead.fetch();
    for (const std::int64_t stop = std::min(count, e + ahead.every); e < stop; ++e) {
      const T* HWY_RESTRICT x = buffer + offsets[e];
      V line[kColumns];
      unroll<kColumns>([&](auto c) HWY_ATTR { line[c] = hn::Load(d, x + c * kLanes); });
      unroll<kRows>([&](auto r) HWY_ATTR {
        const V weight = hn::Set(d, weights[r]);
        unroll<kColumns>([&](auto c) HWY_ATTR { sums[r][c] = hn::MulAdd(weight, line[c], sums[r][c]); });
      });
      weights += kRows;
    }
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
using PanelKernel = void (*)(Hint, std::int64_t, const std::int32_t*, const T*, const T*, std::int64_t,
                             const OutputSteps&, const TileEpilogue<T>&, std::int64_t, std::int64_t, T*);
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

// Dense panels read a tile as often as there are panels: it had better be in L1. Sparse ones read a part of it each.
constexpr TilingLimits kDenseLimits{.rows = 56, .columns = 56, .outputs = 56, .l1_bytes = 25 << 10, .l2_load = 1.6};
constexpr TilingLimits kSparseLimits{.rows = 56, .columns = 56, .outputs = 56, .l1_bytes = 20 << 10};

/// `entries` per channel of the filter's rows, which a panel shares.
template <class T>
Tiling choose_panel_tiling(const BlockedConv& conv, std::int64_t block_channels, std::int64_t panel_rows,
                           double entries, const TilingLimits& limits) {
  const auto panels = static_cast<double>(divide_up(conv.group_outputs(), panel_rows));
  return choose_tiling<T>(conv, block_channels, limits, [&](const TileShape& s) {
    // As measured: what a tile takes whatever its size, and an output whose neighbours are written at another time.
    constexpr double kTile = 1000.0, kScattered = 3.0;
    const double outputs = s.columns < conv.columns ? static_cast<double>(s.rows * s.columns * panel_rows) : 0.0;
    return panels * (panel_cycles(panel_rows, s, s.channels * entries, 0.0) + kScattered * outputs) +
           s.channels * kCopy * s.copied + kTile;
  });
}

/// Rows of the filter in panels, dense or sharing their entries.
template <class T>
class PanelConv final : public PackedConv<T> {
 public:
  /// list(conv, tile, tiling) makes the panels.
  template <class List>
  PanelConv(const BlockedConv& conv, const Tiling& tiling, List list)
      : conv_(conv), tiling_(tiling), tile_(tiling.tile(conv_, kBlockLanes<T>)), list_(list(tile_)) {}

  void run(const ConvEpilogue<T>& epilogue, const T* input, T* output) const override {
    const OutputSteps steps = output_steps<T>(conv_);
    const auto panel_rows = static_cast<std::int64_t>(list_.panel_rows);
    const std::int64_t tiles = tiling_.row_tiles * tiling_.column_tiles;
    const std::int64_t image_blocks = divide_up(conv_.images, kBlockLanes<T>);
    parallel_for(0, image_blocks * tiles, 1, [&](std::int64_t first, std::int64_t last) {
      const Buffer<T> buffer(list_.part_channels * tile_.channel_size());
      const std::int64_t loads = conv_.groups * list_.parts, end = last * loads;  // of a tile; of all
      Ahead ahead;
      for (std::int64_t index = first * loads; index < end; ++index) {
        const Load load = load_at(index, input);
        tile_.load(load.image, load.channel, load.channels, load.rows, load.columns, buffer.data());
        const std::int64_t column_parts = divide_up(load.columns.count, kPanelColumns);
        if (index + 1 < end) {
          const Load next = load_at(index + 1, input);
          ahead.begin(tile_, next.image, next.channel, next.channels, next.rows, next.columns,
                      list_.group_panels * load.rows.count * column_parts);
        }
        const std::int64_t base = output_base<T>(conv_, load.image_block, load.rows.first, load.columns.first);
        const TileEpilogue<T> part_epilogue =
            tile_epilogue(conv_, epilogue, load.image_block, load.part, list_.parts, std::int64_t{0}, std::int64_t{0});
        for (std::int64_t panel = 0; panel < list_.group_panels; ++panel) {
          const std::int64_t run = load.part * list_.panels + load.group * list_.group_panels + panel;
          const std::int64_t row = panel * panel_rows;
          const std::int64_t valid = std::min(panel_rows, conv_.group_outputs() - row);
          const std::int64_t channel_row = load.group * conv_.group_outputs() + row;
          for (std::int64_t r = 0; r < load.rows.count; ++r) {
            for (std::int64_t c = 0; c < column_parts; ++c) {
              const TilePart columns = tile_part(load.columns.count, column_parts, c);
              panel_kernel<T>(list_.panel_rows, valid, columns.count)(
                  ahead.next(list_.count(run)), list_.count(run), list_.run_offsets(run), list_.run_weights(run),
                  buffer.data() + r * tile_.row_step() + columns.first * kBlockLanes<T>, valid, steps, part_epilogue,
                  channel_row, base + channel_row * steps.channel + r * steps.row + columns.first * steps.column,
                  output);
            }
          }
        }
      }
    });
  }

 private:
  /// The inputs of one tile that are in the buffer at once.
  struct Load {
    std::int64_t image_block, group, part;
    const T* image;
    std::int64_t channel, channels;
    TilePart rows, columns;
  };
  Load load_at(std::int64_t index, const T* input) const {
    const std::int64_t part = index % list_.parts, group = index / list_.parts % conv_.groups;
    const std::int64_t unit = index / (list_.parts * conv_.groups);
    const std::int64_t tiles = tiling_.row_tiles * tiling_.column_tiles;
    const std::int64_t channel = part * list_.part_channels;
    return {.image_block = unit / tiles,
            .group = group,
            .part = part,
            .image = input_block(conv_, input, unit / tiles),
            .channel = group * conv_.group_inputs() + channel,
            .channels = std::min(list_.part_channels, conv_.group_inputs() - channel),
            .rows = tile_part(conv_.rows, tiling_.row_tiles, unit % tiles / tiling_.column_tiles),
            .columns = tile_part(conv_.columns, tiling_.column_tiles, unit % tiling_.column_tiles)};
  }

  BlockedConv conv_;
  Tiling tiling_;
  Tile tile_;
  PanelList<T> list_;
};

template <class T>
std::unique_ptr<const PackedConv<T>> pack_dense(const BlockedConv& conv, const DenseFilter& filter, const T* weight) {
  const auto panel_rows = static_cast<std::int64_t>(panel_rows_for(8));
  const Tiling tiling =
      choose_panel_tiling<T>(conv, 1, panel_rows, static_cast<double>(conv.taps.size()), kDenseLimits);
  return std::make_unique<PanelConv<T>>(
      conv, tiling, [&](const Tile& tile) { return list_dense(conv, filter, weight, tile, tiling.part_blocks); });
}

template <class T>
std::unique_ptr<const PackedConv<T>> pack_blocks(const BlockedConv& conv, const FilterView& filter, const T* values) {
  const auto panel_rows = static_cast<std::int64_t>(panel_rows_for(filter.shared));
  const Tiling tiling =
      choose_panel_tiling<T>(conv, filter.block_channels, panel_rows, filter.entries_per_channel(), kSparseLimits);
  return std::make_unique<PanelConv<T>>(
      conv, tiling, [&](const Tile& tile) { return list_blocks(conv, filter, values, tile, tiling.part_blocks); });
}

std::unique_ptr<const PackedConv<float>> pack_dense_f32(const BlockedConv& conv, const DenseFilter& filter,
                                                        const float* weight) {
  return pack_dense(conv, filter, weight);
}
std::unique_ptr<const PackedConv<float>> pack_blocks_f32(const BlockedConv& conv, const FilterView& filter,
                                                         const float* values) {
  return pack_blocks(conv, filter, values);
}
std::unique_ptr<const PackedConv<double>> pack_dense_f64(const BlockedConv& conv, const DenseFilter& filter,
                                                         const double* weight) {
  return pack_dense(conv, filter, weight);
}
std::unique_ptr<const PackedConv<double>> pack_blocks_f64(const BlockedConv& conv, const FilterView& filter,
                                                          const double* values) {
  return pack_blocks(conv, filter, values);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(pack_dense_f32);
HWY_EXPORT(pack_dense_f64);
HWY_EXPORT(pack_blocks_f32);
HWY_EXPORT(pack_blocks_f64);

template <>
std::unique_ptr<const PackedConv<float>> pack_conv_dense<float>(const BlockedConv& conv, const DenseFilter& filter,
                                                                const float* weight) {
  return HWY_DYNAMIC_DISPATCH(pack_dense_f32)(conv, filter, weight);
}
template <>
std::unique_ptr<const PackedConv<float>> pack_conv_panels<float>(const BlockedConv& conv, const FilterView& filter,
                                                                 const float* values) {
  return HWY_DYNAMIC_DISPATCH(pack_blocks_f32)(conv, filter, values);
}
template <>
std::unique_ptr<const PackedConv<double>> pack_conv_dense<double>(const BlockedConv& conv, const DenseFilter& filter,
                                                                  const double* weight) {
  return HWY_DYNAMIC_DISPATCH(pack_dense_f64)(conv, filter, weight);
}
template <>
std::unique_ptr<const PackedConv<double>> pack_conv_panels<double>(const BlockedConv& conv, const FilterView& filter,
                                                                   const double* values) {
  return HWY_DYNAMIC_DISPATCH(pack_blocks_f64)(conv, filter, values);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
