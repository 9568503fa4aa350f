// Pooling of blocked images, f32 and f64: loops over windows, a vector at a time.
//
// Mapping      A vector is one pixel of several images; a maximum's place in its window is kept in lanes as wide.
// Threads
//              take rows of outputs, or blocks of images where windows may overlap on what is written.
// Work         reads every window; maxima write a value and a place per output.
// Bound        memory bandwidth for large windows, otherwise finding the windows.
// Deterministic yes: a sum runs over a window, or over windows, in order.
// Measure      coppice-bench --benchmark_filter=Pool

#include <coppice/ops/cpu/blocked_pool.h>

#include <algorithm>
#include <limits>

#include <coppice/core/parallel.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/blocked_pool.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

template <class T>
inline constexpr std::int64_t kPoolLanes = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));

template <class T>
std::int64_t blocks_of(std::int64_t n) {
  return (n + kPoolLanes<T> - 1) / kPoolLanes<T>;
}

/// Where the vector of a pixel lies.
struct PixelPlace {
  std::int64_t height, channels, width, lanes;
  std::int64_t operator()(std::int64_t block, std::int64_t y, std::int64_t c, std::int64_t x) const {
    return (((block * height + y) * channels + c) * width + x) * lanes;
  }
};
template <class T>
PixelPlace input_place(const Pool2dGeometry& g, std::int64_t c) {
  return {g.height, c, g.width, kPoolLanes<T>};
}

/// Calls visit(output vector, channel, row window, column window) for the outputs of one row of a block of images.
template <class T, class Visit>
HWY_INLINE void for_row(std::int64_t block, std::int64_t y, std::int64_t channels, const Pool2dGeometry& g,
                        Visit visit) {
  const PixelPlace out{g.out_h(), channels, g.out_w(), kPoolLanes<T>};
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t x = 0; x < g.out_w(); ++x) {
      visit(out(block, y, c, x), c, g.rows[static_cast<std::size_t>(y)], g.columns[static_cast<std::size_t>(x)]);
    }
  }
}

/// The same for all rows, in parallel.
template <class T, class Visit>
void for_all_rows(std::int64_t n, std::int64_t channels, const Pool2dGeometry& g, Visit visit) {
  parallel_for(0, blocks_of<T>(n) * g.out_h(), 1, [&](std::int64_t first, std::int64_t last) HWY_ATTR {
    for (std::int64_t i = first; i < last; ++i) {
      for_row<T>(i / g.out_h(), i % g.out_h(), channels, g,
                 [&](std::int64_t to, std::int64_t c, const PoolWindow& rows, const PoolWindow& columns)
                     HWY_ATTR { visit(i / g.out_h(), to, c, rows, columns); });
    }
  });
}

/// The same, after `d_input` of the block was set to 0; threads take whole blocks.
template <class T, class Visit>
void for_all_gradients(std::int64_t n, std::int64_t channels, const Pool2dGeometry& g, T* d_input, Visit visit) {
  const PixelPlace in = input_place<T>(g, channels);
  parallel_for(0, blocks_of<T>(n), 1, [&](std::int64_t first, std::int64_t last) HWY_ATTR {
    for (std::int64_t block = first; block < last; ++block) {
      std::fill(d_input + in(block, 0, 0, 0), d_input + in(block + 1, 0, 0, 0), T(0));
      for (std::int64_t y = 0; y < g.out_h(); ++y) {
        for_row<T>(block, y, channels, g,
                   [&](std::int64_t from, std::int64_t c, const PoolWindow& rows, const PoolWindow& columns)
                       HWY_ATTR { visit(block, from, c, rows, columns); });
      }
    }
  });
}

/// Calls visit(input vector, number in the window) for the elements of a window that lie inside the image.
template <class Visit>
HWY_INLINE void for_window(const PixelPlace& in, std::int64_t block, std::int64_t c, const Pool2dGeometry& g,
                           const PoolWindow& rows, const PoolWindow& columns, Visit visit) {
  for (std::int64_t y = rows.first; y < rows.last; y += g.step_h) {
    std::int64_t place = in(block, y, c, columns.first);
    std::int64_t number = (y - rows.start) / g.step_h * g.kernel_w + (columns.first - columns.start) / g.step_w;
    for (std::int64_t x = columns.first; x < columns.last; x += g.step_w) {
      visit(place, number++);
      place += g.step_w * in.lanes;
    }
  }
}

/// Integers as wide as T.
template <class T>
using Places = hn::RebindToSigned<hn::ScalableTag<T>>;

