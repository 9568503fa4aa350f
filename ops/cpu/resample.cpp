// Separable resampling of planes: each output is a weighted sum of a rectangle, weights of rows times weights of
// columns.
//
// Mapping       Where the image grows, each input row is spread along the columns once, into a ring of rows in L1, and
//               output rows are blends of these; where it shrinks, rows are blended first. Blends of rows are plain
//               vector work. Along columns, the elements that neighbouring outputs read lie within one vector wherever
//               the image grows: one load and one permutation a tap.
// Work          outputs · (taps of a row + taps of a column)
// Bound         memory, where the image grows; the permutations where a plane lies in L1.
// Deterministic yes: an output is one thread's, summed in order.
// Measure       coppice-bench --benchmark_filter=interpolate

#include <coppice/ops/cpu/resample.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/resample.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <vector>

#include <coppice/core/parallel.h>
#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

template <class T>
using Tag = hn::ScalableTag<T>;
template <class T>
inline constexpr std::int64_t kLanesOf = static_cast<std::int64_t>(hn::MaxLanes(Tag<T>()));

/// Up to so many taps, weights lie tap by tap, as vectors of outputs.
inline constexpr std::int64_t kFewTaps = 4;
/// Elements that may be read past the end of a row.
template <class T>
inline constexpr std::int64_t kSlack = kLanesOf<T> + kFewTaps;

template <class T>
struct Columns {
  using Index = hn::TFromD<hn::RebindToSigned<Tag<T>>>;

  explicit Columns(const Taps& taps) : size(taps.size), outputs(taps.outputs()), count(taps.longest()) {
    runs = taps.runs;
    if (count > kFewTaps || count == 0) {
      weights.assign(taps.weights.begin(), taps.weights.end());
      return;
    }
    const std::int64_t padded = (outputs + kLanesOf<T> - 1) / kLanesOf<T> * kLanesOf<T>;
    weights.assign(static_cast<std::size_t>(count * padded), T{0});
    places.assign(static_cast<std::size_t>(padded), 0);
    for (std::int64_t i = 0; i < outputs; ++i) {
      const Taps::Run& run = runs[static_cast<std::size_t>(i)];
      for (std::int64_t k = 0; k < run.count; ++k) {
        weights[static_cast<std::size_t>(k * padded + i)] =
            static_cast<T>(taps.weights[static_cast<std::size_t>(run.offset + k)]);
      }
      const std::int64_t base = runs[static_cast<std::size_t>(i - i % kLanesOf<T>)].first;
      near = near && run.first >= base && run.first - base < kLanesOf<T>;
      places[static_cast<std::size_t>(i)] = static_cast<Index>(run.first - base);
    }
  }

  std::int64_t size, outputs, count;
  std::vector<Taps::Run> runs;
  std::vector<T> weights;
  std::vector<Index> places;  ///< of what an output reads, from that of its vector's first
  bool near = true;           ///< whether they are lanes of one vector
};

template <std::size_t kTaps, class T>
void spread_near(const Columns<T>& c, const T* HWY_RESTRICT in, T* HWY_RESTRICT out) {
  const Tag<T> d;
  const auto padded = static_cast<std::int64_t>(c.places.size());
  for (std::int64_t i = 0; i < c.outputs; i += kLanesOf<T>) {
    const T* from = in + c.runs[static_cast<std::size_t>(i)].first;
    const auto place = hn::SetTableIndices(d, c.places.data() + i);
    auto sum = hn::Mul(hn::LoadU(d, c.weights.data() + i), hn::TableLookupLanes(hn::LoadU(d, from), place));
    unroll<kTaps - 1>([&](auto k) HWY_ATTR {
      constexpr std::int64_t tap = static_cast<std::int64_t>(k()) + 1;
      sum = hn::MulAdd(hn::LoadU(d, c.weights.data() + tap * padded + i),
                       hn::TableLookupLanes(hn::LoadU(d, from + tap), place), sum);
    });
    if (i + kLanesOf<T> <= c.outputs) [[likely]] {
      hn::StoreU(sum, d, out + i);
    } else {
      HWY_ALIGN T last[hn::MaxLanes(Tag<T>())];
      hn::Store(sum, d, last);
      std::copy_n(last, c.outputs - i, out + i);
    }
  }
}

