// Products with a matrix W that has n entries in every m neighbours of a row (2:4, 1:4, 2:8 …), f32:
// Y = X · Wᵀ,  dX = dY · W,  and dW = dYᵀ · X where W has entries.
//
// Mapping      Forward and weight gradient: rows of W are the lanes. The m activations of a group are loaded once, into
//              every 16-byte block of a register, and each lane picks its own by a byte shuffle: nothing is transposed,
//              and no load is left between FMAs. Forward keeps the sums of 8 samples, and packs values and shuffles of
//              a strip of rows once for all of them; the weight gradient keeps the products of a few groups over all
//              samples. The data gradient takes panels [column][samples]: the rows of a block that place their entries
//              alike are taken together, so that their columns' sums stay in registers and a line of dY, once loaded,
//              serves all n entries.
// Work         2·nnz·samples FLOP per product; reads nnz·5 B of W (data gradient: nnz·4 B and 1 B per row and group).
// Bound        m = 4: FMA and shuffle share three ports of Zen 3, three quarters of FMA peak. m = 8: two shuffles and
// an
//              or for each FMA, half of it. Data gradient: 7 loads for 8 FMAs at n = 2.
// Wins / loses against the unstructured kernels: docs/sparsity.md.
// Deterministic yes: a row of Y is summed in order of columns, a column of dX in order of blocks, choices and rows, an
//              entry of dW in order of samples.
// Measure      coppice-bench --benchmark_filter='^linear/.*-[12]:[48]/'
// Source       Mishra et al., arXiv:2104.08378 (the pattern); the shuffles and the order by choice are our own.

#include <coppice/ops/cpu/nm.h>

#include <algorithm>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/nm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/panel-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

inline constexpr std::int64_t kLane = kLanes<float>;
inline constexpr std::size_t kSamples = 8;
/// FMAs worth a thread of their own.
inline constexpr std::int64_t kGrainWork = std::int64_t{1} << 17;

std::int64_t grain(std::int64_t parts, const NmView& w, std::int64_t samples) {
  const std::int64_t work = w.rows * w.row_entries() * samples;
  return std::max<std::int64_t>(1, kGrainWork * parts / std::max<std::int64_t>(1, work));
}

/// Calls body(integral_constant n, integral_constant m / 4).
template <class Body>
void with_sizes(const NmView& w, Body body) {
  const auto entries = [&](auto quads) {
    switch (w.n) {
      case 1: return body(std::integral_constant<std::size_t, 1>(), quads);
      case 2: return body(std::integral_constant<std::size_t, 2>(), quads);
      case 3: return body(std::integral_constant<std::size_t, 3>(), quads);
      default: return body(std::integral_constant<std::size_t, 4>(), quads);
    }
  };
  if (w.m == 4) {
    entries(std::integral_constant<std::size_t, 1>());
  } else {
    entries(std::integral_constant<std::size_t, 2>());
  }
}

const std::uint8_t* places_of(const NmPlaces& w, std::int64_t row, std::int64_t entry) {
  return w.places + (row / kNmStrip * w.shape.row_entries() + entry) * kNmStrip + row % kNmStrip;
}

#if HWY_TARGET == HWY_SCALAR

/// The activation of a group that an entry meets.
template <std::size_t kQuads>
struct Picks {
  static constexpr std::size_t kParts = 1;
  using Part = std::uint8_t;
  static void load(const std::uint8_t* places, Part* parts) { parts[0] = *places; }
};

template <std::size_t kQuads>
struct Group {
  explicit Group(const float* from) : x(from) {}
  hn::Vec<hn::ScalableTag<float>> pick(const std::uint8_t* parts) const {
    return hn::Set(hn::ScalableTag<float>(), x[parts[0] / 4]);
  }
  const float* x;
};

#else

using D = hn::ScalableTag<float>;
using D8 = hn::Repartition<std::uint8_t, D>;

/// How lanes pick their activation from the quads of a group: for each quad which of its bytes, or none of them.
template <std::size_t kQuads>
struct Picks {
  static constexpr std::size_t kParts = kQuads * static_cast<std::size_t>(kLane) * 4;
  using Part = std::uint8_t;

