#include <coppice/ops/cpu/pool2d.h>

#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>
#include <vector>

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

/// Where the elements of a window lie in a plane, relative to its start.
std::vector<std::int64_t> window_offsets(const Pool2dGeometry& g) {
  std::vector<std::int64_t> offsets;
  for (std::int64_t y = 0; y < g.kernel_h; ++y) {
    for (std::int64_t x = 0; x < g.kernel_w; ++x) offsets.push_back(y * g.step_h * g.width + x * g.step_w);
  }
  return offsets;
}

/// Calls body(output, input) with the offsets in their planes of each output and the input its maximum came from.
template <class Index, class Body>
void for_maxima(const Pool2dGeometry& g, const std::vector<std::int64_t>& offsets, const Index* where, Body&& body) {
  std::int64_t out = 0;
  for (const PoolWindow& row : g.rows) {
    for (const PoolWindow& column : g.columns) {
      const std::int64_t start = row.start * g.width + column.start;
      const std::int64_t in = start + offsets[static_cast<std::size_t>(where[out])];
      body(out++, in);
    }
  }
}

/// For each column of the kernel, the windows [first, last) that have it inside the image.
struct Span {
  std::int64_t first, last;
};

std::vector<Span> spans_of(const Pool2dGeometry& g) {
  std::vector<Span> spans;
  for (std::int64_t kx = 0; kx < g.kernel_w; ++kx) {
    Span span{0, g.out_w()};
    const auto column = [&](std::int64_t ox) { return g.columns[ox].start + kx * g.step_w; };
    while (span.first < span.last && column(span.first) < 0) ++span.first;
    while (span.first < span.last && column(span.last - 1) >= g.width) --span.last;
    spans.push_back(span);
  }
  return spans;
}

/// An integer as wide as T, so that both move through vectors together.
template <class T>
using Lane = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

/// best[i] = in[i · stride] and at[i] = position where that is larger or the first NaN: one element of the kernel
/// along a row of windows, without branches, since maxima are hard to predict.
template <class T>
void take_larger(std::int64_t count, std::int64_t stride, const T* __restrict in, Lane<T> position, T* __restrict best,
                 Lane<T>* __restrict at) {
  const auto run = [&](auto step) {
    for (std::int64_t i = 0; i < count; ++i) {
      const T value = in[i * step];
      const T old = best[i];
      const bool take = static_cast<int>(!(value <= old)) & static_cast<int>(old == old);
      best[i] = take ? value : old;
      at[i] = take ? position : at[i];
    }
  };
  switch (stride) {  // known to the compiler where it is usual
    case 1: return run(std::integral_constant<std::int64_t, 1>{});
    case 2: return run(std::integral_constant<std::int64_t, 2>{});
    default: return run(stride);
  }
}

}  // namespace

template <class T, class Index>
void max_pool2d_forward(const Pool2dGeometry& g, const T* input, T* output, Index* where) {
  constexpr std::int64_t kPiece = 256;
  const std::vector<Span> spans = spans_of(g);
  const std::int64_t stride = g.out_w() > 1 ? g.columns[1].start - g.columns[0].start : 1;
  for_planes(g, [&](std::int64_t plane) {
    const T* image = input + plane * g.height * g.width;
    T* best = output + plane * g.out_pixels();
    Index* out_at = where + plane * g.out_pixels();
    std::array<Lane<T>, kPiece> at;
    for (const PoolWindow& row : g.rows) {
      const std::int64_t top = (row.first - row.start) / g.step_h * g.kernel_w;
      for (std::int64_t begin = 0; begin < g.out_w(); begin += kPiece) {
        const std::int64_t end = std::min(begin + kPiece, g.out_w());
        std::fill(best + begin, best + end, -std::numeric_limits<T>::infinity());
        for (std::int64_t ox = begin; ox < end; ++ox) {
          const PoolWindow& column = g.columns[ox];
          const std::int64_t before = column.first == column.start ? 0 : (column.first - column.start) / g.step_w;
          at[static_cast<std::size_t>(ox - begin)] = static_cast<Lane<T>>(top + before);
        }
        std::int64_t position = top;
        for (std::int64_t y = row.first; y < row.last; y += g.step_h) {
          for (std::int64_t kx = 0; kx < g.kernel_w; ++kx, ++position) {
            const T* in = image + y * g.width + g.columns[0].start + kx * g.step_w;
            const Span span = spans[static_cast<std::size_t>(kx)];
            const std::int64_t first = std::max(span.first, begin), last = std::min(span.last, end);
            if (first >= last) continue;
            take_larger(last - first, stride, in + first * stride, static_cast<Lane<T>>(position), best + first,
                        at.data() + (first - begin));
          }
        }
        for (std::int64_t ox = begin; ox < end; ++ox) {
          out_at[ox] = static_cast<Index>(at[static_cast<std::size_t>(ox - begin)]);
        }
      }
      best += g.out_w();
      out_at += g.out_w();
    }
  });
}

template <class T, class Index>
void max_pool2d_scatter(const Pool2dGeometry& g, const T* d_output, const Index* where, T* d_input) {
  const std::vector<std::int64_t> offsets = window_offsets(g);
  for_planes(g, [&](std::int64_t plane) {
    const T* gradient = d_output + plane * g.out_pixels();
    T* image = d_input + plane * g.height * g.width;
    std::fill_n(image, g.height * g.width, T{0});
    for_maxima(g, offsets, where + plane * g.out_pixels(),
               [&](std::int64_t out, std::int64_t in) { image[in] += gradient[out]; });
  });
}

template <class T, class Index>
void max_pool2d_gather(const Pool2dGeometry& g, const T* input, const Index* where, T* output) {
  const std::vector<std::int64_t> offsets = window_offsets(g);
  for_planes(g, [&](std::int64_t plane) {
    const T* image = input + plane * g.height * g.width;
    T* result = output + plane * g.out_pixels();
    for_maxima(g, offsets, where + plane * g.out_pixels(),
               [&](std::int64_t out, std::int64_t in) { result[out] = image[in]; });
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