template <class T, class Index>
void max_pool(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const T* input, T* output, Index* where) {
  const hn::ScalableTag<T> d;
  const Places<T> di;
  using Wide = hn::TFromD<Places<T>>;
  const PixelPlace in = input_place<T>(g, c);
  for_all_rows<T>(
      n, c, g,
      [&](std::int64_t block, std::int64_t to, std::int64_t channel, const PoolWindow& rows, const PoolWindow& columns)
          HWY_ATTR {
            // −∞ everywhere leaves the first element of the window that lies inside the image.
            const std::int64_t first =
                (rows.first - rows.start) / g.step_h * g.kernel_w + (columns.first - columns.start) / g.step_w;
            auto best = hn::Set(d, -std::numeric_limits<T>::infinity());
            auto at = hn::Set(di, static_cast<Wide>(first));
            for_window(in, block, channel, g, rows, columns, [&](std::int64_t from, std::int64_t number) HWY_ATTR {
              const auto value = hn::Load(d, input + from);
              const auto better = hn::Or(hn::Gt(value, best), hn::AndNot(hn::IsNaN(best), hn::IsNaN(value)));
              best = hn::IfThenElse(better, value, best);
              at = hn::IfThenElse(hn::RebindMask(di, better), hn::Set(di, static_cast<Wide>(number)), at);
            });
            hn::Store(best, d, output + to);
            HWY_ALIGN Wide places[hn::MaxLanes(di)];
            hn::Store(at, di, places);
            for (std::int64_t l = 0; l < kPoolLanes<T>; ++l) where[to + l] = static_cast<Index>(places[l]);
          });
}

template <class T, class Index>
void max_pool_scatter(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const T* d_output, const Index* where,
                      T* d_input) {
  const hn::ScalableTag<T> d;
  const Places<T> di;
  using Wide = hn::TFromD<Places<T>>;
  const PixelPlace in = input_place<T>(g, c);
  for_all_gradients<T>(n, c, g, d_input,
                       [&](std::int64_t block, std::int64_t from, std::int64_t channel, const PoolWindow& rows,
                           const PoolWindow& columns) HWY_ATTR {
                         HWY_ALIGN Wide places[hn::MaxLanes(di)];
                         for (std::int64_t l = 0; l < kPoolLanes<T>; ++l) {
                           places[l] = static_cast<Wide>(where[from + l]);
                         }
                         const auto at = hn::Load(di, places);
                         const auto gradient = hn::Load(d, d_output + from);
                         for_window(in, block, channel, g, rows, columns,
                                    [&](std::int64_t to, std::int64_t number) HWY_ATTR {
                                      const auto here = hn::Eq(at, hn::Set(di, static_cast<Wide>(number)));
                                      const auto share = hn::IfThenElseZero(hn::RebindMask(d, here), gradient);
                                      hn::Store(hn::Add(hn::Load(d, d_input + to), share), d, d_input + to);
                                    });
                       });
}

template <class T>
T inverse_extent(const PoolWindow& rows, const PoolWindow& columns) {
  return T(1) / static_cast<T>(rows.extent * columns.extent);
}

template <class T>
void mean_pool(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const T* input, T* output) {
  const hn::ScalableTag<T> d;
  const PixelPlace in = input_place<T>(g, c);
  for_all_rows<T>(n, c, g,
                  [&](std::int64_t block, std::int64_t to, std::int64_t channel, const PoolWindow& rows,
                      const PoolWindow& columns) HWY_ATTR {
                    auto sum = hn::Zero(d);
                    for_window(in, block, channel, g, rows, columns, [&](std::int64_t from, std::int64_t) HWY_ATTR {
                      sum = hn::Add(sum, hn::Load(d, input + from));
                    });
                    hn::Store(hn::Mul(sum, hn::Set(d, inverse_extent<T>(rows, columns))), d, output + to);
                  });
}

template <class T>
void mean_pool_gradient(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const T* d_output, T* d_input) {
  const hn::ScalableTag<T> d;
  const PixelPlace in = input_place<T>(g, c);
  for_all_gradients<T>(n, c, g, d_input,
                       [&](std::int64_t block, std::int64_t from, std::int64_t channel, const PoolWindow& rows,
                           const PoolWindow& columns) HWY_ATTR {
                         const auto share =
                             hn::Mul(hn::Load(d, d_output + from), hn::Set(d, inverse_extent<T>(rows, columns)));
                         for_window(in, block, channel, g, rows, columns, [&](std::int64_t to, std::int64_t) HWY_ATTR {
                           hn::Store(hn::Add(hn::Load(d, d_input + to), share), d, d_input + to);
                         });
                       });
}