  static void load(const std::uint8_t* HWY_RESTRICT places, Part* HWY_RESTRICT parts) {
    const hn::RebindToUnsigned<D> du;
    const D8 d8;
    const hn::Rebind<std::uint8_t, D> narrow;
    const auto first = hn::PromoteTo(du, hn::LoadU(narrow, places));
    const auto pairs = hn::Or(first, hn::ShiftLeft<8>(first));
    const auto bytes = hn::Add(hn::Or(pairs, hn::ShiftLeft<16>(pairs)), hn::Set(du, 0x03020100U));
    if constexpr (kQuads == 1) {
      hn::StoreU(hn::BitCast(d8, bytes), d8, parts);
    } else {
      const auto other = hn::Set(du, 0x10101010U);
      const auto none_of = [&](auto v) HWY_ATTR { return hn::Or(v, hn::ShiftLeft<3>(hn::And(v, other))); };
      hn::StoreU(hn::BitCast(d8, none_of(bytes)), d8, parts);
      hn::StoreU(hn::BitCast(d8, none_of(hn::Xor(bytes, other))), d8, parts + 4 * kLane);
    }
  }
};

/// The activations of a group in every block of a vector.
template <std::size_t kQuads>
struct Group {
  HWY_INLINE explicit Group(const float* HWY_RESTRICT from) {
    unroll<kQuads>([&](auto q) HWY_ATTR { quads[q] = hn::BitCast(D8(), hn::LoadDup128(D(), from + 4 * q)); });
  }
  HWY_INLINE hn::Vec<D> pick(const std::uint8_t* HWY_RESTRICT parts) const {
    const D8 d8;
    if constexpr (kQuads == 1) {
      return hn::BitCast(D(), hn::TableLookupBytes(quads[0], hn::LoadU(d8, parts)));
    } else {
      return hn::BitCast(D(), hn::Or(hn::TableLookupBytesOr0(quads[0], hn::LoadU(d8, parts)),
                                     hn::TableLookupBytesOr0(quads[1], hn::LoadU(d8, parts + 4 * kLane))));
    }
  }
  hn::Vec<D8> quads[kQuads];
};

#endif

/// One strip of rows for kTile samples: lanes of Y.
template <std::size_t kEntries, std::size_t kQuads, std::size_t kTile>
void multiply_tile(std::int64_t groups, const float* HWY_RESTRICT weights, const std::uint8_t* HWY_RESTRICT parts,
                   const float* HWY_RESTRICT start, const float* HWY_RESTRICT x, std::int64_t ldx, std::int64_t lanes,
                   float* HWY_RESTRICT y, std::int64_t ldy) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  V sums[kTile];
  unroll<kTile>([&](auto s) HWY_ATTR { sums[s] = hn::LoadU(d, start); });
  for (std::int64_t group = 0; group < groups; ++group) {
    V weight[kEntries];
    unroll<kEntries>([&](auto j)
                         HWY_ATTR { weight[j] = hn::LoadU(d, weights + static_cast<std::int64_t>(j()) * kLane); });
    unroll<kTile>([&](auto s) HWY_ATTR {
      const Group<kQuads> inputs(x + static_cast<std::int64_t>(s()) * ldx);
      unroll<kEntries>([&](auto j) HWY_ATTR {
        sums[s] = hn::MulAdd(weight[j], inputs.pick(parts + j * Picks<kQuads>::kParts), sums[s]);
      });
    });
    weights += static_cast<std::int64_t>(kEntries) * kLane;
    parts += kEntries * Picks<kQuads>::kParts;
    x += 4 * kQuads;
  }
  unroll<kTile>([&](auto s) HWY_ATTR {
    float* const out = y + static_cast<std::int64_t>(s()) * ldy;
    if (lanes == kLane) [[likely]] {
      hn::StoreU(sums[s], d, out);
    } else {
      HWY_ALIGN float line[static_cast<std::size_t>(kLane)];
      hn::Store(sums[s], d, line);
      std::copy_n(line, lanes, out);
    }
  });
}

