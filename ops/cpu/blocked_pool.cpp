// Pooling of blocked images: loops over pixels, with the lanes of a block of images innermost for the compiler to
// vectorise.

#include <coppice/ops/cpu/blocked_pool.h>

#include <algorithm>
#include <cmath>

#include <coppice/core/parallel.h>
#include <coppice/ops/cpu/image_block.h>

namespace coppice::cpu {

namespace {

constexpr std::int64_t kMaxLanes = 16;

/// Calls body(block) for every block of images.
template <class T, class Body>
void for_blocks(std::int64_t n, Body body) {
  const std::int64_t lanes = image_block<T>();
  parallel_for(0, (n + lanes - 1) / lanes, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) body(block);
  });
}

/// Where the vector of a pixel lies.
struct Place {
  std::int64_t height, channels, width, lanes;
  std::int64_t operator()(std::int64_t block, std::int64_t y, std::int64_t c, std::int64_t x) const {
    return (((block * height + y) * channels + c) * width + x) * lanes;
  }
};
template <class T>
Place input_place(const Pool2dGeometry& g, std::int64_t c) {
  return {g.height, c, g.width, image_block<T>()};
}
template <class T>
Place output_place(const Pool2dGeometry& g, std::int64_t c) {
  return {g.out_h(), c, g.out_w(), image_block<T>()};
}

/// Calls visit(output vector, row window, column window) for every output of a block of images.
template <class T, class Visit>
void for_outputs(std::int64_t block, std::int64_t channels, const Pool2dGeometry& g, Visit visit) {
  const Place out = output_place<T>(g, channels);
  for (std::int64_t y = 0; y < g.out_h(); ++y) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t x = 0; x < g.out_w(); ++x) {
        visit(out(block, y, c, x), c, g.rows[static_cast<std::size_t>(y)], g.columns[static_cast<std::size_t>(x)]);
      }
    }
  }
}

/// Calls visit(input vector, number in the window) for the elements of a window that lie inside the image.
template <class Visit>
void for_window(const Place& in, std::int64_t block, std::int64_t c, const Pool2dGeometry& g, const PoolWindow& rows,
                const PoolWindow& columns, Visit visit) {
  for (std::int64_t y = rows.first; y < rows.last; y += g.step_h) {
    for (std::int64_t x = columns.first; x < columns.last; x += g.step_w) {
      visit(in(block, y, c, x), (y - rows.start) / g.step_h * g.kernel_w + (x - columns.start) / g.step_w);
    }
  }
}

template <class T>
T inverse_extent(const PoolWindow& rows, const PoolWindow& columns) {
  return T(1) / static_cast<T>(rows.extent * columns.extent);
}

}  // namespace

template <class T, class Index>
void blocked_max_pool(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const T* input, T* output,
                      Index* where) {
  const Place in = input_place<T>(g, c);
  for_blocks<T>(n, [&](std::int64_t block) {
    for_outputs<T>(block, c, g,
                   [&](std::int64_t to, std::int64_t channel, const PoolWindow& rows, const PoolWindow& columns) {
                     T best[kMaxLanes];
                     Index at[kMaxLanes] = {};
                     bool first = true;
                     for_window(in, block, channel, g, rows, columns, [&](std::int64_t from, std::int64_t number) {
                       for (std::int64_t l = 0; l < in.lanes; ++l) {
                         const T value = input[from + l];
                         const bool better = first || value > best[l] || (std::isnan(value) && !std::isnan(best[l]));
                         best[l] = better ? value : best[l];
                         at[l] = better ? static_cast<Index>(number) : at[l];
                       }
                       first = false;
                     });
                     std::copy_n(best, in.lanes, output + to);
                     std::copy_n(at, in.lanes, where + to);
                   });
  });
}

template <class T, class Index>
void blocked_max_pool_scatter(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const T* d_output,
                              const Index* where, T* d_input) {
  const Place in = input_place<T>(g, c);
  for_blocks<T>(n, [&](std::int64_t block) {
    std::fill(d_input + in(block, 0, 0, 0), d_input + in(block + 1, 0, 0, 0), T(0));
    for_outputs<T>(block, c, g,
                   [&](std::int64_t from, std::int64_t channel, const PoolWindow& rows, const PoolWindow& columns) {
                     for_window(in, block, channel, g, rows, columns, [&](std::int64_t to, std::int64_t number) {
                       for (std::int64_t l = 0; l < in.lanes; ++l) {
                         d_input[to + l] += where[from + l] == static_cast<Index>(number) ? d_output[from + l] : T(0);
                       }
                     });
                   });
  });
}

