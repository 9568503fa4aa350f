// Maxima of blocked images, f32 and f64: loops over windows, a vector at a time.
//
// Mapping      A vector is one pixel of several images; a maximum's place in its window is kept in lanes as wide.
//              Threads take rows of outputs, or blocks of images where windows may overlap on what is written.
// Work         reads every window; writes a value and a place per output.
// Bound        memory bandwidth for large windows, otherwise finding the windows.
// Deterministic yes: a sum runs over a window, or over windows, in order.
// Measure      coppice-bench --benchmark_filter=Pool

#include <coppice/ops/cpu/blocked_pool.h>

#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/blocked_pool.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/blocked_pool-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

/// Integers as wide as T.
template <class T>
using Places = hn::RebindToSigned<hn::ScalableTag<T>>;

template <class T, class Index>
HWY_INLINE void store_places(hn::Vec<Places<T>> at, Index* where) {
  const Places<T> di;
  if constexpr (sizeof(Index) == sizeof(T)) {
    hn::StoreU(at, di, where);
  } else if constexpr (sizeof(T) == 4) {
    const hn::Rebind<Index, Places<T>> narrow;
    hn::StoreU(hn::DemoteTo(narrow, at), narrow, where);
  } else {
    HWY_ALIGN hn::TFromD<Places<T>> places[hn::MaxLanes(di)];
    hn::Store(at, di, places);
    for (std::int64_t l = 0; l < kPoolLanes<T>; ++l) where[l] = static_cast<Index>(places[l]);
  }
}

template <class T, class Index>
HWY_INLINE hn::Vec<Places<T>> load_places(const Index* where) {
  const Places<T> di;
  if constexpr (sizeof(Index) == sizeof(T)) {
    return hn::LoadU(di, where);
  } else if constexpr (sizeof(T) == 4) {
    const hn::Rebind<Index, Places<T>> narrow;
    return hn::PromoteTo(di, hn::LoadU(narrow, where));
  } else {
    HWY_ALIGN hn::TFromD<Places<T>> places[hn::MaxLanes(di)];
    for (std::int64_t l = 0; l < kPoolLanes<T>; ++l) places[l] = where[l];
    return hn::Load(di, places);
  }
}

/// Where the maxima of one row of a channel come from.
template <class T, class Index>
struct MaximaOfRow {
  const Pool2dGeometry& g;
  const PixelPlace& in;
  std::int64_t block, channel;
  const PoolWindow& rows;
  const T* input;
  T* output;     ///< of the row
  Index* where;  ///< likewise

  /// The outputs [first, last) of the row.
  HWY_INLINE void take_each(std::int64_t first, std::int64_t last) const {
    const hn::ScalableTag<T> d;
    const Places<T> di;
    using Wide = hn::TFromD<Places<T>>;
    for (std::int64_t x = first; x < last; ++x) {
      const PoolWindow& columns = g.columns[x];
      // −∞ everywhere leaves the first element of the window that lies inside the image.
      auto best = hn::Set(d, -std::numeric_limits<T>::infinity());
      auto at = hn::Set(di, static_cast<Wide>(first_inside(g, rows, columns)));
      for_window(in, block, channel, g, rows, columns, [&](std::int64_t from, std::int64_t number) HWY_ATTR {
        const auto value = hn::Load(d, input + from);
        const auto better = hn::Or(hn::Gt(value, best), hn::AndNot(hn::IsNaN(best), hn::IsNaN(value)));
        best = hn::IfThenElse(better, value, best);
        at = hn::IfThenElse(hn::RebindMask(di, better), hn::Set(di, static_cast<Wide>(number)), at);
      });
      hn::Store(best, d, output + x * in.lanes);
      store_places<T>(at, where + x * in.lanes);
    }
  }

  /// The same of windows kWidth wide that have all their columns inside the image, if no NaN is among them.
  template <std::size_t kWidth>
  HWY_INLINE bool take_whole(std::int64_t first, std::int64_t last) const {
    const hn::ScalableTag<T> d;
    const Places<T> di;
    using Wide = hn::TFromD<Places<T>>;
    const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
    const auto one = hn::Set(di, Wide{1});
    const auto before = hn::Set(di, static_cast<Wide>(outside(rows, g.step_h) * g.kernel_w - 1));
    const std::int64_t row_step = g.step_h * in.channels * in.width * in.lanes, column_step = g.step_w * in.lanes;
    const T* const top = input + in(block, rows.first, channel, 0);
    auto suspect = hn::IsNaN(lowest);
    for (std::int64_t x = first; x < last; ++x) {
      const T* from = top + g.columns[x].start * in.lanes;
      auto best = lowest, sum = hn::Zero(d);
      auto number = before, at = hn::Add(before, one);
      for (std::int64_t y = rows.first; y < rows.last; y += g.step_h, from += row_step) {
        unroll<kWidth>([&](auto k) HWY_ATTR {
          const auto value = hn::Load(d, from + static_cast<std::int64_t>(k.value) * column_step);
          const auto better = hn::Gt(value, best);
          number = hn::Add(number, one);
          best = hn::IfThenElse(better, value, best);
          at = hn::IfThenElse(hn::RebindMask(di, better), number, at);
          sum = hn::Add(sum, value);
        });
      }
      hn::Store(best, d, output + x * in.lanes);
      store_places<T>(at, where + x * in.lanes);
      suspect = hn::Or(suspect, hn::IsNaN(sum));  // a sum with a NaN is one
    }
    return hn::AllFalse(d, suspect);
  }