template <std::size_t kEntries, std::size_t kQuads>
void multiply_strip(const NmPlaces& w, std::int64_t row, const float* values, std::int64_t samples, const float* x,
                    std::int64_t ldx, const float* bias, float* y, std::int64_t ldy, float* weights,
                    std::uint8_t* parts) {
  const std::int64_t entries = w.shape.row_entries();
  const std::int64_t lanes = std::min(kLane, w.shape.rows - row);
  load_lines(lanes, 0, entries, values + row * entries, entries, weights, kLane);
  for (std::int64_t e = 0; e < entries; ++e) {
    Picks<kQuads>::load(places_of(w, row, e), parts + static_cast<std::size_t>(e) * Picks<kQuads>::kParts);
  }
  float start[static_cast<std::size_t>(kLane)] = {};
  if (bias != nullptr) std::copy_n(bias + row, lanes, start);
  const auto tile = [&](auto size, std::int64_t s) {
    multiply_tile<kEntries, kQuads, size>(w.shape.groups(), weights, parts, start, x + s * ldx, ldx, lanes,
                                          y + s * ldy + row, ldy);
    return s + static_cast<std::int64_t>(size());
  };
  std::int64_t s = 0;
  while (s + 8 <= samples) s = tile(std::integral_constant<std::size_t, kSamples>(), s);
  if (s + 4 <= samples) s = tile(std::integral_constant<std::size_t, 4>(), s);
  while (s < samples) s = tile(std::integral_constant<std::size_t, 1>(), s);
}

void multiply(const NmPlaces& w, const float* values, std::int64_t samples, const float* x, std::int64_t ldx,
              const float* bias, float* y, std::int64_t ldy) {
  const std::int64_t entries = w.shape.row_entries();
  const std::int64_t strips = (w.shape.rows + kLane - 1) / kLane;
  with_sizes(w.shape, [&](auto n, auto quads) {
    parallel_for(0, strips, grain(strips, w.shape, samples), [&](std::int64_t first, std::int64_t last) {
      const Buffer<float> weights(entries * kLane);
      const Buffer<std::uint8_t> parts(entries * static_cast<std::int64_t>(Picks<quads>::kParts));
      for (std::int64_t strip = first; strip < last; ++strip) {
        multiply_strip<n, quads>(w, strip * kLane, values, samples, x, ldx, bias, y, ldy, weights.data(), parts.data());
      }
    });
  });
}

/// The products of kGroups groups of a strip's rows with all samples: entries in row-major order.
template <std::size_t kEntries, std::size_t kQuads, std::size_t kGroups>
void sample_strip(const NmPlaces& w, std::int64_t row, std::int64_t group, std::int64_t samples,
                  const float* HWY_RESTRICT d_y, const float* HWY_RESTRICT x, float* HWY_RESTRICT out) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kSums = kGroups * kEntries;
  constexpr std::int64_t kWidth = static_cast<std::int64_t>(4 * kQuads * kGroups);
  HWY_ALIGN std::uint8_t parts[kSums * Picks<kQuads>::kParts];
  for (std::size_t e = 0; e < kSums; ++e) {
    Picks<kQuads>::load(places_of(w, row, group * w.shape.n + static_cast<std::int64_t>(e)),
                        parts + e * Picks<kQuads>::kParts);
  }
  V sums[kSums];
  unroll<kSums>([&](auto e) HWY_ATTR { sums[e] = hn::Zero(d); });
  for (std::int64_t s = 0; s < samples; ++s) {
    const V gradient = hn::LoadU(d, d_y + s * kLane);
    unroll<kGroups>([&](auto g) HWY_ATTR {
      const Group<kQuads> inputs(x + s * kWidth + static_cast<std::int64_t>(4 * kQuads * g));
      unroll<kEntries>([&](auto j) HWY_ATTR {
        const std::size_t e = g * kEntries + j;
        sums[e] = hn::MulAdd(gradient, inputs.pick(parts + e * Picks<kQuads>::kParts), sums[e]);
      });
    });
  }
  HWY_ALIGN float columns[kSums * static_cast<std::size_t>(kLane)];
  unroll<kSums>([&](auto e) HWY_ATTR { hn::StoreU(sums[e], d, columns + static_cast<std::int64_t>(e()) * kLane); });
  const std::int64_t entries = w.shape.row_entries();
  transpose(static_cast<std::int64_t>(kSums), std::min(kLane, w.shape.rows - row), columns, kLane,
            out + row * entries + group * w.shape.n, entries);
}

