#include <coppice/ops/cpu/pool2d.h>

#include <algorithm>

#include <coppice/core/parallel.h>

namespace coppice::cpu {

namespace {

constexpr std::int64_t kGrain = 1 << 15;

/// Calls body(plane) for all planes, in parallel.
template <class Body>
void for_planes(const Pool2dGeometry& g, Body&& body) {
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, g.height * g.width));
  parallel_for(0, g.planes, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t plane = first; plane < last; ++plane) body(plane);
  });
}

/// Calls body(output, input) with the offsets in their planes of each output and the input its maximum came from.
template <class Index, class Body>
void for_maxima(const Pool2dGeometry& g, const Index* where, Body&& body) {
  std::int64_t out = 0;
  for (const PoolWindow& row : g.rows) {
    for (const PoolWindow& column : g.columns) {
      const auto position = static_cast<std::int64_t>(where[out]);
      const std::int64_t y = row.first + (position / g.kernel_w - row.offset) * g.step_h;
      const std::int64_t x = column.first + (position % g.kernel_w - column.offset) * g.step_w;
      body(out++, y * g.width + x);
    }
  }
}

}  // namespace

template <class T, class Index>
void max_pool2d_forward(const Pool2dGeometry& g, const T* input, T* output, Index* where) {
  for_planes(g, [&](std::int64_t plane) {
    const T* image = input + plane * g.height * g.width;
    T* out = output + plane * g.out_pixels();
    Index* position = where + plane * g.out_pixels();
    for (const PoolWindow& row : g.rows) {
      for (const PoolWindow& column : g.columns) {
        T best = image[row.first * g.width + column.first];
        std::int64_t best_at = row.offset * g.kernel_w + column.offset;
        std::int64_t line_at = best_at;
        for (std::int64_t y = row.first; y < row.last; y += g.step_h, line_at += g.kernel_w) {
          std::int64_t at = line_at;
          for (std::int64_t x = column.first; x < column.last; x += g.step_w, ++at) {
            const T value = image[y * g.width + x];
            const bool first_nan = value != value && best == best;
            if (value > best || first_nan) {
              best = value;
              best_at = at;
            }
          }
        }
        *out++ = best;
        *position++ = static_cast<Index>(best_at);
      }
    }
  });
}

template <class T, class Index>
void max_pool2d_scatter(const Pool2dGeometry& g, const T* d_output, const Index* where, T* d_input) {
  for_planes(g, [&](std::int64_t plane) {
    const T* gradient = d_output + plane * g.out_pixels();
    T* image = d_input + plane * g.height * g.width;
    std::fill_n(image, g.height * g.width, T{0});
    for_maxima(g, where + plane * g.out_pixels(),
               [&](std::int64_t out, std::int64_t in) { image[in] += gradient[out]; });
  });
}

template <class T, class Index>
void max_pool2d_gather(const Pool2dGeometry& g, const T* input, const Index* where, T* output) {
  for_planes(g, [&](std::int64_t plane) {
    const T* image = input + plane * g.height * g.width;
    T* result = output + plane * g.out_pixels();
    for_maxima(g, where + plane * g.out_pixels(), [&](std::int64_t out, std::int64_t in) { result[out] = image[in]; });
  });
}

template <class T>
void mean_pool2d_forward(const Pool2dGeometry& g, const T* input, T* output) {
  for_planes(g, [&](std::int64_t plane) {
    const T* image = input + plane * g.height * g.width;
    T* out = output + plane * g.out_pixels();
    for (const PoolWindow& row : g.rows) {
      for (const PoolWindow& column : g.columns) {
        double sum = 0.0;
        for (std::int64_t y = row.first; y < row.last; ++y) {
          for (std::int64_t x = column.first; x < column.last; ++x) sum += static_cast<double>(image[y * g.width + x]);
        }
        *out++ = static_cast<T>(sum / static_cast<double>(row.extent * column.extent));
      }
    }
  });
}

template <class T>
void mean_pool2d_gradient(const Pool2dGeometry& g, const T* d_output, T* d_input) {
  for_planes(g, [&](std::int64_t plane) {
    const T* gradient = d_output + plane * g.out_pixels();
    T* image = d_input + plane * g.height * g.width;
    std::fill_n(image, g.height * g.width, T{0});
    for (const PoolWindow& row : g.rows) {
      for (const PoolWindow& column : g.columns) {
        const T share = *gradient++ / static_cast<T>(row.extent * column.extent);
        for (std::int64_t y = row.first; y < row.last; ++y) {
          for (std::int64_t x = column.first; x < column.last; ++x) image[y * g.width + x] += share;
        }
      }
    }
  });
}

#define COPPICE_INSTANTIATE_MAX_POOL(T, Index)                                         \
  template void max_pool2d_forward(const Pool2dGeometry&, const T*, T*, Index*);       \
  template void max_pool2d_scatter(const Pool2dGeometry&, const T*, const Index*, T*); \
  template void max_pool2d_gather(const Pool2dGeometry&, const T*, const Index*, T*)
COPPICE_INSTANTIATE_MAX_POOL(float, std::uint8_t);
COPPICE_INSTANTIATE_MAX_POOL(float, std::int32_t);
COPPICE_INSTANTIATE_MAX_POOL(double, std::uint8_t);
COPPICE_INSTANTIATE_MAX_POOL(double, std::int32_t);
#undef COPPICE_INSTANTIATE_MAX_POOL

template void mean_pool2d_forward(const Pool2dGeometry&, const float*, float*);
template void mean_pool2d_forward(const Pool2dGeometry&, const double*, double*);
template void mean_pool2d_gradient(const Pool2dGeometry&, const float*, float*);
template void mean_pool2d_gradient(const Pool2dGeometry&, const double*, double*);

}  // namespace coppice::cpu
