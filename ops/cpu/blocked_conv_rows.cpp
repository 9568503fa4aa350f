// Convolution of blocked images with unstructured sparse filters, f32 and f64: outputs, and, on the transposed filter,
// the data gradient.
//
// Mapping      A vector is one pixel of `lanes` images, so a tap moves by whole vectors: every load is aligned and no
//              border exists in memory. The inputs of a small tile of outputs are copied, with zeros around them, for
//              one block of channels (a third to all of L1); all rows of the filter then pass over the tile, whose sums
//              stay in registers: one entry of the filter is one broadcast and an FMA with a memory operand per output.
// Work         2·nnz·pixels·images FLOP; entries are copied once per call to {offset, value} in the order they are
// read. Bound        one load per FMA: 16 loads for 14 FMAs with 16 registers, 23 for 21 with 32; below about 10
// entries per
//              row and block of channels, reading and writing the outputs.
// Deterministic yes: a sum runs over blocks of channels in order.
// Measure      coppice-bench --benchmark_filter=Conv2d
// Source       the interleaved layout and tiles are our own; direct sparse convolution: Park et al., ICLR 2017.

#include <coppice/ops/cpu/blocked_conv.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/blocked_conv_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/blocked_tile-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

// Outputs of a tile stay in registers; one register is left for the broadcast weight, the other operand is in memory.
inline constexpr std::int64_t kMaxSums = kManyRegisters ? 21 : 14;
inline constexpr std::int64_t kMaxTileRows = 3;
inline constexpr std::int64_t kMaxTileColumns = 7;

template <class T>
struct Entry {
  std::uint32_t offset;
  T value;
};

/// A filter as a pass reads it: by part (some neighbouring blocks of channels), then row.
template <class T>
struct EntryList {
  std::int64_t block_channels, blocks;  // of the filter
  Buffer<std::uint32_t> starts;         // (parts · rows + 1)
  Buffer<Entry<T>> entries;
};

template <class T>
EntryList<T> list_entries(const FilterView& filter, const T* values, const Tile& tile, std::int64_t part_blocks) {
  const std::int64_t runs = divide_up(filter.blocks(), part_blocks) * filter.rows;
  EntryList<T> list{.block_channels = filter.block_channels,
                    .blocks = filter.blocks(),
                    .starts = Buffer<std::uint32_t>(runs + 1),
                    .entries = Buffer<Entry<T>>(filter.entries())};
  const std::vector<std::int32_t> offsets = tile.offsets(filter.block_channels, filter.taps);
  const auto block_size = static_cast<std::uint32_t>(filter.block_channels * tile.channel_size());
  Entry<T>* next = list.entries.data();
  for (std::int64_t run = 0; run < runs; ++run) {
    list.starts[run] = static_cast<std::uint32_t>(next - list.entries.data());
    const std::int64_t row = run % filter.rows;
    const std::int64_t first = run / filter.rows * part_blocks;
    std::uint32_t base = 0;
    for (std::int64_t b = first; b < std::min(first + part_blocks, filter.blocks()); ++b, base += block_size) {
      const std::uint32_t end = filter.starts[(b + 1) * filter.rows + row];
      for (std::uint32_t e = filter.starts[b * filter.rows + row]; e < end; ++e) {
        const std::int32_t offset = offsets[filter.indices[e]];
        if (offset < 0) continue;
        *next++ = {base + static_cast<std::uint32_t>(offset), values[filter.slots == nullptr ? e : filter.slots[e]]};
      }
    }
  }
  list.starts[runs] = static_cast<std::uint32_t>(next - list.entries.data());
  return list;
}