template <class T>
void global_mean(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const T* input, T* output) {
  const hn::ScalableTag<T> d;
  const PixelPlace in{h, c, w, kPoolLanes<T>};
  const T factor = T(1) / static_cast<T>(h * w);
  parallel_for(0, blocks_of<T>(n), 1, [&](std::int64_t first, std::int64_t last) HWY_ATTR {
    for (std::int64_t block = first; block < last; ++block) {
      const std::int64_t images = std::min(in.lanes, n - block * in.lanes);
      for (std::int64_t channel = 0; channel < c; ++channel) {
        auto sum = hn::Zero(d);
        for (std::int64_t y = 0; y < h; ++y) {
          const T* const row = input + in(block, y, channel, 0);
          for (std::int64_t x = 0; x < w; ++x) sum = hn::Add(sum, hn::Load(d, row + x * in.lanes));
        }
        HWY_ALIGN T means[hn::MaxLanes(d)];
        hn::Store(hn::Mul(sum, hn::Set(d, factor)), d, means);
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
  const T factor = T(1) / static_cast<T>(h * w);
  parallel_for(0, blocks_of<T>(n), 1, [&](std::int64_t first, std::int64_t last) HWY_ATTR {
    for (std::int64_t block = first; block < last; ++block) {
      const std::int64_t images = std::min(in.lanes, n - block * in.lanes);
      for (std::int64_t y = 0; y < h; ++y) {
        for (std::int64_t channel = 0; channel < c; ++channel) {
          HWY_ALIGN T shares[hn::MaxLanes(d)] = {};
          for (std::int64_t l = 0; l < images; ++l) {
            shares[l] = d_output[(block * in.lanes + l) * c + channel] * factor;
          }
          const auto share = hn::Load(d, shares);
          T* const row = d_input + in(block, y, channel, 0);
          for (std::int64_t x = 0; x < w; ++x) hn::Store(share, d, row + x * in.lanes);
        }
      }
    }
  });
}

void max_pool_f32_u8(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* input, float* output,
                     std::uint8_t* where) {
  max_pool(n, c, g, input, output, where);
}
void max_pool_scatter_f32_u8(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* d_output,
                             const std::uint8_t* where, float* d_input) {
  max_pool_scatter(n, c, g, d_output, where, d_input);
}
void max_pool_f32_i32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* input, float* output,
                      std::int32_t* where) {
  max_pool(n, c, g, input, output, where);
}
void max_pool_scatter_f32_i32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* d_output,
                              const std::int32_t* where, float* d_input) {
  max_pool_scatter(n, c, g, d_output, where, d_input);
}
void mean_pool_f32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* from, float* to) {
  mean_pool(n, c, g, from, to);
}
void mean_pool_gradient_f32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* from, float* to) {
  mean_pool_gradient(n, c, g, from, to);
}
void global_mean_f32(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const float* from, float* to) {
  global_mean(n, c, h, w, from, to);
}
void global_mean_gradient_f32(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const float* from,
                              float* to) {
  global_mean_gradient(n, c, h, w, from, to);
}
void max_pool_f64_u8(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* input, double* output,
                     std::uint8_t* where) {
  max_pool(n, c, g, input, output, where);
}
void max_pool_scatter_f64_u8(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* d_output,
                             const std::uint8_t* where, double* d_input) {
  max_pool_scatter(n, c, g, d_output, where, d_input);
}
void max_pool_f64_i32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* input, double* output,
                      std::int32_t* where) {
  max_pool(n, c, g, input, output, where);
}
void max_pool_scatter_f64_i32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* d_output,
                              const std::int32_t* where, double* d_input) {
  max_pool_scatter(n, c, g, d_output, where, d_input);
}
void mean_pool_f64(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* from, double* to) {
  mean_pool(n, c, g, from, to);
}
void mean_pool_gradient_f64(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* from, double* to) {
  mean_pool_gradient(n, c, g, from, to);
}
void global_mean_f64(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const double* from, double* to) {
  global_mean(n, c, h, w, from, to);
}
void global_mean_gradient_f64(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const double* from,
                              double* to) {
  global_mean_gradient(n, c, h, w, from, to);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(max_pool_f32_u8);
HWY_EXPORT(max_pool_scatter_f32_u8);
HWY_EXPORT(max_pool_f32_i32);
HWY_EXPORT(max_pool_scatter_f32_i32);
HWY_EXPORT(mean_pool_f32);
HWY_EXPORT(mean_pool_gradient_f32);
HWY_EXPORT(global_mean_f32);
HWY_EXPORT(global_mean_gradient_f32);
HWY_EXPORT(max_pool_f64_u8);
HWY_EXPORT(max_pool_scatter_f64_u8);
HWY_EXPORT(max_pool_f64_i32);
HWY_EXPORT(max_pool_scatter_f64_i32);
HWY_EXPORT(mean_pool_f64);
HWY_EXPORT(mean_pool_gradient_f64);
HWY_EXPORT(global_mean_f64);
HWY_EXPORT(global_mean_gradient_f64);

template <>
void blocked_max_pool<float, std::uint8_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* input,
                                           float* output, std::uint8_t* where) {
  HWY_DYNAMIC_DISPATCH(max_pool_f32_u8)(n, c, g, input, output, where);
}
template <>
void blocked_max_pool_scatter<float, std::uint8_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                                   const float* d_output, const std::uint8_t* where, float* d_input) {
  HWY_DYNAMIC_DISPATCH(max_pool_scatter_f32_u8)(n, c, g, d_output, where, d_input);
}
template <>
void blocked_max_pool<float, std::int32_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* input,
                                           float* output, std::int32_t* where) {
  HWY_DYNAMIC_DISPATCH(max_pool_f32_i32)(n, c, g, input, output, where);
}
template <>
void blocked_max_pool_scatter<float, std::int32_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                                   const float* d_output, const std::int32_t* where, float* d_input) {
  HWY_DYNAMIC_DISPATCH(max_pool_scatter_f32_i32)(n, c, g, d_output, where, d_input);
}
template <>
void blocked_mean_pool<float>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* from, float* to) {
  HWY_DYNAMIC_DISPATCH(mean_pool_f32)(n, c, g, from, to);
}
template <>
void blocked_mean_pool_gradient<float>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* from,
                                       float* to) {
  HWY_DYNAMIC_DISPATCH(mean_pool_gradient_f32)(n, c, g, from, to);
}
template <>
void blocked_global_mean<float>(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const float* from,
                                float* to) {
  HWY_DYNAMIC_DISPATCH(global_mean_f32)(n, c, h, w, from, to);
}
template <>
void blocked_global_mean_gradient<float>(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w,
                                         const float* from, float* to) {
  HWY_DYNAMIC_DISPATCH(global_mean_gradient_f32)(n, c, h, w, from, to);
}
template <>
void blocked_max_pool<double, std::uint8_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                            const double* input, double* output, std::uint8_t* where) {
  HWY_DYNAMIC_DISPATCH(max_pool_f64_u8)(n, c, g, input, output, where);
}
template <>
void blocked_max_pool_scatter<double, std::uint8_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                                    const double* d_output, const std::uint8_t* where,
                                                    double* d_input) {
  HWY_DYNAMIC_DISPATCH(max_pool_scatter_f64_u8)(n, c, g, d_output, where, d_input);
}
template <>
void blocked_max_pool<double, std::int32_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                            const double* input, double* output, std::int32_t* where) {
  HWY_DYNAMIC_DISPATCH(max_pool_f64_i32)(n, c, g, input, output, where);
}
template <>
void blocked_max_pool_scatter<double, std::int32_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                                    const double* d_output, const std::int32_t* where,
                                                    double* d_input) {
  HWY_DYNAMIC_DISPATCH(max_pool_scatter_f64_i32)(n, c, g, d_output, where, d_input);
}
template <>
void blocked_mean_pool<double>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* from,
                               double* to) {
  HWY_DYNAMIC_DISPATCH(mean_pool_f64)(n, c, g, from, to);
}
template <>
void blocked_mean_pool_gradient<double>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* from,
                                        double* to) {
  HWY_DYNAMIC_DISPATCH(mean_pool_gradient_f64)(n, c, g, from, to);
}
template <>
void blocked_global_mean<double>(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const double* from,
                                 double* to) {
  HWY_DYNAMIC_DISPATCH(global_mean_f64)(n, c, h, w, from, to);
}
template <>
void blocked_global_mean_gradient<double>(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w,
                                          const double* from, double* to) {
  HWY_DYNAMIC_DISPATCH(global_mean_gradient_f64)(n, c, h, w, from, to);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
