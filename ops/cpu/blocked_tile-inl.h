// The tiles in which convolutions of the blocked layout work, once per SIMD target.

#if defined(COPPICE_OPS_CPU_BLOCKED_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_BLOCKED_TILE_INL_H_
#undef COPPICE_OPS_CPU_BLOCKED_TILE_INL_H_
#else
#define COPPICE_OPS_CPU_BLOCKED_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include <coppice/ops/cpu/blocked_conv.h>
#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64
inline constexpr bool kManyRegisters = true;
#else
inline constexpr bool kManyRegisters = false;
#endif

template <class T>
inline constexpr std::int64_t kBlockLanes = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));

inline std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

inline constexpr std::int64_t kL1Bytes = 30 << 10;
inline constexpr std::int64_t kL2Bytes = 128 << 10;

// Cycles, as measured on Zen 3: two vectors are loaded per cycle from L1, about one from L2; a loop of unknown length
// ends in a mispredicted branch.
inline constexpr double kLoad = 0.5;
inline constexpr double kL2Load = 0.9;
inline constexpr double kMispredicted = 16.0;
inline constexpr double kCopy = 1.2;

/// A part of the grid of outputs: rows and columns of tile `index`, shared out evenly.
struct TilePart {
  std::int64_t first, count;
};
inline TilePart tile_part(std::int64_t size, std::int64_t tiles, std::int64_t index) {
  const std::int64_t first = size * index / tiles;
  return {first, size * (index + 1) / tiles - first};
}

/// The inputs that the taps of a convolution reach from output (0, 0).
struct Reach {
  std::int64_t top = 0, left = 0;
  std::int64_t height = 1, width = 1;

  explicit Reach(const BlockedConv& conv) {
    if (conv.taps.empty()) return;
    const auto [min_y, max_y] = std::ranges::minmax(conv.taps, {}, &Tap::y);
    const auto [min_x, max_x] = std::ranges::minmax(conv.taps, {}, &Tap::x);
    top = min_y.y;
    left = min_x.x;
    height = max_y.y - top + 1;
    width = max_x.x - left + 1;
  }
};