/// The sums of kRows × kColumns outputs for the filter's rows [0, rows) and one block of channels.
template <std::size_t kRows, std::size_t kColumns, class T>
void multiply_rows(std::int64_t rows, const std::uint32_t* HWY_RESTRICT starts, const Entry<T>* HWY_RESTRICT entries,
                   const T* HWY_RESTRICT buffer, std::int64_t row_step, const OutputSteps& steps,
                   const TileEpilogue<T>& epilogue, T* HWY_RESTRICT output) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  for (std::int64_t row = 0; row < rows; ++row) {
    std::uint32_t e = starts[row];
    const std::uint32_t end = starts[row + 1];
    if (e == end && epilogue.accumulate && epilogue.residual == nullptr && !epilogue.relu) continue;
    const std::int64_t base = row * steps.channel;
    V sums[kRows * kColumns];
    if (epilogue.accumulate) {
      unroll<kRows>([&](auto r) HWY_ATTR {
        const T* line = output + base + static_cast<std::int64_t>(r()) * steps.row;
        unroll<kColumns>([&](auto c) HWY_ATTR {
          sums[r * kColumns + c] = hn::Load(d, line + static_cast<std::int64_t>(c()) * steps.column);
        });
      });
    } else {
      const V start = first_sum<T, V>(epilogue, row);
      unroll<kRows * kColumns>([&](auto i) HWY_ATTR { sums[i] = start; });
    }
    for (; e < end; ++e) {
      const V value = hn::Set(d, entries[e].value);
      const T* HWY_RESTRICT x = buffer + entries[e].offset;
      unroll<kRows>([&](auto r) HWY_ATTR {
        const T* HWY_RESTRICT line = x + static_cast<std::int64_t>(r()) * row_step;
        unroll<kColumns>([&](auto c) HWY_ATTR {
          sums[r * kColumns + c] = hn::MulAdd(value, hn::Load(d, line + c * kLanes), sums[r * kColumns + c]);
        });
      });
    }
    unroll<kRows>([&](auto r) HWY_ATTR {
      unroll<kColumns>([&](auto c) HWY_ATTR {
        const std::int64_t place =
            base + static_cast<std::int64_t>(r()) * steps.row + static_cast<std::int64_t>(c()) * steps.column;
        hn::Store(last_sum<T, V>(epilogue, sums[r * kColumns + c], place), d, output + place);
      });
    });
  }
}

template <class T>
using RowsKernel = void (*)(std::int64_t, const std::uint32_t*, const Entry<T>*, const T*, std::int64_t,
                            const OutputSteps&, const TileEpilogue<T>&, T*);

/// The kernel for a tile of rows × columns; they are at most kMaxTileRows, kMaxTileColumns and kMaxSums together.
template <class T>
RowsKernel<T> rows_kernel(std::int64_t rows, std::int64_t columns) {
  static constexpr auto kTable = []<std::size_t... i>(std::index_sequence<i...>) {
    constexpr auto kernel = []<std::size_t kRows, std::size_t kColumns>() -> RowsKernel<T> {
      if constexpr (kRows * kColumns <= static_cast<std::size_t>(kMaxSums)) {
        return &multiply_rows<kRows, kColumns, T>;
      } else {
        return nullptr;
      }
    };
    return std::array<RowsKernel<T>, sizeof...(i)>{
        kernel.template operator()<i / kMaxTileColumns + 1, i % kMaxTileColumns + 1>()...};
  }
  (std::make_index_sequence<static_cast<std::size_t>(kMaxTileRows * kMaxTileColumns)>{});
  return kTable[static_cast<std::size_t>((rows - 1) * kMaxTileColumns + columns - 1)];
}

/// Rows of the filter, entry by entry.
template <class T>
class RowConv final : public PackedConv<T> {
 public:
  RowConv(const BlockedConv& conv, const FilterView& filter, const T* values, const Tiling& tiling)
      : conv_(conv),
        tiling_(tiling),
        tile_(tiling.tile(conv_, kBlockLanes<T>)),
        list_(list_entries(filter, values, tile_, tiling.part_blocks)) {}

