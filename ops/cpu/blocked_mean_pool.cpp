// Means of blocked images, f32 and f64: loops over windows, a vector at a time.
//
// Mapping      A vector is one pixel of several images; sums are in f64, as those of contiguous images. Threads take
// rows
//              of outputs, or blocks of images where windows may overlap on what is written.
// Work         reads every window once; the mean of whole images reads them in order.
// Bound        memory bandwidth for large windows, otherwise finding the windows.
// Deterministic yes: a sum runs over a window, or over windows, in order.
// Measure      coppice-bench --benchmark_filter=Pool

#include <coppice/ops/cpu/blocked_pool.h>

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/blocked_mean_pool.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/blocked_pool-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

/// Sums a vector of T in f64, lane by lane.
template <class T>
class WideSum {
  using D = hn::ScalableTag<T>;
  using Wide = hn::ScalableTag<double>;
  static constexpr bool kNarrow = sizeof(T) == 4 && HWY_TARGET != HWY_SCALAR;

 public:
  static constexpr std::int64_t kLanes = kPoolLanes<T>;

  WideSum() : low_(hn::Zero(Wide())), high_(hn::Zero(Wide())) {}
  explicit WideSum(const double* sums) : low_(hn::LoadU(Wide(), sums)), high_(hn::Zero(Wide())) {
    if constexpr (kNarrow) high_ = hn::LoadU(Wide(), sums + kLanes / 2);
  }
  void store(double* sums) const {
    hn::StoreU(low_, Wide(), sums);
    if constexpr (kNarrow) hn::StoreU(high_, Wide(), sums + kLanes / 2);
  }

  HWY_INLINE void add(hn::Vec<D> v) {
    if constexpr (sizeof(T) == 8) {
      low_ = hn::Add(low_, v);
    } else {
#if HWY_TARGET == HWY_SCALAR
      low_ = hn::Add(low_, hn::PromoteTo(Wide(), v));
#else
      const hn::Rebind<T, Wide> half;
      low_ = hn::Add(low_, hn::PromoteTo(Wide(), hn::LowerHalf(half, v)));
      high_ = hn::Add(high_, hn::PromoteTo(Wide(), hn::UpperHalf(half, v)));
#endif
    }
  }
  /// The sums over `count`, rounded once.
  HWY_INLINE hn::Vec<D> mean(double count) const {
    const auto divisor = hn::Set(Wide(), count);
    if constexpr (sizeof(T) == 8) {
      return hn::Div(low_, divisor);
    } else {
#if HWY_TARGET == HWY_SCALAR
      return hn::DemoteTo(D(), hn::Div(low_, divisor));
#else
      const hn::Rebind<T, Wide> half;
      return hn::Combine(D(), hn::DemoteTo(half, hn::Div(high_, divisor)), hn::DemoteTo(half, hn::Div(low_, divisor)));
#endif
    }
  }

 private:
  hn::Vec<Wide> low_, high_;
};

double extent_of(const PoolWindow& rows, const PoolWindow& columns) {
  return static_cast<double>(rows.extent * columns.extent);
}

template <class T>
void mean_pool(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const T* input, T* output) {
  const hn::ScalableTag<T> d;
  const PixelPlace in = input_place<T>(g, c);
  for_all_rows<T>(n, c, g,
                  [&](std::int64_t block, std::int64_t to, std::int64_t channel, const PoolWindow& rows,
                      const PoolWindow& columns) HWY_ATTR {
                    WideSum<T> sum;
                    for_window(in, block, channel, g, rows, columns,
                               [&](std::int64_t from, std::int64_t) HWY_ATTR { sum.add(hn::Load(d, input + from)); });
                    hn::Store(sum.mean(extent_of(rows, columns)), d, output + to);
                  });
}

template <class T>
void mean_pool_gradient(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const T* d_output, T* d_input) {
  const hn::ScalableTag<T> d;
  const PixelPlace in = input_place<T>(g, c);
  for_all_gradients<T>(n, c, g, d_input,
                       [&](std::int64_t block, std::int64_t from, std::int64_t channel, const PoolWindow& rows,
                           const PoolWindow& columns) HWY_ATTR {
                         const auto share = hn::Div(hn::Load(d, d_output + from),
                                                    hn::Set(d, static_cast<T>(extent_of(rows, columns))));
                         for_window(in, block, channel, g, rows, columns, [&](std::int64_t to, std::int64_t) HWY_ATTR {
                           hn::Store(hn::Add(hn::Load(d, d_input + to), share), d, d_input + to);
                         });
                       });
}

