// Weight gradients of convolutions of blocked images, f32 and f64: dense, of filters whose rows share their entries,
// and of unstructured ones, at the filter's entries only.
//
// Mapping      A tile of outputs of several blocks of images: its inputs are copied for some channels to L1, and every
//              row of the filter (4 at once where they share entries) runs over the tile's pixels with the sums of 8
//              entries (3 or 4 for each of 4 rows) in registers; lanes are added at the end of a tile.
// Work         2·entries·pixels·images FLOP; reads the output's gradient once per part of the channels.
// Bound        4 rows: FMA throughput (7 loads for 12 FMAs); one row: 9 loads for 8 FMAs.
// Deterministic yes: an entry is summed over tiles in order by one thread; threads share the channels.
// Measure      coppice-bench --benchmark_filter=Conv2d

#include <coppice/ops/cpu/blocked_conv.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/blocked_conv_sampled.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/blocked_tile-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

/// Entries of one row whose sums are taken together: their places fill the general registers.
inline constexpr std::size_t kRowEntries = 8;
/// Rows and entries of a panel.
inline constexpr std::size_t kPanel = 4;
inline constexpr std::size_t kPanelEntries = kManyRegisters ? 4 : 3;

/// How a weight gradient is cut: outputs into tiles, images into parts of `blocks`, channels into parts of `channels`.
struct SampleTiling {
  std::int64_t row_tiles, column_tiles, blocks, channels;

  Tile tile(const BlockedConv& conv, std::int64_t lanes) const {
    return {conv, divide_up(conv.rows, row_tiles), divide_up(conv.columns, column_tiles), lanes};
  }
};

/// The pixels a kernel runs over: `blocks` times rows × columns, and how far these lie apart.
struct Window {
  std::int64_t blocks, rows, columns;
  std::int64_t output_block, output_row;  // of the output's gradient
  std::int64_t input_block, input_row;    // of the buffer

  /// What is left to step at the end of a block's rows.
  std::int64_t output_skip() const { return output_block - rows * output_row; }
  std::int64_t input_skip() const { return input_block - rows * input_row; }
};

/// Σ over a window of d_output · the inputs at kCount places, added to `sums_to`.
template <std::size_t kCount, class T>
void sample_row(const Window& window, const T* HWY_RESTRICT d_output, const T* HWY_RESTRICT buffer,
                const std::uint32_t* HWY_RESTRICT offsets, T* HWY_RESTRICT sums_to) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  const T* x[kCount];
  V sums[kCount];
  unroll<kCount>([&](auto i) HWY_ATTR {
    x[i] = buffer + offsets[i];
    sums[i] = hn::Zero(d);
  });
  for (std::int64_t b = 0; b < window.blocks; ++b) {
    for (std::int64_t r = 0; r < window.rows; ++r) {
      for (std::int64_t c = 0; c < window.columns * kLanes; c += kLanes) {
        const V y = hn::Load(d, d_output + c);
        unroll<kCount>([&](auto i) HWY_ATTR { sums[i] = hn::MulAdd(y, hn::Load(d, x[i] + c), sums[i]); });
      }
      d_output += window.output_row;
      unroll<kCount>([&](auto i) HWY_ATTR { x[i] += window.input_row; });
    }
    d_output += window.output_skip();
    unroll<kCount>([&](auto i) HWY_ATTR { x[i] += window.input_skip(); });
  }
  add_lane_sums<kCount, T, V>(sums, sums_to);
}

template <class T>
using RowKernel = void (*)(const Window&, const T*, const T*, const std::uint32_t*, T*);
template <class T>
constexpr auto kRowKernels = []<std::size_t... i>(std::index_sequence<i...>) {
  return std::array<RowKernel<T>, sizeof...(i)>{&sample_row<i + 1, T>...};
}
(std::make_index_sequence<kRowEntries>{});