/// A tile of rows × columns outputs, and how the inputs it reads lie in a buffer:
/// [channel][row][remainder of the column by stride_x][column][lanes]. With the remainders apart, neighbouring outputs
/// read neighbouring vectors at any stride.
class Tile {
 public:
  Tile(const BlockedConv& conv, std::int64_t rows, std::int64_t columns, std::int64_t lanes)
      : conv_(conv), rows_(rows), columns_(columns), lanes_(lanes) {
    const Reach reach(conv);
    top_ = reach.top;
    left_ = reach.left;
    height_ = (rows - 1) * conv.stride_y + reach.height;
    reach_ = (reach.width - 1) / conv.stride_x;
    plane_ = columns + reach_;
    planes_ = std::min(conv.stride_x, reach.width);
    used_rows_.assign(static_cast<std::size_t>(conv.stride_y), false);
    used_planes_.assign(static_cast<std::size_t>(planes_), false);
    for (const Tap& tap : conv.taps) {
      used_rows_[static_cast<std::size_t>((tap.y - top_) % conv.stride_y)] = true;
      used_planes_[static_cast<std::size_t>((tap.x - left_) % conv.stride_x)] = true;
    }
  }
  /// channel_size() of such a tile, in vectors.
  static std::int64_t channel_vectors(const BlockedConv& conv, const Reach& reach, std::int64_t rows,
                                      std::int64_t columns) {
    return ((rows - 1) * conv.stride_y + reach.height) * std::min(conv.stride_x, reach.width) *
           (columns + (reach.width - 1) / conv.stride_x);
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  /// Elements of one channel.
  std::int64_t channel_size() const { return height_ * row_size(); }
  /// From an output to the one below it.
  std::int64_t row_step() const { return conv_.stride_y * row_size(); }
  /// What a tap adds to an output's place.
  std::int64_t offset(const Tap& tap) const {
    const std::int64_t x = tap.x - left_;
    return (tap.y - top_) * row_size() + (x % conv_.stride_x * plane_ + x / conv_.stride_x) * lanes_;
  }
  /// offset of every (channel, tap id) of a block; -1 for a tap that `conv` lacks.
  std::vector<std::int32_t> offsets(std::int64_t channels, std::int64_t taps) const {
    std::vector<std::int32_t> table(static_cast<std::size_t>(channels * taps), -1);
    for (std::int64_t c = 0; c < channels; ++c) {
      for (const Tap& tap : conv_.taps) {
        table[static_cast<std::size_t>(c * taps + tap.id)] =
            static_cast<std::int32_t>(c * channel_size() + offset(tap));
      }
    }
    return table;
  }

  /// Copies what the outputs of `row_part` × `column_part` read of `count` channels of one image block.
  template <class T>
  void load(const T* HWY_RESTRICT input, std::int64_t first_channel, std::int64_t count, TilePart row_part,
            TilePart column_part, T* HWY_RESTRICT buffer) const {
    const hn::ScalableTag<T> d;
    for_lines(first_channel, row_part, column_part, [&](const Line& line) HWY_ATTR {
      T* HWY_RESTRICT to = buffer + line.place;
      const T* HWY_RESTRICT from = input + line.pixel;
      if (line.first == 0 && line.last == line.width && line.step == lanes_ && line.width <= kNarrow) {
        unroll<kNarrow>([&](auto w) HWY_ATTR {
          if (line.width == static_cast<std::int64_t>(w()) + 1) copy_narrow<w() + 1>(from, to, count);
        });
        return;
      }
      for (std::int64_t c = 0; c < count; ++c) {
        for (std::int64_t q = 0; q < line.first; ++q) hn::Store(hn::Zero(d), d, to + q * lanes_);
        if (line.step == lanes_) {
          for (std::int64_t q = line.first * lanes_; q < line.last * lanes_; q += lanes_) {
            hn::Store(hn::Load(d, from + q), d, to + q);
          }
        } else {
          for (std::int64_t q = line.first; q < line.last; ++q) {
            hn::Store(hn::Load(d, from + q * line.step), d, to + q * lanes_);
          }
        }
        for (std::int64_t q = line.last; q < line.width; ++q) hn::Store(hn::Zero(d), d, to + q * lanes_);
        to += channel_size();
        from += conv_.in_w * lanes_;
      }
    });
  }

  /// Calls visit(first byte, bytes) for the memory of one channel that load reads, and gives the step to the next.
  template <class T, class Visit>
  std::int64_t for_source(const T* input, std::int64_t first_channel, TilePart row_part, TilePart column_part,
                          Visit visit) const {
    for_lines(first_channel, row_part, column_part, [&](const Line& line) {
      if (line.first >= line.last) return;
      const T* const from = input + line.pixel + line.first * line.step;
      const std::int64_t elements = (line.last - line.first - 1) * line.step + lanes_;
      visit(reinterpret_cast<const char*>(from), elements * static_cast<std::int64_t>(sizeof(T)));
    });
    return conv_.in_w * lanes_ * static_cast<std::int64_t>(sizeof(T));
  }

  /// The transpose of load: adds the buffer to the pixels that its places stand for; those outside the image are lost.
  template <class T>
  void add(const T* HWY_RESTRICT buffer, std::int64_t first_channel, std::int64_t count, TilePart row_part,
           TilePart column_part, T* HWY_RESTRICT input) const {
    const hn::ScalableTag<T> d;
    for_lines(first_channel, row_part, column_part, [&](const Line& line) HWY_ATTR {
      const T* HWY_RESTRICT from = buffer + line.place;
      T* HWY_RESTRICT to = input + line.pixel;
      for (std::int64_t c = 0; c < count; ++c) {
        for (std::int64_t q = line.first; q < line.last; ++q) {
          T* const pixel = to + q * line.step;
          hn::Store(hn::Add(hn::Load(d, pixel), hn::Load(d, from + q * lanes_)), d, pixel);
        }
        from += channel_size();
        to += conv_.in_w * lanes_;
      }
    });
  }

 private:
  /// The vectors of one row and remainder, in the buffer and in the image.
  struct Line {
    std::int64_t place;               // in the buffer
    std::int64_t pixel, step;         // in the image: of vector 0, and from one to the next
    std::int64_t first, last, width;  // vectors first … last of width lie inside the image
  };

  static constexpr std::int64_t kNarrow = 4;
  /// Copies kWidth neighbouring vectors of each channel.
  template <std::size_t kWidth, class T>
  void copy_narrow(const T* HWY_RESTRICT from, T* HWY_RESTRICT to, std::int64_t count) const {
    const hn::ScalableTag<T> d;
    const std::int64_t to_step = channel_size(), from_step = conv_.in_w * lanes_;
    for (std::int64_t c = 0; c < count; ++c, to += to_step, from += from_step) {
      unroll<kWidth>([&](auto q) HWY_ATTR {
        const auto at = static_cast<std::int64_t>(q() * hn::MaxLanes(d));
        hn::Store(hn::Load(d, from + at), d, to + at);
      });
    }
  }

  /// Calls visit(line) for every row and remainder that a tap reads.
  template <class Visit>
  void for_lines(std::int64_t first_channel, TilePart row_part, TilePart column_part, Visit visit) const {
    const std::int64_t stride = conv_.stride_x;
    const std::int64_t height = height_ - (rows_ - row_part.count) * conv_.stride_y;
    const std::int64_t width = column_part.count + reach_;
    for (std::int64_t r = 0; r < height; ++r) {
      if (!used_rows_[static_cast<std::size_t>(r % conv_.stride_y)]) continue;
      const std::int64_t y = row_part.first * conv_.stride_y + top_ + r;
      const bool inside = y >= 0 && y < conv_.in_h;
      for (std::int64_t p = 0; p < planes_; ++p) {
        if (!used_planes_[static_cast<std::size_t>(p)]) continue;
        const std::int64_t x = column_part.first * stride + left_ + p;  // of the first vector
        const std::int64_t first = !inside ? width : std::min(width, x >= 0 ? 0 : divide_up(-x, stride));
        const std::int64_t last =
            !inside || x >= conv_.in_w ? first : std::max(first, std::min(width, divide_up(conv_.in_w - x, stride)));
        visit(Line{.place = (r * planes_ + p) * plane_ * lanes_,
                   .pixel = (((inside ? y : 0) * conv_.in_channels + first_channel) * conv_.in_w + x) * lanes_,
                   .step = stride * lanes_,
                   .first = first,
                   .last = last,
                   .width = width});
      }
    }
  }

  std::int64_t row_size() const { return planes_ * plane_ * lanes_; }

  const BlockedConv& conv_;
  std::int64_t rows_, columns_, lanes_;
  std::int64_t top_, left_, height_, reach_, plane_, planes_;
  std::vector<bool> used_rows_, used_planes_;
};

/// How a pass is cut: the grid of outputs into tiles, the channels of a group into parts of `part_blocks` blocks.
struct Tiling {
  std::int64_t row_tiles, column_tiles, part_blocks;

