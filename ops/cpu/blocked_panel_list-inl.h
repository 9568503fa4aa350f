// Filters as the kernels read them that hold 4 or 8 of their rows in registers, once per SIMD target.

#if defined(COPPICE_OPS_CPU_BLOCKED_PANEL_LIST_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_BLOCKED_PANEL_LIST_INL_H_
#undef COPPICE_OPS_CPU_BLOCKED_PANEL_LIST_INL_H_
#else
#define COPPICE_OPS_CPU_BLOCKED_PANEL_LIST_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>
#include <coppice/ops/cpu/blocked_conv.h>
#include <coppice/ops/cpu/blocked_tile-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

inline constexpr std::size_t kPanelColumns = 3;

/// A filter as a pass reads it: for every part of the channels and panel of rows, the places of its entries in the tile
/// and, entry by entry, a weight for each of the panel's rows.
template <class T>
struct PanelList {
  std::size_t panel_rows = 0;
  std::int64_t panels = 0;        // of all groups
  std::int64_t group_panels = 0;  // of one
  std::int64_t parts = 0;
  std::int64_t part_channels = 0;
  std::vector<std::int64_t> weight_starts;  // (parts · panels + 1), in entries
  std::vector<std::int64_t> offset_starts;  // (parts · panels)
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
inline std::size_t panel_rows_for(std::int64_t shared) { return kManyRegisters && shared % 8 == 0 ? 8 : 4; }

template <class T>
PanelList<T> list_dense(const BlockedConv& conv, const DenseFilter& filter, const T* weight, const Tile& tile,
                        std::int64_t part_channels) {
  PanelList<T> list;
  list.panel_rows = panel_rows_for(8);
  const auto panel_rows = static_cast<std::int64_t>(list.panel_rows);
  list.group_panels = divide_up(conv.group_outputs(), panel_rows);
  list.panels = list.group_panels * conv.groups;
  list.part_channels = part_channels;
  list.parts = std::max<std::int64_t>(1, divide_up(conv.group_inputs(), part_channels));
  const auto taps = static_cast<std::int64_t>(conv.taps.size());
  // By tap, then channel: a kernel that adds to what it reads finds other pixels at every step. The last part may be
  // smaller, and has a list of its own.
  const std::int64_t last_channels = conv.group_inputs() - (list.parts - 1) * part_channels;
  list.offsets = Buffer<std::int32_t>((part_channels + last_channels) * taps);
  std::int32_t* next = list.offsets.data();
  for (const std::int64_t channels : {part_channels, last_channels}) {
    for (const Tap& tap : conv.taps) {
      for (std::int64_t c = 0; c < channels; ++c) {
        *next++ = static_cast<std::int32_t>(c * tile.channel_size() + tile.offset(tap));
      }
    }
  }
  const std::int64_t runs = list.parts * list.panels;
  list.offset_starts.assign(static_cast<std::size_t>(runs), 0);
  std::fill_n(list.offset_starts.end() - list.panels, list.panels, part_channels * taps);
  list.weight_starts.resize(static_cast<std::size_t>(runs) + 1);
  for (std::int64_t run = 0; run <= runs && runs > 0; ++run) {
    const std::int64_t before = std::min(run / list.panels * part_channels, conv.group_inputs());
    const std::int64_t channels = std::min(part_channels, conv.group_inputs() - before);
    list.weight_starts[static_cast<std::size_t>(run)] = taps * (before * list.panels + run % list.panels * channels);
  }
  list.weights = Buffer<T>(list.weight_starts.back() * panel_rows);
  parallel_for(0, runs, 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t run = first; run < last; ++run) {
      const std::int64_t panel = run % list.panels;
      const std::int64_t row = panel % list.group_panels * panel_rows;  // in its group
      const std::int64_t valid = std::min(panel_rows, conv.group_outputs() - row);
      const std::int64_t channel = run / list.panels * part_channels;
      const std::int64_t channels = list.count(run) / std::max<std::int64_t>(1, taps);
      const std::int64_t group = panel / list.group_panels;
      T* HWY_RESTRICT to = list.weights.data() + list.weight_starts[static_cast<std::size_t>(run)] * panel_rows;
      const T* const from = weight + group * filter.group + row * filter.row + channel * filter.channel;
      for (std::int64_t t = 0; t < taps; ++t) {
        for (std::int64_t c = 0; c < channels; ++c) {
          const T* const entry = from + c * filter.channel + conv.taps[static_cast<std::size_t>(t)].id;
          for (std::int64_t r = 0; r < panel_rows; ++r) to[r] = r < valid ? entry[r * filter.row] : T(0);
          to += panel_rows;
        }
      }
    }
  });
  return list;
}