/// As sample_row, for kPanel rows: entry e of row r is added to sums_to[e · kPanel + r].
template <std::size_t kCount, class T>
void sample_panel(const Window& window, const T* const* d_outputs, const T* HWY_RESTRICT buffer,
                  const std::uint32_t* HWY_RESTRICT offsets, T* HWY_RESTRICT sums_to) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  const T* y[kPanel];
  const T* x[kCount];
  V sums[kPanel][kCount];
  unroll<kCount>([&](auto e) HWY_ATTR { x[e] = buffer + offsets[e]; });
  unroll<kPanel>([&](auto r) HWY_ATTR {
    y[r] = d_outputs[r];
    unroll<kCount>([&](auto e) HWY_ATTR { sums[r][e] = hn::Zero(d); });
  });
  for (std::int64_t b = 0; b < window.blocks; ++b) {
    for (std::int64_t row = 0; row < window.rows; ++row) {
      for (std::int64_t c = 0; c < window.columns * kLanes; c += kLanes) {
        V line[kCount];
        unroll<kCount>([&](auto e) HWY_ATTR { line[e] = hn::Load(d, x[e] + c); });
        unroll<kPanel>([&](auto r) HWY_ATTR {
          const V gradient = hn::Load(d, y[r] + c);
          unroll<kCount>([&](auto e) HWY_ATTR { sums[r][e] = hn::MulAdd(gradient, line[e], sums[r][e]); });
        });
      }
      unroll<kCount>([&](auto e) HWY_ATTR { x[e] += window.input_row; });
      unroll<kPanel>([&](auto r) HWY_ATTR { y[r] += window.output_row; });
    }
    unroll<kCount>([&](auto e) HWY_ATTR { x[e] += window.input_skip(); });
    unroll<kPanel>([&](auto r) HWY_ATTR { y[r] += window.output_skip(); });
  }
  unroll<kCount>([&](auto e) HWY_ATTR {
    V of_rows[kPanel];
    unroll<kPanel>([&](auto r) HWY_ATTR { of_rows[r] = sums[r][e]; });
    add_lane_sums<kPanel, T, V>(of_rows, sums_to + e * kPanel);
  });
}

template <class T>
using PanelKernel = void (*)(const Window&, const T* const*, const T*, const std::uint32_t*, T*);
template <class T>
constexpr auto kPanelKernels = []<std::size_t... i>(std::index_sequence<i...>) {
  return std::array<PanelKernel<T>, sizeof...(i)>{&sample_panel<i + 1, T>...};
}
(std::make_index_sequence<kPanelEntries>{});

/// What a tiling makes of one tile and part of the channels, for its cost.
struct SampleShape {
  double pixels;  // vectors of outputs
  double lines;   // their rows
  double channels;
  double load;  // cycles
};

/// The tiling with the least cost(shape) per tile and part, copying included. Parts are multiples of `block_channels`.
template <class T, class Cost>
SampleTiling choose_tiling(const BlockedConv& conv, std::int64_t block_channels, bool only_l1, Cost cost) {
  constexpr std::int64_t kMaxPixels = 128;
  const std::int64_t image_blocks = std::max<std::int64_t>(1, divide_up(conv.images, kBlockLanes<T>));
  const std::int64_t channel_blocks = std::max<std::int64_t>(1, divide_up(conv.group_inputs(), block_channels));
  SampleTiling best{conv.rows, conv.columns, 1, block_channels};
  double best_cost = 0.0;
  for (std::int64_t column_tiles = 1; column_tiles <= conv.columns; ++column_tiles) {
    const std::int64_t columns = divide_up(conv.columns, column_tiles);
    for (std::int64_t rows = 1; rows <= conv.rows && rows * columns <= kMaxPixels; ++rows) {
      const Tile tile(conv, rows, columns, kBlockLanes<T>);
      for (std::int64_t blocks = 1; blocks <= image_blocks && rows * columns * blocks <= kMaxPixels; blocks *= 2) {
        const std::int64_t size = tile.channel_size() * blocks;
        for (std::int64_t joined = 1; joined <= channel_blocks; joined += divide_up(joined, 4)) {
          const std::int64_t bytes = size * joined * block_channels * static_cast<std::int64_t>(sizeof(T));
          const bool in_l1 = bytes <= kL1Bytes;
          if (!in_l1 && (only_l1 || bytes > kL2Bytes) && !(joined == 1 && blocks == 1 && rows * columns == 1)) break;
          const std::int64_t parts = divide_up(channel_blocks, joined);
          const double channels = static_cast<double>(conv.group_inputs()) / static_cast<double>(parts);
          const double tiles =
              static_cast<double>(divide_up(conv.rows, rows) * column_tiles * divide_up(image_blocks, blocks) * parts);
          const double each = cost(SampleShape{.pixels = static_cast<double>(rows * columns * blocks),
                                               .lines = static_cast<double>(rows * blocks),
                                               .channels = channels,
                                               .load = in_l1 ? kLoad : kL2Load}) +
                              kCopy * channels * static_cast<double>(size / kBlockLanes<T>);
          if (best_cost == 0.0 || tiles * each < best_cost) {
            best = {divide_up(conv.rows, rows), column_tiles, blocks,
                    divide_up(channel_blocks, parts) * block_channels};
            best_cost = tiles * each;
          }
        }
      }
    }
  }
  return best;
}