template <std::size_t kTaps, class T>
void spread_far(const Columns<T>& c, const T* HWY_RESTRICT in, T* HWY_RESTRICT out) {
  const auto padded = static_cast<std::int64_t>(c.places.size());
  for (std::int64_t i = 0; i < c.outputs; ++i) {
    const T* from = in + c.runs[static_cast<std::size_t>(i)].first;
    T sum = c.weights[static_cast<std::size_t>(i)] * from[0];
    unroll<kTaps - 1>([&](auto k) HWY_ATTR {
      constexpr std::int64_t tap = static_cast<std::int64_t>(k()) + 1;
      sum += c.weights[static_cast<std::size_t>(tap * padded + i)] * from[tap];
    });
    out[i] = sum;
  }
}

/// out (outputs) from one row, of which kSlack elements past its end are finite.
template <class T>
void spread(const Columns<T>& c, const T* HWY_RESTRICT in, T* HWY_RESTRICT out) {
  switch (c.count) {
    case 1: return c.near ? spread_near<1>(c, in, out) : spread_far<1>(c, in, out);
    case 2: return c.near ? spread_near<2>(c, in, out) : spread_far<2>(c, in, out);
    case 3: return c.near ? spread_near<3>(c, in, out) : spread_far<3>(c, in, out);
    case 4: return c.near ? spread_near<4>(c, in, out) : spread_far<4>(c, in, out);
    default: break;
  }
  for (std::int64_t i = 0; i < c.outputs; ++i) {
    const Taps::Run& run = c.runs[static_cast<std::size_t>(i)];
    T sum{0};
    for (std::int64_t k = 0; k < run.count; ++k) {
      sum += c.weights[static_cast<std::size_t>(run.offset + k)] * in[run.first + k];
    }
    out[i] = sum;
  }
}

/// out (width) = Σ weights[k] · row(k); a template over how rows are found.
template <class T, class Row>
HWY_INLINE void blend(std::int64_t count, const T* weights, Row row, std::int64_t width, T* HWY_RESTRICT out) {
  const Tag<T> d;
  if (count == 0) {
    std::fill_n(out, width, T{0});
    return;
  }
  if (count == 1 && weights[0] == T{1}) {
    std::copy_n(row(0), width, out);
    return;
  }
  for (std::int64_t k = 0; k < count;) {
    const std::int64_t step = std::min<std::int64_t>(k == 0 ? 2 : 1, count - k);
    const T* a = row(k);
    const T* b = step == 2 ? row(k + 1) : out;
    const T a_weight = weights[k];
    const T b_weight = step == 2 ? weights[k + 1] : T{1};
    if (step == 1 && k == 0) {
      for (std::int64_t x = 0; x < width; ++x) out[x] = a_weight * a[x];
    } else {
      std::int64_t x = 0;
      const auto wa = hn::Set(d, a_weight);
      const auto wb = hn::Set(d, b_weight);
      for (; x + kLanesOf<T> <= width; x += kLanesOf<T>) {
        hn::StoreU(hn::MulAdd(wa, hn::LoadU(d, a + x), hn::Mul(wb, hn::LoadU(d, b + x))), d, out + x);
      }
      for (; x < width; ++x) out[x] = a_weight * a[x] + b_weight * b[x];
    }
    k += step;
  }
}

template <class T>
struct Rows {
  explicit Rows(const Taps& taps) : runs(taps.runs), weights(taps.weights.begin(), taps.weights.end()) {
    longest = std::max<std::int64_t>(1, taps.longest());
  }
  std::vector<Taps::Run> runs;
  std::vector<T> weights;
  std::int64_t longest;
};