/// The parts are of `part_blocks` of the filter's blocks.
template <class T>
PanelList<T> list_blocks(const BlockedConv& conv, const FilterView& filter, const T* values, const Tile& tile,
                         std::int64_t part_blocks) {
  PanelList<T> list;
  list.panel_rows = panel_rows_for(filter.shared);
  const auto panel_rows = static_cast<std::int64_t>(list.panel_rows);
  list.group_panels = divide_up(conv.group_outputs(), panel_rows);
  list.panels = list.group_panels * conv.groups;
  list.part_channels = part_blocks * filter.block_channels;
  list.parts = divide_up(filter.blocks(), part_blocks);
  const std::int64_t runs = list.parts * list.panels;
  const auto first_row = [&](std::int64_t run) {
    const std::int64_t panel = run % list.panels;
    return panel / list.group_panels * conv.group_outputs() + panel % list.group_panels * panel_rows;
  };
  const auto blocks_of = [&](std::int64_t run) {
    const std::int64_t first = run / list.panels * part_blocks;
    return std::pair(first, std::min(first + part_blocks, filter.blocks()));
  };
  list.weight_starts.push_back(0);
  for (std::int64_t run = 0; run < runs; ++run) {
    const auto [first, last] = blocks_of(run);
    std::int64_t count = 0;
    for (std::int64_t at = first * filter.rows + first_row(run); at < last * filter.rows; at += filter.rows) {
      count += filter.starts[at + filter.rows] - filter.starts[at];
    }
    list.weight_starts.push_back(list.weight_starts.back() + count);
  }
  list.offset_starts.assign(list.weight_starts.begin(), list.weight_starts.end() - 1);
  list.offsets = Buffer<std::int32_t>(list.weight_starts.back());
  list.weights = Buffer<T>(list.weight_starts.back() * panel_rows);
  const std::vector<std::int32_t> places = tile.offsets(filter.block_channels, filter.taps);
  const auto block_size = static_cast<std::int32_t>(filter.block_channels * tile.channel_size());
  for (std::int64_t run = 0; run < runs; ++run) {
    const std::int64_t row = first_row(run);
    const std::int64_t group_end = (run % list.panels / list.group_panels + 1) * conv.group_outputs();
    std::int32_t* HWY_RESTRICT offsets = list.offsets.data() + list.weight_starts[static_cast<std::size_t>(run)];
    T* HWY_RESTRICT weights = list.weights.data() + list.weight_starts[static_cast<std::size_t>(run)] * panel_rows;
    const auto [first, last] = blocks_of(run);
    std::int32_t base = 0;
    for (std::int64_t b = first; b < last; ++b, base += block_size) {
      const std::uint32_t* const starts = filter.starts + b * filter.rows + row;
      const std::int64_t count = starts[filter.rows] - starts[0];
      for (std::int64_t e = 0; e < count; ++e) offsets[e] = base + places[filter.indices[starts[0] + e]];
      for (std::int64_t r = 0; r < panel_rows; ++r) {
        const bool valid = row + r < group_end;
        for (std::int64_t e = 0; e < count; ++e) {
          weights[e * panel_rows + r] = valid ? values[starts[r] + e] : T(0);
        }
      }
      offsets += count;
      weights += count * panel_rows;
    }
  }
  return list;
}

/// Cycles of a kernel that runs over a tile with 4 or 8 rows of the filter and up to kPanelColumns pixels in registers:
/// FMAs or loads and `stores` per entry; then reading and writing what stays in registers, and starting.
inline double panel_cycles(std::int64_t panel_rows, const TileShape& s, double entries, double stores) {
  const auto parts = static_cast<double>(divide_up(s.columns, static_cast<std::int64_t>(kPanelColumns)));
  const double columns = static_cast<double>(s.columns) / parts, rows = static_cast<double>(panel_rows);
  constexpr double kLatency = 4.0;  // one pixel alone waits for its own sums
  const double fmas = 0.5 * rows * columns;
  const double moved = kLoad * (rows + 1.0) + (s.load + stores) * columns;
  constexpr double kLoop = 0.25;
  const double each = std::max({fmas, moved, columns < 2.0 ? kLatency : 0.0}) + kLoop;
  return static_cast<double>(s.rows) * parts * (entries * each + 2.0 * rows * columns + kMispredicted);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