template <class T>
void global_mean(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const T* input, T* output) {
  const hn::ScalableTag<T> d;
  const PixelPlace in{h, c, w, kPoolLanes<T>};
  parallel_for(0, blocks_of<T>(n), 1, [&](std::int64_t first, std::int64_t last) HWY_ATTR {
    const Buffer<double> sums(c * in.lanes);
    for (std::int64_t block = first; block < last; ++block) {
      std::fill(sums.begin(), sums.end(), 0.0);
      for (std::int64_t y = 0; y < h; ++y) {  // rows of all channels, so that memory is read in order
        for (std::int64_t channel = 0; channel < c; ++channel) {
          const T* const row = input + in(block, y, channel, 0);
          WideSum<T> sum(sums.data() + channel * in.lanes);
          for (std::int64_t x = 0; x < w; ++x) sum.add(hn::Load(d, row + x * in.lanes));
          sum.store(sums.data() + channel * in.lanes);
        }
      }
      const std::int64_t images = std::min(in.lanes, n - block * in.lanes);
      for (std::int64_t channel = 0; channel < c; ++channel) {
        HWY_ALIGN T means[hn::MaxLanes(d)];
        hn::Store(WideSum<T>(sums.data() + channel * in.lanes).mean(static_cast<double>(h * w)), d, means);
        for (std::int64_t l = 0; l < images; ++l) output[(block * in.lanes + l) * c + channel] = means[l];
      }
    }
  });
}

template <class T>
void global_mean_gradient(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const T* d_output,
                          T* d_input) {
  const hn::ScalableTag<T> d;
  const PixelPlace in{h, c, w, kPoolLanes<T>};
  const T count = static_cast<T>(h * w);
  parallel_for(0, blocks_of<T>(n), 1, [&](std::int64_t first, std::int64_t last) HWY_ATTR {
    for (std::int64_t block = first; block < last; ++block) {
      const std::int64_t images = std::min(in.lanes, n - block * in.lanes);
      for (std::int64_t y = 0; y < h; ++y) {
        for (std::int64_t channel = 0; channel < c; ++channel) {
          HWY_ALIGN T shares[hn::MaxLanes(d)] = {};
          for (std::int64_t l = 0; l < images; ++l) {
            shares[l] = d_output[(block * in.lanes + l) * c + channel] / count;
          }
          const auto share = hn::Load(d, shares);
          T* const row = d_input + in(block, y, channel, 0);
          for (std::int64_t x = 0; x < w; ++x) hn::Store(share, d, row + x * in.lanes);
        }
      }
    }
  });
}

void mean_pool_f32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* from, float* to) {
  mean_pool(n, c, g, from, to);
}
void mean_pool_f64(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* from, double* to) {
  mean_pool(n, c, g, from, to);
}
void mean_pool_gradient_f32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* from, float* to) {
  mean_pool_gradient(n, c, g, from, to);
}
void mean_pool_gradient_f64(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* from, double* to) {
  mean_pool_gradient(n, c, g, from, to);
}
void global_mean_f32(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const float* from, float* to) {
  global_mean(n, c, h, w, from, to);
}
void global_mean_f64(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const double* from, double* to) {
  global_mean(n, c, h, w, from, to);
}
void global_mean_gradient_f32(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const float* from,
                              float* to) {
  global_mean_gradient(n, c, h, w, from, to);
}
void global_mean_gradient_f64(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const double* from,
                              double* to) {
  global_mean_gradient(n, c, h, w, from, to);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(mean_pool_f32);
HWY_EXPORT(mean_pool_f64);
HWY_EXPORT(mean_pool_gradient_f32);
HWY_EXPORT(mean_pool_gradient_f64);
HWY_EXPORT(global_mean_f32);
HWY_EXPORT(global_mean_f64);
HWY_EXPORT(global_mean_gradient_f32);
HWY_EXPORT(global_mean_gradient_f64);

template <>
void blocked_mean_pool<float>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* from, float* to) {
  HWY_DYNAMIC_DISPATCH(mean_pool_f32)(n, c, g, from, to);
}
template <>
void blocked_mean_pool<double>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* from,
                               double* to) {
  HWY_DYNAMIC_DISPATCH(mean_pool_f64)(n, c, g, from, to);
}
template <>
void blocked_mean_pool_gradient<float>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* from,
                                       float* to) {
  HWY_DYNAMIC_DISPATCH(mean_pool_gradient_f32)(n, c, g, from, to);
}
template <>
void blocked_mean_pool_gradient<double>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* from,
                                        double* to) {
  HWY_DYNAMIC_DISPATCH(mean_pool_gradient_f64)(n, c, g, from, to);
}
template <>
void blocked_global_mean<float>(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const float* from,
                                float* to) {
  HWY_DYNAMIC_DISPATCH(global_mean_f32)(n, c, h, w, from, to);
}
template <>
void blocked_global_mean<double>(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const double* from,
                                 double* to) {
  HWY_DYNAMIC_DISPATCH(global_mean_f64)(n, c, h, w, from, to);
}
template <>
void blocked_global_mean_gradient<float>(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w,
                                         const float* from, float* to) {
  HWY_DYNAMIC_DISPATCH(global_mean_gradient_f32)(n, c, h, w, from, to);
}
template <>
void blocked_global_mean_gradient<double>(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w,
                                          const double* from, double* to) {
  HWY_DYNAMIC_DISPATCH(global_mean_gradient_f64)(n, c, h, w, from, to);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