/// Calls visit(window, group, channel part, gradient of the group's first output, buffer) for every tile and part.
template <class T, class Visit>
void for_tiles(const BlockedConv& conv, const SampleTiling& tiling, const Tile& tile, const T* d_output, const T* input,
               Visit visit) {
  const OutputSteps steps = output_steps<T>(conv);
  const std::int64_t image_blocks = divide_up(conv.images, kBlockLanes<T>);
  const std::int64_t tiles = tiling.row_tiles * tiling.column_tiles;
  const std::int64_t parts = std::max<std::int64_t>(1, divide_up(conv.group_inputs(), tiling.channels));
  const std::int64_t block_size = tiling.channels * tile.channel_size();
  parallel_for(0, conv.groups * parts, 1, [&](std::int64_t first_part, std::int64_t last_part) {
    const Buffer<T> buffer(block_size * tiling.blocks);
    for (std::int64_t block = 0; block < image_blocks; block += tiling.blocks) {
      const std::int64_t blocks = std::min(tiling.blocks, image_blocks - block);
      for (std::int64_t t = 0; t < tiles; ++t) {
        const TilePart row_part = tile_part(conv.rows, tiling.row_tiles, t / tiling.column_tiles);
        const TilePart column_part = tile_part(conv.columns, tiling.column_tiles, t % tiling.column_tiles);
        const Window window{.blocks = blocks,
                            .rows = row_part.count,
                            .columns = column_part.count,
                            .output_block = conv.out_h * conv.out_channels * conv.out_w * kBlockLanes<T>,
                            .output_row = steps.row,
                            .input_block = block_size,
                            .input_row = tile.row_step()};
        const T* const gradient = d_output + output_base<T>(conv, block, row_part.first, column_part.first);
        for (std::int64_t p = first_part; p < last_part; ++p) {
          const std::int64_t group = p / parts, channel = p % parts * tiling.channels;
          for (std::int64_t b = 0; b < blocks; ++b) {
            tile.load(input_block(conv, input, block + b), group * conv.group_inputs() + channel,
                      std::min(tiling.channels, conv.group_inputs() - channel), row_part, column_part,
                      buffer.data() + b * block_size);
          }
          visit(window, group, p % parts, gradient + group * conv.group_outputs() * steps.channel, buffer.data());
        }
      }
    }
  });
}

/// Makes the parts so small that every thread has one, which touches the order of no sum.
void share_parts(const BlockedConv& conv, std::int64_t block_channels, SampleTiling& tiling) {
  const std::int64_t blocks = divide_up(conv.group_inputs(), block_channels);
  const std::int64_t share = std::max<std::int64_t>(1, blocks * conv.groups / num_threads());
  tiling.channels = std::min(tiling.channels, share * block_channels);
}