  HWY_INLINE bool take_whole(std::int64_t first, std::int64_t last) const {
    switch (g.kernel_w) {
      case 2: return take_whole<2>(first, last);
      case 3: return take_whole<3>(first, last);
      default: return false;
    }
  }
};

template <class T, class Index>
void max_pool(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const T* input, T* output, Index* where) {
  const PixelPlace in = input_place<T>(g, c), out{g.out_h(), c, g.out_w(), kPoolLanes<T>};
  const auto whole = [&](std::int64_t x) {
    return g.columns[x].start >= 0 && g.columns[x].start + (g.kernel_w - 1) * g.step_w < g.width;
  };
  std::int64_t begin = 0, end = g.out_w();
  while (begin < end && !whole(begin)) ++begin;
  while (begin < end && !whole(end - 1)) --end;
  parallel_for(0, blocks_of<T>(n) * g.out_h(), 1, [&](std::int64_t first, std::int64_t last) HWY_ATTR {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t block = i / g.out_h(), y = i % g.out_h();
      for (std::int64_t channel = 0; channel < c; ++channel) {
        const std::int64_t to = out(block, y, channel, 0);
        const MaximaOfRow<T, Index> row{g, in, block, channel, g.rows[y], input, output + to, where + to};
        row.take_each(0, begin);
        if (!row.take_whole(begin, end)) row.take_each(begin, end);
        row.take_each(end, g.out_w());
      }
    }
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
                         const auto at = load_places<T>(where + from);
                         const auto gradient = hn::Load(d, d_output + from);
                         for_window(in, block, channel, g, rows, columns,
                                    [&](std::int64_t to, std::int64_t number) HWY_ATTR {
                                      const auto here = hn::Eq(at, hn::Set(di, static_cast<Wide>(number)));
                                      const auto share = hn::IfThenElseZero(hn::RebindMask(d, here), gradient);
                                      hn::Store(hn::Add(hn::Load(d, d_input + to), share), d, d_input + to);
                                    });
                       });
}

template <class T, class Index>
void max_pool_gather(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const T* input, const Index* where,
                     T* output) {
  const hn::ScalableTag<T> d;
  const Places<T> di;
  using Wide = hn::TFromD<Places<T>>;
  const PixelPlace in = input_place<T>(g, c);
  for_all_rows<T>(
      n, c, g,
      [&](std::int64_t block, std::int64_t to, std::int64_t channel, const PoolWindow& rows, const PoolWindow& columns)
          HWY_ATTR {
            const auto at = load_places<T>(where + to);
            auto found = hn::Zero(d);
            for_window(in, block, channel, g, rows, columns, [&](std::int64_t from, std::int64_t number) HWY_ATTR {
              const auto here = hn::Eq(at, hn::Set(di, static_cast<Wide>(number)));
              found = hn::IfThenElse(hn::RebindMask(d, here), hn::Load(d, input + from), found);
            });
            hn::Store(found, d, output + to);
          });
}