template <std::size_t kEntries, std::size_t kQuads, std::size_t kGroups>
void sample_groups(const NmPlaces& w, std::int64_t group, std::int64_t samples, const float* d_y, const float* x,
                   std::int64_t ldx, float* panel, float* out) {
  constexpr std::int64_t kWidth = static_cast<std::int64_t>(4 * kQuads * kGroups);
  for (std::int64_t s = 0; s < samples; ++s) std::copy_n(x + s * ldx + group * w.shape.m, kWidth, panel + s * kWidth);
  for (std::int64_t row = 0; row < w.shape.rows; row += kLane) {
    sample_strip<kEntries, kQuads, kGroups>(w, row, group, samples, d_y + row * samples, panel, out);
  }
}

void sample(const NmPlaces& w, std::int64_t samples, const float* d_y, std::int64_t ldy, const float* x,
            std::int64_t ldx, float* d_values) {
  const std::int64_t strips = (w.shape.rows + kLane - 1) / kLane;
  const Buffer<float> strips_of_y(strips * samples * kLane);
  parallel_for(0, strips, 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t strip = first; strip < last; ++strip) {
      const std::int64_t lanes = std::min(kLane, w.shape.rows - strip * kLane);
      for (std::int64_t s = 0; s < samples; ++s) {
        float* const line = strips_of_y.data() + (strip * samples + s) * kLane;
        std::copy_n(d_y + s * ldy + strip * kLane, lanes, line);
        std::fill(line + lanes, line + kLane, 0.0F);
      }
    }
  });
  with_sizes(w.shape, [&](auto n, auto quads) {
    constexpr std::size_t kGroups = std::max<std::size_t>(1, 8 / n / quads);
    const std::int64_t groups = w.shape.groups();
    const std::int64_t tiles = (groups + static_cast<std::int64_t>(kGroups) - 1) / static_cast<std::int64_t>(kGroups);
    parallel_for(0, tiles, grain(tiles, w.shape, samples), [&](std::int64_t first, std::int64_t last) {
      const Buffer<float> panel(samples * static_cast<std::int64_t>(4 * quads * kGroups));
      for (std::int64_t tile = first; tile < last; ++tile) {
        std::int64_t group = tile * static_cast<std::int64_t>(kGroups);
        if (group + static_cast<std::int64_t>(kGroups) <= groups) {
          sample_groups<n, quads, kGroups>(w, group, samples, strips_of_y.data(), x, ldx, panel.data(), d_values);
          continue;
        }
        for (; group < groups; ++group) {
          sample_groups<n, quads, 1>(w, group, samples, strips_of_y.data(), x, ldx, panel.data(), d_values);
        }
      }
    });
  });
}

/// Groups whose values are brought together.
inline constexpr std::int64_t kSpreadGroups = 8;

/// What the rows of a block add to the m columns of a group, for one panel: lines (m, width).
template <std::size_t kEntries, std::size_t kVectors>
void spread_group(const NmOrder& w, std::int64_t block, std::int64_t group, const float* HWY_RESTRICT values,
                  std::int64_t ldv, const float* HWY_RESTRICT y, float* HWY_RESTRICT lines) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::int64_t kWidth = static_cast<std::int64_t>(kVectors) * kLane;
  const std::int64_t at = block * w.shape.groups() + group;
  const std::uint8_t* HWY_RESTRICT const rows = w.rows + at * kNmBlock;
  const std::uint8_t* const ends = w.ends + at * w.choices;
  std::int64_t i = 0;
  for (std::int64_t choice = 0; choice < w.choices; ++choice) {
    const std::int64_t end = ends[choice];
    if (i == end) continue;
    float* line[kEntries];
    V sums[kEntries][kVectors];
    unroll<kEntries>([&](auto j) HWY_ATTR {
      line[j] = lines + w.taken[choice * static_cast<std::int64_t>(kEntries) + static_cast<std::int64_t>(j())] * kWidth;
      unroll<kVectors>([&](auto v)
                           HWY_ATTR { sums[j][v] = hn::LoadU(d, line[j] + static_cast<std::int64_t>(v()) * kLane); });
    });
    for (; i < end; ++i) {
      const std::int64_t row = rows[i];
      V gradient[kVectors];
      unroll<kVectors>([&](auto v) HWY_ATTR {
        gradient[v] = hn::LoadU(d, y + row * kWidth + static_cast<std::int64_t>(v()) * kLane);
      });
      unroll<kEntries>([&](auto j) HWY_ATTR {
        const V weight = hn::Set(d, values[row * ldv + static_cast<std::int64_t>(j())]);
        unroll<kVectors>([&](auto v) HWY_ATTR { sums[j][v] = hn::MulAdd(weight, gradient[v], sums[j][v]); });
      });
    }
    unroll<kEntries>([&](auto j) HWY_ATTR {
      unroll<kVectors>([&](auto v)
                           HWY_ATTR { hn::StoreU(sums[j][v], d, line[j] + static_cast<std::int64_t>(v()) * kLane); });
    });
  }
}