/// Where every entry of the filter lies in the buffer of its part.
Buffer<std::uint32_t> list_offsets(const FilterView& filter, const Tile& tile, std::int64_t part_blocks) {
  const std::vector<std::int32_t> table = tile.offsets(filter.block_channels, filter.taps);
  Buffer<std::uint32_t> offsets(filter.entries());
  for (std::int64_t b = 0; b < filter.blocks(); ++b) {
    const auto base = static_cast<std::uint32_t>(b % part_blocks * filter.block_channels * tile.channel_size());
    for (std::int64_t row = 0; row < filter.rows; ++row) {
      const std::uint32_t end = filter.starts[(b + 1) * filter.rows + row];
      for (std::uint32_t e = filter.starts[b * filter.rows + row]; e < end; ++e) {
        offsets[e] = base + static_cast<std::uint32_t>(table[filter.indices[e]]);
      }
    }
  }
  return offsets;
}

/// The first entry of a row in a part of the filter's blocks.
std::uint32_t part_start(const FilterView& filter, std::int64_t part, std::int64_t part_blocks, std::int64_t row) {
  return filter.starts[std::min(part * part_blocks, filter.blocks()) * filter.rows + row];
}

template <class T>
void sample_rows(const BlockedConv& conv, const FilterView& filter, const T* d_output, const T* input, T* d_values) {
  const std::int64_t group_rows = conv.group_outputs();
  const double per_channel = filter.entries_per_channel();
  SampleTiling tiling = choose_tiling<T>(conv, filter.block_channels, false, [&](const SampleShape& s) {
    constexpr double kLaneSums = 2.5;  // of one entry
    const double entries = s.channels * per_channel;
    const double groups = entries / static_cast<double>(kRowEntries) + 0.5;
    return static_cast<double>(group_rows) *
           (entries * (s.load * s.pixels + kLaneSums) + groups * (kLoad * s.pixels + s.lines + 4.0) + kMispredicted);
  });
  share_parts(conv, filter.block_channels, tiling);
  const Tile tile = tiling.tile(conv, kBlockLanes<T>);
  const std::int64_t part_blocks = tiling.channels / filter.block_channels;
  const Buffer<std::uint32_t> offsets = list_offsets(filter, tile, part_blocks);
  const std::int64_t channel_step = output_steps<T>(conv).channel;
  std::fill_n(d_values, filter.entries(), T(0));
  for_tiles<T>(conv, tiling, tile, d_output, input,
               [&](const Window& window, std::int64_t group, std::int64_t part, const T* dy, const T* buffer) {
                 for (std::int64_t row = group * group_rows; row < (group + 1) * group_rows; ++row) {
                   std::uint32_t e = part_start(filter, part, part_blocks, row);
                   const std::uint32_t end = part_start(filter, part + 1, part_blocks, row);
                   // The groups of a row are nearly equal: a small one would wait for its own sums.
                   for (auto groups = static_cast<std::uint32_t>(divide_up(end - e, kRowEntries)); groups > 0;
                        --groups) {
                     const std::uint32_t count = (end - e + groups - 1) / groups;
                     kRowKernels<T>[count - 1](window, dy, buffer, offsets.data() + e, d_values + e);
                     e += count;
                   }
                   dy += channel_step;
                 }
               });
}

/// Entries of a panel's rows in one part: their places, and where their sums go.
template <class T>
struct PanelEntries {
  const std::uint32_t* offsets;
  std::int64_t count;
  T* sums;
};

/// entries_of(part, first row) lists what the panel of rows from there on has in a part of the channels.
template <class T, class Entries>
void sample_panels(const BlockedConv& conv, const SampleTiling& tiling, const Tile& tile, const T* d_output,
                   const T* input, Entries entries_of) {
  const std::int64_t channel_step = output_steps<T>(conv).channel;
  const std::int64_t group_rows = conv.group_outputs();
  for_tiles<T>(conv, tiling, tile, d_output, input,
               [&](const Window& window, std::int64_t group, std::int64_t part, const T* dy, const T* buffer) {
                 for (std::int64_t row = 0; row < group_rows; row += static_cast<std::int64_t>(kPanel)) {
                   const T* gradients[kPanel];
                   for (std::size_t r = 0; r < kPanel; ++r) {  // rows past the last repeat it, and are not kept
                     gradients[r] = dy + std::min(row + static_cast<std::int64_t>(r), group_rows - 1) * channel_step;
                   }
                   const PanelEntries<T> entries = entries_of(part, group, row);
                   std::int64_t e = 0;
                   for (std::int64_t groups = divide_up(entries.count, kPanelEntries); groups > 0; --groups) {
                     const std::int64_t count = divide_up(entries.count - e, groups);
                     kPanelKernels<T>[static_cast<std::size_t>(count - 1)](
                         window, gradients, buffer, entries.offsets + e,
                         entries.sums + e * static_cast<std::int64_t>(kPanel));
                     e += count;
                   }
                 }
               });
}

