// Matching costs of pixels with their neighbours in another image, and the transposed maps.
//
// Mapping       The image that is read at displacements is copied row by row, the rows of all channels together, with a
//               margin of zeros: no border exists afterwards. Costs: a vector of pixels of one image meets up to nine
//               displacements of the other in registers while all channels pass. Transposed: a vector of pixels of four
//               channels stays in registers while all displacements pass.
// Work          2 · displacements · channels · pixels FLOP
// Bound         two loads a cycle, about 1.1 (1.25) loads an FMA
// Deterministic yes: an output is summed in a fixed order by one thread.
// Measure       coppice-bench --benchmark_filter=local_correlation

#include <coppice/ops/cpu/local_correlation.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/local_correlation.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <vector>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>
#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

template <class T>
using Tag = hn::ScalableTag<T>;
template <class T>
inline constexpr std::int64_t kLanesOf = static_cast<std::int64_t>(hn::MaxLanes(Tag<T>()));
inline constexpr std::int64_t kMaxTogether = 9;

template <class T>
std::int64_t whole_vectors(std::int64_t count) {
  return (count + kLanesOf<T> - 1) / kLanesOf<T> * kLanesOf<T>;
}

/// Images as [y][channel][x] with `margin` zeros on all sides, and rows filled up so that whole vectors can be read.
template <class T>
class Rows {
 public:
  Rows(std::int64_t channels, std::int64_t height, std::int64_t width, std::int64_t margin)
      : channels_(channels), height_(height), width_(width), margin_(margin) {
    pitch_ = whole_vectors<T>(width) + 2 * margin;
    values_ = Buffer<T>((height + 2 * margin) * channels * pitch_);
    std::fill(values_.begin(), values_.end(), T{0});
  }
  void read(const T* image) {
    parallel_for(0, height_, 4, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t y = first; y < last; ++y) {
        for (std::int64_t c = 0; c < channels_; ++c) {
          std::copy_n(image + (c * height_ + y) * width_, width_, at(y, c, 0));
        }
      }
    });
  }
  T* at(std::int64_t y, std::int64_t channel, std::int64_t x) const {
    return values_.data() + ((y + margin_) * channels_ + channel) * pitch_ + x + margin_;
  }
  std::int64_t pitch() const { return pitch_; }

 private:
  std::int64_t channels_, height_, width_, margin_, pitch_;
  Buffer<T> values_;
};

template <class T>
HWY_INLINE void store_some(hn::Vec<Tag<T>> v, std::int64_t count, T* to) {
  const Tag<T> d;
  if (count >= kLanesOf<T>) {
    hn::StoreU(v, d, to);
    return;
  }
  HWY_ALIGN T lanes[hn::MaxLanes(Tag<T>())];
  hn::Store(v, d, lanes);
  std::copy_n(lanes, count, to);
}

/// Costs of one vector of pixels and `n` displacements `step` apart, at `out`, a plane apart.
template <std::size_t n, class T>
void cost_vector(const LocalGeometry& g, const T* HWY_RESTRICT a, std::int64_t a_pitch, const T* HWY_RESTRICT b,
                 std::int64_t b_pitch, std::int64_t count, T* out) {
  const Tag<T> d;
  hn::Vec<Tag<T>> sum[n];
  unroll<n>([&](auto i) HWY_ATTR { sum[i] = hn::Zero(d); });
  for (std::int64_t c = 0; c < g.channels; ++c, a += a_pitch, b += b_pitch) {
    const auto left = hn::LoadU(d, a);
    unroll<n>([&](auto i) HWY_ATTR {
      sum[i] = hn::MulAdd(left, hn::LoadU(d, b + static_cast<std::int64_t>(i()) * g.step), sum[i]);
    });
  }
  const auto mean = hn::Set(d, T{1} / static_cast<T>(g.channels));
  unroll<n>([&](auto i) HWY_ATTR {
    store_some<T>(hn::Mul(sum[i], mean), count, out + static_cast<std::int64_t>(i()) * g.height * g.width);
  });
}

template <class T>
using CostVector = void (*)(const LocalGeometry&, const T*, std::int64_t, const T*, std::int64_t, std::int64_t, T*);

template <class T>
CostVector<T> cost_kernel(std::int64_t together) {
  constexpr CostVector<T> kKernels[] = {cost_vector<1, T>, cost_vector<2, T>, cost_vector<3, T>,
                                        cost_vector<4, T>, cost_vector<5, T>, cost_vector<6, T>,
                                        cost_vector<7, T>, cost_vector<8, T>, cost_vector<9, T>};
  return kKernels[together - 1];
}

template <class T>
void all_costs(const LocalGeometry& g, const T* a, const T* b, T* costs) {
  const std::int64_t image = g.channels * g.height * g.width;
  Rows<T> first(g.channels, g.height, g.width, 0), second(g.channels, g.height, g.width, g.margin());
  for (std::int64_t n = 0; n < g.batch; ++n) {
    first.read(a + n * image);
    second.read(b + n * image);
    T* out = costs + n * g.displacements() * g.height * g.width;
    parallel_for(0, g.height, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t y = begin; y < end; ++y) {
        for (std::int64_t i = 0; i < g.side(); ++i) {
          const std::int64_t row = y + (i - g.reach) * g.step;
          for (std::int64_t x = 0; x < g.width; x += kLanesOf<T>) {
            for (std::int64_t j = 0; j < g.side(); j += kMaxTogether) {
              const std::int64_t together = std::min(kMaxTogether, g.side() - j);
              cost_kernel<T>(together)(g, first.at(y, 0, x), first.pitch(),
                                       second.at(row, 0, x + (j - g.reach) * g.step), second.pitch(), g.width - x,
                                       out + ((i * g.side() + j) * g.height + y) * g.width + x);
            }
          }
        }
      }
    });
  }
}