template <class T>
void blocked_mean_pool(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const T* input, T* output) {
  const Place in = input_place<T>(g, c);
  for_blocks<T>(n, [&](std::int64_t block) {
    for_outputs<T>(block, c, g,
                   [&](std::int64_t to, std::int64_t channel, const PoolWindow& rows, const PoolWindow& columns) {
                     T sum[kMaxLanes] = {};
                     for_window(in, block, channel, g, rows, columns, [&](std::int64_t from, std::int64_t) {
                       for (std::int64_t l = 0; l < in.lanes; ++l) sum[l] += input[from + l];
                     });
                     const T factor = inverse_extent<T>(rows, columns);
                     for (std::int64_t l = 0; l < in.lanes; ++l) output[to + l] = sum[l] * factor;
                   });
  });
}

template <class T>
void blocked_mean_pool_gradient(std::int64_t n, std::int64_t c, const Pool2dGeometry& g, const T* d_output,
                                T* d_input) {
  const Place in = input_place<T>(g, c);
  for_blocks<T>(n, [&](std::int64_t block) {
    std::fill(d_input + in(block, 0, 0, 0), d_input + in(block + 1, 0, 0, 0), T(0));
    for_outputs<T>(block, c, g,
                   [&](std::int64_t from, std::int64_t channel, const PoolWindow& rows, const PoolWindow& columns) {
                     const T factor = inverse_extent<T>(rows, columns);
                     for_window(in, block, channel, g, rows, columns, [&](std::int64_t to, std::int64_t) {
                       for (std::int64_t l = 0; l < in.lanes; ++l) d_input[to + l] += d_output[from + l] * factor;
                     });
                   });
  });
}

template <class T>
void blocked_global_mean(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const T* input, T* output) {
  const Place in{h, c, w, image_block<T>()};
  const T factor = T(1) / static_cast<T>(h * w);
  for_blocks<T>(n, [&](std::int64_t block) {
    const std::int64_t images = std::min(in.lanes, n - block * in.lanes);
    for (std::int64_t channel = 0; channel < c; ++channel) {
      T sum[kMaxLanes] = {};
      for (std::int64_t y = 0; y < h; ++y) {
        for (std::int64_t x = 0; x < w; ++x) {
          const T* const from = input + in(block, y, channel, x);
          for (std::int64_t l = 0; l < in.lanes; ++l) sum[l] += from[l];
        }
      }
      for (std::int64_t l = 0; l < images; ++l) output[(block * in.lanes + l) * c + channel] = sum[l] * factor;
    }
  });
}

template <class T>
void blocked_global_mean_gradient(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const T* d_output,
                                  T* d_input) {
  const Place in{h, c, w, image_block<T>()};
  const T factor = T(1) / static_cast<T>(h * w);
  for_blocks<T>(n, [&](std::int64_t block) {
    const std::int64_t images = std::min(in.lanes, n - block * in.lanes);
    for (std::int64_t y = 0; y < h; ++y) {
      for (std::int64_t channel = 0; channel < c; ++channel) {
        T share[kMaxLanes] = {};
        for (std::int64_t l = 0; l < images; ++l) share[l] = d_output[(block * in.lanes + l) * c + channel] * factor;
        for (std::int64_t x = 0; x < w; ++x) std::copy_n(share, in.lanes, d_input + in(block, y, channel, x));
      }
    }
  });
}

#define COPPICE_INSTANTIATE_BLOCKED_MAX_POOL(T, Index)                                                     \
  template void blocked_max_pool(std::int64_t, std::int64_t, const Pool2dGeometry&, const T*, T*, Index*); \
  template void blocked_max_pool_scatter(std::int64_t, std::int64_t, const Pool2dGeometry&, const T*, const Index*, T*)
COPPICE_INSTANTIATE_BLOCKED_MAX_POOL(float, std::uint8_t);
COPPICE_INSTANTIATE_BLOCKED_MAX_POOL(float, std::int32_t);
COPPICE_INSTANTIATE_BLOCKED_MAX_POOL(double, std::uint8_t);
COPPICE_INSTANTIATE_BLOCKED_MAX_POOL(double, std::int32_t);
#undef COPPICE_INSTANTIATE_BLOCKED_MAX_POOL

#define COPPICE_INSTANTIATE_BLOCKED_MEAN(T)                                                                  \
  template void blocked_mean_pool(std::int64_t, std::int64_t, const Pool2dGeometry&, const T*, T*);          \
  template void blocked_mean_pool_gradient(std::int64_t, std::int64_t, const Pool2dGeometry&, const T*, T*); \
  template void blocked_global_mean(std::int64_t, std::int64_t, std::int64_t, std::int64_t, const T*, T*);   \
  template void blocked_global_mean_gradient(std::int64_t, std::int64_t, std::int64_t, std::int64_t, const T*, T*)
COPPICE_INSTANTIATE_BLOCKED_MEAN(float);
COPPICE_INSTANTIATE_BLOCKED_MEAN(double);
#undef COPPICE_INSTANTIATE_BLOCKED_MEAN

}  // namespace coppice::cpu