template <class T>
SampleTiling choose_panel_tiling(const BlockedConv& conv, std::int64_t block_channels, double per_channel) {
  return choose_tiling<T>(conv, block_channels, true, [&](const SampleShape& s) {
    constexpr double kGroup = 20.0;  // its sums over lanes, and starting it
    const double groups = s.channels * per_channel / static_cast<double>(kPanelEntries) + 0.25;
    const double fmas = static_cast<double>(kPanel * kPanelEntries);
    return static_cast<double>(conv.group_outputs()) / static_cast<double>(kPanel) *
           (groups * (0.5 * fmas * s.pixels + 3.0 * s.lines + kGroup) +
            static_cast<double>(kPanel) * kL2Load * s.pixels);
  });
}

/// to[r · count + e] = from[e · kPanel + r] for the first `rows` rows.
template <class T>
void spread_panel(const T* from, std::int64_t count, std::int64_t rows, T* to) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t e = 0; e < count; ++e) to[r * count + e] = from[e * static_cast<std::int64_t>(kPanel) + r];
  }
}

template <class T>
void sample_dense(const BlockedConv& conv, const T* d_output, const T* input, T* d_weight) {
  constexpr auto kRows = static_cast<std::int64_t>(kPanel);
  const auto taps = static_cast<std::int64_t>(conv.taps.size());
  SampleTiling tiling = choose_panel_tiling<T>(conv, 1, static_cast<double>(taps));
  share_parts(conv, 1, tiling);
  const Tile tile = tiling.tile(conv, kBlockLanes<T>);
  const std::int64_t row_size = conv.group_inputs() * taps;
  const std::int64_t group_panels = divide_up(conv.group_outputs(), kRows);
  const std::vector<std::int32_t> table = tile.offsets(tiling.channels, taps);
  const std::vector<std::uint32_t> offsets(table.begin(), table.end());
  const Buffer<T> sums(conv.groups * group_panels * kRows * row_size);
  std::fill_n(sums.data(), sums.size(), T(0));
  sample_panels<T>(conv, tiling, tile, d_output, input,
                   [&](std::int64_t part, std::int64_t group, std::int64_t row) -> PanelEntries<T> {
                     const std::int64_t channel = part * tiling.channels;
                     const std::int64_t panel = group * group_panels + row / kRows;
                     return {offsets.data(), std::min(tiling.channels, conv.group_inputs() - channel) * taps,
                             sums.data() + (panel * row_size + channel * taps) * kRows};
                   });
  parallel_for(0, conv.groups * group_panels, 8, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t panel = first; panel < last; ++panel) {
      const std::int64_t row = panel % group_panels * kRows;
      spread_panel(sums.data() + panel * kRows * row_size, row_size, std::min(kRows, conv.group_outputs() - row),
                   d_weight + (panel / group_panels * conv.group_outputs() + row) * row_size);
    }
  });
}