  void run(const ConvEpilogue<T>& epilogue, const T* input, T* output) const override {
    const std::int64_t image_blocks = divide_up(conv_.images, kBlockLanes<T>);
    const std::int64_t group_rows = conv_.group_outputs();
    const OutputSteps steps = output_steps<T>(conv_);
    const std::int64_t part_channels = tiling_.part_blocks * list_.block_channels;
    const std::int64_t parts = divide_up(list_.blocks, tiling_.part_blocks);
    const std::int64_t tiles = tiling_.row_tiles * tiling_.column_tiles;
    parallel_for(0, image_blocks * tiles, 1, [&](std::int64_t first, std::int64_t last) {
      const Buffer<T> buffer(part_channels * tile_.channel_size());
      for (std::int64_t unit = first; unit < last; ++unit) {
        const std::int64_t image_block = unit / tiles;
        const TilePart row_part = tile_part(conv_.rows, tiling_.row_tiles, unit % tiles / tiling_.column_tiles);
        const TilePart column_part = tile_part(conv_.columns, tiling_.column_tiles, unit % tiling_.column_tiles);
        const RowsKernel<T> kernel = rows_kernel<T>(row_part.count, column_part.count);
        const T* const image = input_block(conv_, input, image_block);
        for (std::int64_t group = 0; group < conv_.groups; ++group) {
          const std::int64_t row = group * group_rows;
          const std::int64_t base =
              output_base<T>(conv_, image_block, row_part.first, column_part.first) + row * steps.channel;
          for (std::int64_t part = 0; part < parts; ++part) {
            const std::int64_t channel = part * part_channels;
            tile_.load(image, group * conv_.group_inputs() + channel,
                       std::min(part_channels, conv_.group_inputs() - channel), row_part, column_part, buffer.data());
            kernel(group_rows, list_.starts.data() + part * conv_.out_channels + row, list_.entries.data(),
                   buffer.data(), tile_.row_step(), steps,
                   tile_epilogue(conv_, epilogue, image_block, part, parts, row, base), output + base);
          }
        }
      }
    });
  }

 private:
  BlockedConv conv_;
  Tiling tiling_;
  Tile tile_;
  EntryList<T> list_;
};

template <class T>
std::unique_ptr<const PackedConv<T>> pack_rows(const BlockedConv& conv, const FilterView& filter, const T* values) {
  const double per_channel =  // of those that the taps of `conv` keep
      filter.entries_per_channel() * static_cast<double>(conv.taps.size()) / static_cast<double>(filter.taps);
  const Tiling tiling =
      choose_tiling<T>(conv, filter.block_channels, {kMaxTileRows, kMaxTileColumns, kMaxSums}, [&](const TileShape& s) {
        const double outputs = static_cast<double>(s.rows * s.columns);
        return static_cast<double>(conv.group_outputs()) *
                   (s.channels * per_channel * (s.load * outputs + 2.0 * kLoad) + outputs + kMispredicted) +
               s.channels * kCopy * s.copied;
      });
  return std::make_unique<RowConv<T>>(conv, filter, values, tiling);
}

std::unique_ptr<const PackedConv<float>> pack_rows_f32(const BlockedConv& conv, const FilterView& filter,
                                                       const float* values) {
  return pack_rows(conv, filter, values);
}
std::unique_ptr<const PackedConv<double>> pack_rows_f64(const BlockedConv& conv, const FilterView& filter,
                                                        const double* values) {
  return pack_rows(conv, filter, values);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(pack_rows_f32);
HWY_EXPORT(pack_rows_f64);

std::int64_t blocked_conv_channels(std::int64_t channels, std::int64_t taps) {
  constexpr std::int64_t kRun = 96;  // filter positions of a row in one block
  const std::int64_t wanted = std::clamp<std::int64_t>(kRun / taps, 1, 16);
  const std::int64_t blocks = std::max<std::int64_t>(1, (channels + wanted - 1) / wanted);
  return std::max<std::int64_t>(1, (channels + blocks - 1) / blocks);
}

template <>
std::unique_ptr<const PackedConv<float>> pack_conv_rows<float>(const BlockedConv& conv, const FilterView& filter,
                                                               const float* values) {
  return HWY_DYNAMIC_DISPATCH(pack_rows_f32)(conv, filter, values);
}
template <>
std::unique_ptr<const PackedConv<double>> pack_conv_rows<double>(const BlockedConv& conv, const FilterView& filter,
                                                                 const double* values) {
  return HWY_DYNAMIC_DISPATCH(pack_rows_f64)(conv, filter, values);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