/// Costs as the row y of the result needs them: [displacement][x], of (y, x) or of where the displacement comes from.
template <class T>
void gather_costs(const LocalGeometry& g, Towards towards, std::int64_t y, const T* costs, std::int64_t pitch, T* row) {
  for (std::int64_t k = 0; k < g.displacements(); ++k, row += pitch) {
    const T* plane = costs + k * g.height * g.width;
    if (towards == Towards::Second) {
      std::copy_n(plane + y * g.width, g.width, row);
      continue;
    }
    const std::int64_t from_y = y - (k / g.side() - g.reach) * g.step, shift = (k % g.side() - g.reach) * g.step;
    std::fill_n(row, g.width, T{0});
    if (from_y < 0 || from_y >= g.height) continue;
    for (std::int64_t x = std::max<std::int64_t>(0, shift); x < std::min(g.width, g.width + shift); ++x) {
      row[x] = plane[from_y * g.width + x - shift];
    }
  }
}

/// out (n channels) = Σ costs · image at a vector of pixels; displacements lead by `sign`.
template <std::size_t n, class T>
HWY_INLINE void weigh_vector(const LocalGeometry& g, std::int64_t sign, std::int64_t y, std::int64_t x, std::int64_t c,
                             const T* HWY_RESTRICT costs, std::int64_t pitch, const Rows<T>& image, T* out) {
  const Tag<T> d;
  hn::Vec<Tag<T>> sum[n];
  unroll<n>([&](auto i) HWY_ATTR { sum[i] = hn::Zero(d); });
  for (std::int64_t i = 0; i < g.side(); ++i) {
    const T* HWY_RESTRICT row = image.at(y + sign * (i - g.reach) * g.step, c, x);
    for (std::int64_t j = 0; j < g.side(); ++j, costs += pitch) {
      const auto weight = hn::LoadU(d, costs + x);
      const T* HWY_RESTRICT from = row + sign * (j - g.reach) * g.step;
      unroll<n>([&](auto k) HWY_ATTR {
        sum[k] = hn::MulAdd(weight, hn::LoadU(d, from + static_cast<std::int64_t>(k()) * image.pitch()), sum[k]);
      });
    }
  }
  const auto mean = hn::Set(d, T{1} / static_cast<T>(g.channels));
  unroll<n>([&](auto k) HWY_ATTR {
    store_some<T>(hn::Mul(sum[k], mean), g.width - x,
                  out + ((c + static_cast<std::int64_t>(k())) * g.height + y) * g.width + x);
  });
}

template <class T>
void all_weighted(const LocalGeometry& g, Towards towards, const T* costs, const T* image, T* out) {
  const std::int64_t size = g.channels * g.height * g.width, pitch = whole_vectors<T>(g.width);
  const std::int64_t sign = towards == Towards::Second ? 1 : -1;
  Rows<T> rows(g.channels, g.height, g.width, g.margin());
  for (std::int64_t n = 0; n < g.batch; ++n) {
    rows.read(image + n * size);
    parallel_for(0, g.height, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<T> row(static_cast<std::size_t>(g.displacements() * pitch));
      for (std::int64_t y = begin; y < end; ++y) {
        gather_costs(g, towards, y, costs + n * g.displacements() * g.height * g.width, pitch, row.data());
        for (std::int64_t x = 0; x < g.width; x += kLanesOf<T>) {
          std::int64_t c = 0;
          for (; c + 4 <= g.channels; c += 4) {
            weigh_vector<4>(g, sign, y, x, c, row.data(), pitch, rows, out + n * size);
          }
          for (; c < g.channels; ++c) weigh_vector<1>(g, sign, y, x, c, row.data(), pitch, rows, out + n * size);
        }
      }
    });
  }
}

void costs_f32(const LocalGeometry& g, const float* a, const float* b, float* costs) { all_costs(g, a, b, costs); }
void costs_f64(const LocalGeometry& g, const double* a, const double* b, double* costs) { all_costs(g, a, b, costs); }
void weighted_f32(const LocalGeometry& g, Towards towards, const float* costs, const float* image, float* out) {
  all_weighted(g, towards, costs, image, out);
}
void weighted_f64(const LocalGeometry& g, Towards towards, const double* costs, const double* image, double* out) {
  all_weighted(g, towards, costs, image, out);
}

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(costs_f32);
HWY_EXPORT(costs_f64);
HWY_EXPORT(weighted_f32);
HWY_EXPORT(weighted_f64);

template <>
void local_costs(const LocalGeometry& g, const float* a, const float* b, float* costs) {
  HWY_DYNAMIC_DISPATCH(costs_f32)(g, a, b, costs);
}
template <>
void local_costs(const LocalGeometry& g, const double* a, const double* b, double* costs) {
  HWY_DYNAMIC_DISPATCH(costs_f64)(g, a, b, costs);
}
template <>
void local_weighted(const LocalGeometry& g, Towards towards, const float* costs, const float* image, float* out) {
  HWY_DYNAMIC_DISPATCH(weighted_f32)(g, towards, costs, image, out);
}
template <>
void local_weighted(const LocalGeometry& g, Towards towards, const double* costs, const double* image, double* out) {
  HWY_DYNAMIC_DISPATCH(weighted_f64)(g, towards, costs, image, out);
}

}  // namespace coppice::cpu
#endif