template <class T>
void sample_blocks(const BlockedConv& conv, const FilterView& filter, const T* d_output, const T* input, T* d_values) {
  constexpr auto kRows = static_cast<std::int64_t>(kPanel);
  SampleTiling tiling = choose_panel_tiling<T>(conv, filter.block_channels, filter.entries_per_channel());
  share_parts(conv, filter.block_channels, tiling);
  const Tile tile = tiling.tile(conv, kBlockLanes<T>);
  const std::int64_t part_blocks = tiling.channels / filter.block_channels;
  const Buffer<std::uint32_t> offsets = list_offsets(filter, tile, part_blocks);
  // The entries of a panel's rows follow each other: their sums take the same places in another order.
  const Buffer<T> sums(filter.entries());
  std::fill_n(sums.data(), sums.size(), T(0));
  sample_panels<T>(
      conv, tiling, tile, d_output, input,
      [&](std::int64_t part, std::int64_t group, std::int64_t row) -> PanelEntries<T> {
        const std::int64_t first_row = group * conv.group_outputs() + row;
        const std::uint32_t start = part_start(filter, part, part_blocks, first_row);
        const std::uint32_t end = part_start(filter, part + 1, part_blocks, first_row);
        const std::uint32_t row_start = filter.starts[first_row];
        return {offsets.data() + start, end - start, sums.data() + row_start + (start - row_start) * kRows};
      });
  for (std::int64_t row = 0; row < filter.rows; row += kRows) {
    const std::uint32_t start = filter.starts[row];
    const std::int64_t count = filter.starts[filter.blocks() * filter.rows + row] - start;
    spread_panel(sums.data() + start, count, kRows, d_values + start);
  }
}

void rows_f32(const BlockedConv& conv, const FilterView& filter, const float* d_output, const float* input,
              float* d_values) {
  sample_rows(conv, filter, d_output, input, d_values);
}
void rows_f64(const BlockedConv& conv, const FilterView& filter, const double* d_output, const double* input,
              double* d_values) {
  sample_rows(conv, filter, d_output, input, d_values);
}
void blocks_f32(const BlockedConv& conv, const FilterView& filter, const float* d_output, const float* input,
                float* d_values) {
  sample_blocks(conv, filter, d_output, input, d_values);
}
void blocks_f64(const BlockedConv& conv, const FilterView& filter, const double* d_output, const double* input,
                double* d_values) {
  sample_blocks(conv, filter, d_output, input, d_values);
}
void dense_f32(const BlockedConv& conv, const float* d_output, const float* input, float* d_weight) {
  sample_dense(conv, d_output, input, d_weight);
}
void dense_f64(const BlockedConv& conv, const double* d_output, const double* input, double* d_weight) {
  sample_dense(conv, d_output, input, d_weight);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(rows_f32);
HWY_EXPORT(rows_f64);
HWY_EXPORT(blocks_f32);
HWY_EXPORT(blocks_f64);
HWY_EXPORT(dense_f32);
HWY_EXPORT(dense_f64);

template <>
void blocked_conv_sampled_rows<float>(const BlockedConv& conv, const FilterView& filter, const float* d_output,
                                      const float* input, float* d_values) {
  HWY_DYNAMIC_DISPATCH(rows_f32)(conv, filter, d_output, input, d_values);
}
template <>
void blocked_conv_sampled_rows<double>(const BlockedConv& conv, const FilterView& filter, const double* d_output,
                                       const double* input, double* d_values) {
  HWY_DYNAMIC_DISPATCH(rows_f64)(conv, filter, d_output, input, d_values);
}
template <>
void blocked_conv_sampled_panels<float>(const BlockedConv& conv, const FilterView& filter, const float* d_output,
                                        const float* input, float* d_values) {
  HWY_DYNAMIC_DISPATCH(blocks_f32)(conv, filter, d_output, input, d_values);
}
template <>
void blocked_conv_sampled_panels<double>(const BlockedConv& conv, const FilterView& filter, const double* d_output,
                                         const double* input, double* d_values) {
  HWY_DYNAMIC_DISPATCH(blocks_f64)(conv, filter, d_output, input, d_values);
}
template <>
void blocked_conv_dense_weight_gradient<float>(const BlockedConv& conv, const float* d_output, const float* input,
                                               float* d_weight) {
  HWY_DYNAMIC_DISPATCH(dense_f32)(conv, d_output, input, d_weight);
}
template <>
void blocked_conv_dense_weight_gradient<double>(const BlockedConv& conv, const double* d_output, const double* input,
                                                double* d_weight) {
  HWY_DYNAMIC_DISPATCH(dense_f64)(conv, d_output, input, d_weight);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