  Tile tile(const BlockedConv& conv, std::int64_t lanes) const {
    return {conv, divide_up(conv.rows, row_tiles), divide_up(conv.columns, column_tiles), lanes};
  }
};

/// The most rows, columns and outputs that a tile may have, the bytes of its inputs that L1 has room for, and the
/// cycles that each vector takes from L2.
struct TilingLimits {
  std::int64_t rows, columns, outputs;
  std::int64_t l1_bytes = kL1Bytes;
  double l2_load = kL2Load;
};

/// One way to cut a pass, for its cost.
struct TileShape {
  std::int64_t rows, columns;
  double channels;  ///< of a part
  double copied;    ///< vectors of inputs, each channel
  double load;      ///< cycles, each vector of inputs
};

/// The tiling with the least cost(shape), in cycles per tile and part. The inputs of a part fit L1, or L2.
template <class T, class Cost>
Tiling choose_tiling(const BlockedConv& conv, std::int64_t block_channels, const TilingLimits& limits, Cost cost) {
  const Reach reach(conv);
  const std::int64_t blocks = std::max<std::int64_t>(1, divide_up(conv.group_inputs(), block_channels));
  Tiling best{conv.rows, conv.columns, 1};
  double best_cost = 0.0;
  for (std::int64_t rows = 1; rows <= std::min(limits.rows, conv.rows); ++rows) {
    std::int64_t tried = 0;
    for (std::int64_t limit = std::min({limits.columns, limits.outputs / rows, conv.columns}); limit >= 1; --limit) {
      const std::int64_t column_tiles = divide_up(conv.columns, limit);
      const std::int64_t columns = divide_up(conv.columns, column_tiles);
      if (columns == tried) continue;
      tried = columns;
      const std::int64_t vectors = Tile::channel_vectors(conv, reach, rows, columns);
      const std::int64_t block_bytes = block_channels * vectors * kBlockLanes<T> * static_cast<std::int64_t>(sizeof(T));
      std::int64_t tried_parts = 0;
      for (const bool in_l1 : {true, false}) {
        const std::int64_t fitting = (in_l1 ? limits.l1_bytes : kL2Bytes) / block_bytes;
        if (in_l1 && fitting == 0) continue;
        const std::int64_t parts = divide_up(blocks, std::clamp<std::int64_t>(fitting, 1, blocks));
        if (parts == tried_parts) continue;
        tried_parts = parts;
        // Tiles at the edges may be smaller: what counts is how many tiles of this size the outputs would fill.
        const double tiles =
            static_cast<double>(conv.rows * conv.columns * parts) / static_cast<double>(rows * columns);
        const double total =
            tiles * cost(TileShape{.rows = rows,
                                   .columns = columns,
                                   .channels = static_cast<double>(conv.group_inputs()) / static_cast<double>(parts),
                                   .copied = static_cast<double>(vectors),
                                   .load = in_l1 ? kLoad : limits.l2_load});
        if (best_cost == 0.0 || total < best_cost) {
          best = {divide_up(conv.rows, rows), column_tiles, divide_up(blocks, parts)};
          best_cost = total;
        }
      }
    }
  }
  return best;
}

/// Where a tile's outputs lie: element of (row, column) of output channel k at base + row·row + column·column +
/// k·channel.
struct OutputSteps {
  std::int64_t row, column, channel;
};
template <class T>
OutputSteps output_steps(const BlockedConv& conv) {
  const std::int64_t lanes = kBlockLanes<T>;
  return {.row = conv.step_y * conv.out_channels * conv.out_w * lanes,
          .column = conv.step_x * lanes,
          .channel = conv.out_w * lanes};
}
template <class T>
std::int64_t output_base(const BlockedConv& conv, std::int64_t block, std::int64_t row, std::int64_t column) {
  const std::int64_t y = conv.first_y + row * conv.step_y;
  const std::int64_t x = conv.first_x + column * conv.step_x;
  return ((block * conv.out_h + y) * conv.out_channels * conv.out_w + x) * kBlockLanes<T>;
}
template <class T>
const T* input_block(const BlockedConv& conv, const T* input, std::int64_t block) {
  return input + block * conv.in_h * conv.in_channels * conv.in_w * kBlockLanes<T>;
}

/// What is added to a sum before its first and after its last block of channels.
template <class T>
struct TileEpilogue {
  const T* bias;        // of the first output; null: none, or not the first block of channels
  std::int64_t images;  // of the block, for the bias
  const T* residual;    // of the first output, laid out as it; null: none, or not the last block
  bool relu;
  bool accumulate;  // not the first block: the output holds a sum
};

template <class T, class V>
HWY_INLINE V first_sum(const TileEpilogue<T>& epilogue, std::int64_t output) {
  const hn::ScalableTag<T> d;
  if (epilogue.bias == nullptr) return hn::Zero(d);
  return hn::IfThenElseZero(hn::FirstN(d, static_cast<std::size_t>(epilogue.images)),
                            hn::Set(d, epilogue.bias[output]));
}
template <class T, class V>
HWY_INLINE V last_sum(const TileEpilogue<T>& epilogue, V sum, std::int64_t place) {
  const hn::ScalableTag<T> d;
  if (epilogue.residual != nullptr) sum = hn::Add(sum, hn::Load(d, epilogue.residual + place));
  return epilogue.relu ? hn::IfThenZeroElse(hn::Le(sum, hn::Zero(d)), sum) : sum;  // NaN stays NaN
}

/// The epilogue of block `block` of `blocks` for a tile whose first output is `base`; `row` is its channel.
template <class T>
TileEpilogue<T> tile_epilogue(const BlockedConv& conv, const ConvEpilogue<T>& epilogue, std::int64_t image_block,
                              std::int64_t block, std::int64_t blocks, std::int64_t row, std::int64_t base) {
  const bool first = block == 0, last = block == blocks - 1;
  return {.bias = first && epilogue.bias != nullptr ? epilogue.bias + row : nullptr,
          .images = std::min(kBlockLanes<T>, conv.images - image_block * kBlockLanes<T>),
          .residual = last && epilogue.residual != nullptr ? epilogue.residual + base : nullptr,
          .relu = last && epilogue.relu,
          .accumulate = !first};
}

/// Adds the sums over lanes of `count` vectors to to[0 … count).
template <std::size_t kCount, class T, class V>
HWY_INLINE void add_lane_sums(const V (&sums)[kCount], T* HWY_RESTRICT to) {
  const hn::ScalableTag<T> d;
#if HWY_TARGET == HWY_SCALAR
  unroll<kCount>([&](auto i) HWY_ATTR { to[i] += hn::GetLane(sums[i]); });
  static_cast<void>(d);
#else
  constexpr std::size_t kGroup = static_cast<std::size_t>(kSquareSide<T>);
  constexpr std::size_t kGroups = (kCount + kGroup - 1) / kGroup;
  const hn::Full128<T> quad;
  unroll<kGroups>([&](auto g) HWY_ATTR {
    constexpr std::size_t kFirst = g() * kGroup;
    constexpr std::size_t kRest = std::min(kGroup, kCount - kFirst);
    V group[kGroup];
    unroll<kGroup>([&](auto i) HWY_ATTR {
      if constexpr (i() < kRest) {
        group[i] = sums[kFirst + i()];
      } else {
        group[i] = sums[kFirst];
      }
    });
    const auto total = sum_lanes(d, group);
    if constexpr (kRest == kGroup) {
      hn::StoreU(hn::Add(total, hn::LoadU(quad, to + kFirst)), quad, to + kFirst);
    } else {
      HWY_ALIGN T parts[kGroup];
      hn::Store(total, quad, parts);
      unroll<kRest>([&](auto i) HWY_ATTR { to[kFirst + i()] += parts[i]; });
    }
  });
#endif
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