/// Rows [first, end) of the output, each input row spread once.
template <class T>
void grow(const Rows<T>& rows, const Columns<T>& columns, std::int64_t first, std::int64_t end, const T* in, T* out) {
  const std::int64_t pitch = columns.outputs;
  std::vector<T> ring(static_cast<std::size_t>(rows.longest * pitch));
  std::vector<std::int64_t> held(static_cast<std::size_t>(rows.longest), -1);
  std::vector<T> padded(static_cast<std::size_t>(columns.size + kSlack<T>));
  for (std::int64_t i = first; i < end; ++i) {
    const Taps::Run& run = rows.runs[static_cast<std::size_t>(i)];
    for (std::int64_t y = run.first; y < run.first + run.count; ++y) {
      const std::int64_t slot = y % rows.longest;
      if (held[static_cast<std::size_t>(slot)] == y) continue;
      std::copy_n(in + y * columns.size, columns.size, padded.data());
      spread(columns, padded.data(), ring.data() + slot * pitch);
      held[static_cast<std::size_t>(slot)] = y;
    }
    const auto row = [&](std::int64_t k) { return ring.data() + (run.first + k) % rows.longest * pitch; };
    blend(run.count, rows.weights.data() + run.offset, row, columns.outputs, out + i * columns.outputs);
  }
}

/// Rows [first, end) of the output, rows blended before columns.
template <class T>
void shrink(const Rows<T>& rows, const Columns<T>& columns, std::int64_t first, std::int64_t end, const T* in, T* out) {
  std::vector<T> blended(static_cast<std::size_t>(columns.size + kSlack<T>));
  for (std::int64_t i = first; i < end; ++i) {
    const Taps::Run& run = rows.runs[static_cast<std::size_t>(i)];
    const auto row = [&](std::int64_t k) { return in + (run.first + k) * columns.size; };
    blend(run.count, rows.weights.data() + run.offset, row, columns.size, blended.data());
    spread(columns, blended.data(), out + i * columns.outputs);
  }
}

template <class T>
void resample_planes(std::int64_t planes, const Taps& row_taps, const Taps& column_taps, const T* in, T* out) {
  constexpr std::int64_t kPart = 32;  // output rows of a part: what its first rows share with the last part is little
  const Rows<T> rows(row_taps);
  const Columns<T> columns(column_taps);
  const std::int64_t in_plane = row_taps.size * columns.size;
  const std::int64_t out_rows = row_taps.outputs();
  const std::int64_t parts = (out_rows + kPart - 1) / kPart;
  const std::int64_t grain = 1 + (std::int64_t{1} << 15) / (std::max(out_rows, kPart) * columns.outputs);
  parallel_for(0, planes * parts, grain, [&](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t plane = begin / parts;
      const std::int64_t last = std::min(end, (plane + 1) * parts);
      const std::int64_t first_row = (begin - plane * parts) * kPart;
      const std::int64_t end_row = std::min(out_rows, (last - plane * parts) * kPart);
      (out_rows >= row_taps.size ? grow<T> : shrink<T>)(rows, columns, first_row, end_row, in + plane * in_plane,
                                                        out + plane * out_rows * columns.outputs);
      begin = last;
    }
  });
}

void resample_f32(std::int64_t planes, const Taps& rows, const Taps& columns, const float* in, float* out) {
  resample_planes(planes, rows, columns, in, out);
}
void resample_f64(std::int64_t planes, const Taps& rows, const Taps& columns, const double* in, double* out) {
  resample_planes(planes, rows, columns, in, out);
}

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(resample_f32);
HWY_EXPORT(resample_f64);

template <>
void resample(std::int64_t planes, const Taps& rows, const Taps& columns, const float* in, float* out) {
  HWY_DYNAMIC_DISPATCH(resample_f32)(planes, rows, columns, in, out);
}
template <>
void resample(std::int64_t planes, const Taps& rows, const Taps& columns, const double* in, double* out) {
  HWY_DYNAMIC_DISPATCH(resample_f64)(planes, rows, columns, in, out);
}

}  // namespace coppice::cpu
#endif