template <std::size_t kEntries>
void spread(const NmOrder& w, const float* values, std::int64_t samples, const float* d_y, std::int64_t ldy, float* d_x,
            std::int64_t ldx) {
  constexpr std::size_t kVectors = kEntries <= 2 ? 4 : 2;
  constexpr std::int64_t kWidth = static_cast<std::int64_t>(kVectors) * kLane;
  constexpr std::int64_t kTaken = kSpreadGroups * static_cast<std::int64_t>(kEntries);
  const NmView& shape = w.shape;
  const std::int64_t panels = (samples + kWidth - 1) / kWidth;
  const Buffer<float> y(panels * shape.rows * kWidth);
  for (std::int64_t p = 0; p < panels; ++p) {
    load_panel(std::min(kWidth, samples - p * kWidth), 0, shape.rows, d_y + p * kWidth * ldy, ldy,
               y.data() + p * shape.rows * kWidth, kWidth);
  }
  const std::int64_t groups = shape.groups();
  const std::int64_t parts = (groups + kSpreadGroups - 1) / kSpreadGroups;
  parallel_for(0, parts, grain(parts, shape, samples), [&](std::int64_t first, std::int64_t last) {
    const std::int64_t columns = kSpreadGroups * shape.m;
    const Buffer<float> lines(panels * columns * kWidth), near(kNmBlock * kTaken);
    for (std::int64_t part = first; part < last; ++part) {
      const std::int64_t group = part * kSpreadGroups;
      const std::int64_t count = std::min(kSpreadGroups, groups - group);
      std::fill(lines.begin(), lines.end(), 0.0F);
      for (std::int64_t row = 0; row < shape.rows; row += kNmBlock) {
        for (std::int64_t r = 0; r < std::min(kNmBlock, shape.rows - row); ++r) {
          std::copy_n(values + (row + r) * shape.row_entries() + group * shape.n, count * shape.n,
                      near.data() + r * kTaken);
        }
        for (std::int64_t p = 0; p < panels; ++p) {
          for (std::int64_t g = 0; g < count; ++g) {
            spread_group<kEntries, kVectors>(w, row / kNmBlock, group + g, near.data() + g * shape.n, kTaken,
                                             y.data() + (p * shape.rows + row) * kWidth,
                                             lines.data() + (p * columns + g * shape.m) * kWidth);
          }
        }
      }
      for (std::int64_t p = 0; p < panels; ++p) {
        transpose(count * shape.m, std::min(kWidth, samples - p * kWidth), lines.data() + p * columns * kWidth, kWidth,
                  d_x + p * kWidth * ldx + group * shape.m, ldx);
      }
    }
  });
}

void spread_all(const NmOrder& w, const float* values, std::int64_t samples, const float* d_y, std::int64_t ldy,
                float* d_x, std::int64_t ldx) {
  with_sizes(w.shape, [&](auto n, auto) { spread<n>(w, values, samples, d_y, ldy, d_x, ldx); });
}

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(multiply);
HWY_EXPORT(spread_all);
HWY_EXPORT(sample);

void nm_product(const NmPlaces& w, const float* values, std::int64_t samples, const float* x, std::int64_t ldx,
                const float* bias, float* y, std::int64_t ldy) {
  HWY_DYNAMIC_DISPATCH(multiply)(w, values, samples, x, ldx, bias, y, ldy);
}

void nm_data_gradient(const NmOrder& w, const float* values, std::int64_t samples, const float* d_y, std::int64_t ldy,
                      float* d_x, std::int64_t ldx) {
  HWY_DYNAMIC_DISPATCH(spread_all)(w, values, samples, d_y, ldy, d_x, ldx);
}

void nm_weight_gradient(const NmPlaces& w, std::int64_t samples, const float* d_y, std::int64_t ldy, const float* x,
                        std::int64_t ldx, float* d_values) {
  HWY_DYNAMIC_DISPATCH(sample)(w, samples, d_y, ldy, x, ldx, d_values);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