void max_pool_f32_u8(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* input, float* output,
                     std::uint8_t* where) {
  max_pool(n, c, g, input, output, where);
}
void max_pool_f32_i32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* input, float* output,
                      std::int32_t* where) {
  max_pool(n, c, g, input, output, where);
}
void max_pool_f64_u8(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* input, double* output,
                     std::uint8_t* where) {
  max_pool(n, c, g, input, output, where);
}
void max_pool_f64_i32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* input, double* output,
                      std::int32_t* where) {
  max_pool(n, c, g, input, output, where);
}
void max_pool_scatter_f32_u8(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* d_output,
                             const std::uint8_t* where, float* d_input) {
  max_pool_scatter(n, c, g, d_output, where, d_input);
}
void max_pool_scatter_f32_i32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* d_output,
                              const std::int32_t* where, float* d_input) {
  max_pool_scatter(n, c, g, d_output, where, d_input);
}
void max_pool_scatter_f64_u8(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* d_output,
                             const std::uint8_t* where, double* d_input) {
  max_pool_scatter(n, c, g, d_output, where, d_input);
}
void max_pool_scatter_f64_i32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* d_output,
                              const std::int32_t* where, double* d_input) {
  max_pool_scatter(n, c, g, d_output, where, d_input);
}
void max_pool_gather_f32_u8(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* input,
                            const std::uint8_t* where, float* output) {
  max_pool_gather(n, c, g, input, where, output);
}
void max_pool_gather_f32_i32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* input,
                             const std::int32_t* where, float* output) {
  max_pool_gather(n, c, g, input, where, output);
}
void max_pool_gather_f64_u8(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* input,
                            const std::uint8_t* where, double* output) {
  max_pool_gather(n, c, g, input, where, output);
}
void max_pool_gather_f64_i32(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const double* input,
                             const std::int32_t* where, double* output) {
  max_pool_gather(n, c, g, input, where, output);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(max_pool_f32_u8);
HWY_EXPORT(max_pool_f32_i32);
HWY_EXPORT(max_pool_f64_u8);
HWY_EXPORT(max_pool_f64_i32);
HWY_EXPORT(max_pool_scatter_f32_u8);
HWY_EXPORT(max_pool_scatter_f32_i32);
HWY_EXPORT(max_pool_scatter_f64_u8);
HWY_EXPORT(max_pool_scatter_f64_i32);
HWY_EXPORT(max_pool_gather_f32_u8);
HWY_EXPORT(max_pool_gather_f32_i32);
HWY_EXPORT(max_pool_gather_f64_u8);
HWY_EXPORT(max_pool_gather_f64_i32);

template <>
void blocked_max_pool<float, std::uint8_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* input,
                                           float* output, std::uint8_t* where) {
  HWY_DYNAMIC_DISPATCH(max_pool_f32_u8)(n, c, g, input, output, where);
}
template <>
void blocked_max_pool<float, std::int32_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const float* input,
                                           float* output, std::int32_t* where) {
  HWY_DYNAMIC_DISPATCH(max_pool_f32_i32)(n, c, g, input, output, where);
}
template <>
void blocked_max_pool<double, std::uint8_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                            const double* input, double* output, std::uint8_t* where) {
  HWY_DYNAMIC_DISPATCH(max_pool_f64_u8)(n, c, g, input, output, where);
}
template <>
void blocked_max_pool<double, std::int32_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                            const double* input, double* output, std::int32_t* where) {
  HWY_DYNAMIC_DISPATCH(max_pool_f64_i32)(n, c, g, input, output, where);
}
template <>
void blocked_max_pool_scatter<float, std::uint8_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                                   const float* d_output, const std::uint8_t* where, float* d_input) {
  HWY_DYNAMIC_DISPATCH(max_pool_scatter_f32_u8)(n, c, g, d_output, where, d_input);
}
template <>
void blocked_max_pool_scatter<float, std::int32_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                                   const float* d_output, const std::int32_t* where, float* d_input) {
  HWY_DYNAMIC_DISPATCH(max_pool_scatter_f32_i32)(n, c, g, d_output, where, d_input);
}
template <>
void blocked_max_pool_scatter<double, std::uint8_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                                    const double* d_output, const std::uint8_t* where,
                                                    double* d_input) {
  HWY_DYNAMIC_DISPATCH(max_pool_scatter_f64_u8)(n, c, g, d_output, where, d_input);
}
template <>
void blocked_max_pool_scatter<double, std::int32_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                                    const double* d_output, const std::int32_t* where,
                                                    double* d_input) {
  HWY_DYNAMIC_DISPATCH(max_pool_scatter_f64_i32)(n, c, g, d_output, where, d_input);
}
template <>
void blocked_max_pool_gather<float, std::uint8_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                                  const float* input, const std::uint8_t* where, float* output) {
  HWY_DYNAMIC_DISPATCH(max_pool_gather_f32_u8)(n, c, g, input, where, output);
}
template <>
void blocked_max_pool_gather<float, std::int32_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                                  const float* input, const std::int32_t* where, float* output) {
  HWY_DYNAMIC_DISPATCH(max_pool_gather_f32_i32)(n, c, g, input, where, output);
}
template <>
void blocked_max_pool_gather<double, std::uint8_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                                   const double* input, const std::uint8_t* where, double* output) {
  HWY_DYNAMIC_DISPATCH(max_pool_gather_f64_u8)(n, c, g, input, where, output);
}
template <>
void blocked_max_pool_gather<double, std::int32_t>(std::int64_t n, std::int64_t c, const Pool2dGeometry& g,
                                                   const double* input, const std::int32_t* where, double* output) {
  HWY_DYNAMIC_DISPATCH(max_pool_gather_f64_i32)(n, c, g, input, where, output);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
