// What optical flow does with matching costs: pyramids of volumes, windows looked up in them, and windows without them.
//
// Mapping       A pyramid is made plane by plane, all levels while the plane is in L1. All samples of a window have the
//               same fractions, so a window of (2r + 2)² elements is blended row by row, then column by column, instead
//               of each sample by itself. Without a volume the window's elements are dot products of one query with
//               neighbouring pixels, whose channels lie side by side.
// Work          pyramid: 1 pass; lookup: (2r + 2)² reads and 2 (2r + 1)² blends a query; without a volume (2r + 2)²
//               dot products a query.
// Bound         memory; without a volume two loads an FMA.
// Deterministic yes: a query's results and gradients are one thread's; the gradient by `b` is summed in order of
//               queries, threads share out channels.
// Measure       coppice-bench --benchmark_filter=correlation
// Source        Teed and Deng, ECCV 2020 (the lookup and its order of channels).

#include <coppice/ops/cpu/correlation.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/correlation.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <coppice/core/parallel.h>
#include <coppice/ops/cpu/interleaved-inl.h>

#ifndef COPPICE_OPS_CPU_CORRELATION_ONCE
#define COPPICE_OPS_CPU_CORRELATION_ONCE
namespace coppice::cpu {
namespace {

/// The kernels of one element type.
template <class T>
struct CorrelationKernels {
  void (*halve)(std::int64_t planes, std::int64_t height, std::int64_t width, std::int64_t levels, const T* in,
                T* const* outputs);
  void (*halve_gradient)(std::int64_t planes, std::int64_t height, std::int64_t width, std::int64_t levels,
                         const T* const* d_outputs, T* d_in);
  void (*lookup)(const LookupGeometry& g, const T* volume, const T* coordinates, T* output);
  void (*lookup_gradients)(const LookupGeometry& g, const T* volume, const T* coordinates, const T* d_output,
                           T* d_volume, T* d_coordinates);
  void (*direct)(const LookupGeometry& g, std::int64_t channels, double factor, const T* a, const T* b,
                 const T* coordinates, T* output);
  void (*direct_gradients)(const LookupGeometry& g, std::int64_t channels, double factor, const T* a, const T* b,
                           const T* coordinates, const T* d_output, T* d_a, T* d_b, T* d_coordinates);
};

}  // namespace
}  // namespace coppice::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

template <class T>
void halve(std::int64_t height, std::int64_t width, const T* in, T* out) {
  for (std::int64_t y = 0; y < height / 2; ++y) {
    const T* HWY_RESTRICT top = in + 2 * y * width;
    const T* HWY_RESTRICT bottom = top + width;
    T* HWY_RESTRICT to = out + y * (width / 2);
    std::int64_t x = 0;
#if HWY_TARGET != HWY_SCALAR
    const Tag<T> d;
    for (; x + kLanesOf<T> <= width / 2; x += kLanesOf<T>) {
      const auto left = hn::Add(hn::LoadU(d, top + 2 * x), hn::LoadU(d, bottom + 2 * x));
      const auto right = hn::Add(hn::LoadU(d, top + 2 * x + kLanesOf<T>), hn::LoadU(d, bottom + 2 * x + kLanesOf<T>));
      const auto sum = hn::Add(hn::ConcatEven(d, right, left), hn::ConcatOdd(d, right, left));
      hn::StoreU(hn::Mul(sum, hn::Set(d, T(0.25))), d, to + x);
    }
#endif
    for (; x < width / 2; ++x) {
      to[x] = ((top[2 * x] + bottom[2 * x]) + (top[2 * x + 1] + bottom[2 * x + 1])) * T(0.25);
    }
  }
}

template <class T>
void halve_all(std::int64_t planes, std::int64_t height, std::int64_t width, std::int64_t levels, const T* in,
               T* const* outputs) {
  const std::int64_t grain = 1 + (std::int64_t{1} << 15) / std::max<std::int64_t>(1, height * width);
  parallel_for(0, planes, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t plane = first; plane < last; ++plane) {
      const T* from = in + plane * height * width;
      std::int64_t h = height, w = width;
      for (std::int64_t level = 0; level < levels; ++level) {
        T* to = outputs[level] + plane * (h / 2) * (w / 2);
        halve(h, w, from, to);
        from = to;
        h /= 2;
        w /= 2;
      }
    }
  });
}

/// out (height, width) = addend (or 0) + a quarter of the element of `in` that each went into.
template <class T>
void spread_quarters(std::int64_t height, std::int64_t width, const T* in, const T* addend, T* HWY_RESTRICT out) {
  for (std::int64_t y = 0; y < height; ++y) {
    const bool used = y < height / 2 * 2;
    for (std::int64_t x = 0; x < width; ++x) {
      const T share = used && x < width / 2 * 2 ? in[y / 2 * (width / 2) + x / 2] * T(0.25) : T{0};
      out[y * width + x] = addend != nullptr ? addend[y * width + x] + share : share;
    }
  }
}

template <class T>
void halve_all_gradient(std::int64_t planes, std::int64_t height, std::int64_t width, std::int64_t levels,
                        const T* const* d_outputs, T* d_in) {
  parallel_for(0, planes, 8, [&](std::int64_t first, std::int64_t last) {
    const auto size = static_cast<std::size_t>((height / 2) * (width / 2));
    std::vector<T> coarse(size), fine(size);
    for (std::int64_t plane = first; plane < last; ++plane) {
      std::fill(coarse.begin(), coarse.end(), T{0});
      for (std::int64_t level = levels; level > 0; --level) {
        const std::int64_t h = height >> level, w = width >> level;
        const T* addend = d_outputs[level - 1] == nullptr ? nullptr : d_outputs[level - 1] + plane * h * w;
        spread_quarters(h, w, coarse.data(), addend, fine.data());
        std::swap(coarse, fine);
      }
      spread_quarters<T>(height, width, coarse.data(), nullptr, d_in + plane * height * width);
    }
  });
}

/// A query's window: (side + 1)² elements from (left, top), and how far between them the samples lie.
template <class T>
struct Window {
  Window(const LookupGeometry& g, T x, T y)
      : side(2 * g.radius + 1), pitch(divide_up(side + 1, kLanesOf<T>) * kLanesOf<T>) {
    const auto place = [&](T at, std::int64_t& first, T& fraction) {
      const T scaled = at * static_cast<T>(g.scale);
      constexpr T kFar = T(1 << 30);
      const bool near = scaled > -kFar && scaled < kFar;  // false for a NaN, which lies outside
      const T floor = near ? std::floor(scaled) : kFar;
      fraction = near ? scaled - floor : T{0};
      first = static_cast<std::int64_t>(floor) - g.radius;
    };
    place(x, left, fraction_x);
    place(y, top, fraction_y);
  }
  std::int64_t side, pitch;
  std::int64_t left = 0, top = 0;
  T fraction_x{0}, fraction_y{0};
};

/// Scratch of one thread; rows of `pitch` elements, what lies past the window is finite.
template <class T>
struct WindowScratch {
  explicit WindowScratch(const LookupGeometry& g) {
    const Window<T> window(g, T{0}, T{0});
    const auto size = static_cast<std::size_t>((window.side + 2) * window.pitch + kLanesOf<T>);
    elements.assign(size, T{0});
    blended.assign(size, T{0});
    d_blended.assign(size, T{0});
    d_elements.assign(size, T{0});
  }
  std::vector<T> elements, blended, d_blended, d_elements;
};

/// Rows of the window that a map has, and the columns of each.
struct Overlap {
  template <class T>
  Overlap(const LookupGeometry& g, const Window<T>& w)
      : first_row(std::clamp<std::int64_t>(-w.top, 0, w.side + 1)),
        end_row(std::clamp<std::int64_t>(g.height - w.top, first_row, w.side + 1)),
        first_column(std::clamp<std::int64_t>(-w.left, 0, w.side + 1)),
        end_column(std::clamp<std::int64_t>(g.width - w.left, first_column, w.side + 1)) {}
  bool all(std::int64_t size) const {
    return first_row == 0 && first_column == 0 && end_row == size && end_column == size;
  }
  std::int64_t first_row, end_row, first_column, end_column;
};

template <class T>
void copy_window(const LookupGeometry& g, const Window<T>& w, const T* map, T* HWY_RESTRICT elements) {
  const Overlap overlap(g, w);
  if (!overlap.all(w.side + 1)) std::fill_n(elements, (w.side + 1) * w.pitch, T{0});
  for (std::int64_t row = overlap.first_row; row < overlap.end_row; ++row) {
    const T* from = map + (w.top + row) * g.width + w.left;
    T* to = elements + row * w.pitch;
    for (std::int64_t i = overlap.first_column; i < overlap.end_column; ++i) to[i] = from[i];
  }
}

/// blended (side + 1 rows) = elements between neighbouring columns.
template <class T>
void blend_columns(const Window<T>& w, const T* HWY_RESTRICT elements, T* HWY_RESTRICT blended) {
  const T right = w.fraction_x, left = T{1} - right;
  for (std::int64_t i = 0; i < (w.side + 1) * w.pitch; ++i) blended[i] = left * elements[i] + right * elements[i + 1];
}

template <class T>
void write_samples(const LookupGeometry& g, const Window<T>& w, const T* HWY_RESTRICT blended, T* HWY_RESTRICT rows,
                   T* HWY_RESTRICT out) {
  const T below = w.fraction_y, above = T{1} - below;
  for (std::int64_t i = 0; i < w.side * w.pitch; ++i) rows[i] = above * blended[i] + below * blended[i + w.pitch];
  for (std::int64_t dx = 0; dx < w.side; ++dx) {
    for (std::int64_t dy = 0; dy < w.side; ++dy, out += g.queries) *out = rows[dy * w.pitch + dx];
  }
}

/// Gradients of a window's elements, and of its point, from those of its samples.
template <class T>
void window_gradient(const LookupGeometry& g, const Window<T>& w, const T* d_out, WindowScratch<T>& s, T* d_x, T* d_y) {
  const T right = w.fraction_x, left = T{1} - right, below = w.fraction_y, above = T{1} - below;
  std::fill(s.d_blended.begin(), s.d_blended.end(), T{0});
  std::fill(s.d_elements.begin(), s.d_elements.end(), T{0});
  T along_x{0}, along_y{0};
  for (std::int64_t dx = 0; dx < w.side; ++dx) {
    for (std::int64_t dy = 0; dy < w.side; ++dy, d_out += g.queries) {
      const auto i = static_cast<std::size_t>(dy * w.pitch + dx), next = i + static_cast<std::size_t>(w.pitch);
      s.d_blended[i] += above * *d_out;
      s.d_blended[next] += below * *d_out;
      along_y += *d_out * (s.blended[next] - s.blended[i]);
    }
  }
  for (std::int64_t row = 0; row <= w.side; ++row) {
    for (std::int64_t dx = 0; dx < w.side; ++dx) {
      const auto i = static_cast<std::size_t>(row * w.pitch + dx);
      s.d_elements[i] += left * s.d_blended[i];
      s.d_elements[i + 1] += right * s.d_blended[i];
      along_x += s.d_blended[i] * (s.elements[i + 1] - s.elements[i]);
    }
  }
  if (d_x != nullptr) {
    *d_x += along_x * static_cast<T>(g.scale);
    *d_y += along_y * static_cast<T>(g.scale);
  }
}

/// Calls body(n, query, window) for every query, in parallel; body is made by make_body() once a part.
template <class T, class MakeBody>
void for_queries(const LookupGeometry& g, const T* coordinates, MakeBody make_body) {
  parallel_for(0, g.batch * g.queries, 32, [&](std::int64_t first, std::int64_t last) {
    auto body = make_body();
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t n = i / g.queries, query = i % g.queries;
      const T* at = coordinates + 2 * n * g.queries + query;
      body(n, query, Window<T>(g, at[0], at[g.queries]));
    }
  });
}

template <class T>
T* samples_of(const LookupGeometry& g, std::int64_t n, std::int64_t query, T* output) {
  return output + (n * g.all_channels + g.first_channel) * g.queries + query;
}

template <class T>
void lookup_all(const LookupGeometry& g, const T* volume, const T* coordinates, T* output) {
  for_queries(g, coordinates, [&] {
    return [&, s = WindowScratch<T>(g)](std::int64_t n, std::int64_t query, const Window<T>& w) mutable {
      copy_window(g, w, volume + (n * g.queries + query) * g.height * g.width, s.elements.data());
      blend_columns(w, s.elements.data(), s.blended.data());
      write_samples(g, w, s.blended.data(), s.d_blended.data(), samples_of(g, n, query, output));
    };
  });
}

template <class T>
void lookup_all_gradients(const LookupGeometry& g, const T* volume, const T* coordinates, const T* d_output,
                          T* d_volume, T* d_coordinates) {
  for_queries(g, coordinates, [&] {
    return [&, s = WindowScratch<T>(g)](std::int64_t n, std::int64_t query, const Window<T>& w) mutable {
      const std::int64_t map = (n * g.queries + query) * g.height * g.width;
      copy_window(g, w, volume + map, s.elements.data());
      blend_columns(w, s.elements.data(), s.blended.data());
      T* d_at = d_coordinates == nullptr ? nullptr : d_coordinates + 2 * n * g.queries + query;
      window_gradient(g, w, samples_of(g, n, query, d_output), s, d_at, d_at == nullptr ? nullptr : d_at + g.queries);
      if (d_volume == nullptr) return;
      std::fill_n(d_volume + map, g.height * g.width, T{0});
      const Overlap overlap(g, w);
      for (std::int64_t row = overlap.first_row; row < overlap.end_row; ++row) {
        T* to = d_volume + map + (w.top + row) * g.width + w.left;
        const T* from = s.d_elements.data() + row * w.pitch;
        for (std::int64_t i = overlap.first_column; i < overlap.end_column; ++i) to[i] = from[i];
      }
    };
  });
}

/// to[i] = factor · Σ_c query · pixel i, of n neighbouring pixels.
template <std::size_t n, class T>
HWY_INLINE void dot_pixels(const Interleaved<T>& image, const T* HWY_RESTRICT query, const T* HWY_RESTRICT pixels,
                           T factor, T* HWY_RESTRICT to) {
  const Tag<T> d;
  hn::Vec<Tag<T>> sum[n];
  unroll<n>([&](auto i) HWY_ATTR { sum[i] = hn::Zero(d); });
  for (std::int64_t c = 0; c < image.pitch(); c += kLanesOf<T>) {
    const auto q = hn::Load(d, query + c);
    unroll<n>([&](auto i) HWY_ATTR {
      sum[i] = hn::MulAdd(q, hn::Load(d, pixels + static_cast<std::int64_t>(i()) * image.pitch() + c), sum[i]);
    });
  }
  unroll<n>([&](auto i) HWY_ATTR { to[i] = factor * hn::GetLane(hn::SumOfLanes(d, sum[i])); });
}

template <class T>
void dot_window(const LookupGeometry& g, const Window<T>& w, const T* query, const Interleaved<T>& b, T factor,
                T* elements) {
  const Overlap overlap(g, w);
  if (!overlap.all(w.side + 1)) std::fill_n(elements, (w.side + 1) * w.pitch, T{0});
  for (std::int64_t row = overlap.first_row; row < overlap.end_row; ++row) {
    const T* pixels = b.at(0) + ((w.top + row) * g.width + w.left) * b.pitch();
    T* to = elements + row * w.pitch;
    std::int64_t i = overlap.first_column;
    for (; i + 5 <= overlap.end_column; i += 5) dot_pixels<5>(b, query, pixels + i * b.pitch(), factor, to + i);
    for (; i < overlap.end_column; ++i) dot_pixels<1>(b, query, pixels + i * b.pitch(), factor, to + i);
  }
}

/// One image of a batch, for the direct lookup.
inline LookupGeometry one_image(LookupGeometry g) {
  g.batch = 1;
  return g;
}

template <class T>
void direct_lookup_all(const LookupGeometry& g, std::int64_t channels, double factor, const T* a, const T* b,
                       const T* coordinates, T* output) {
  const LookupGeometry image = one_image(g);
  Interleaved<T> queries(channels, g.queries), pixels(channels, g.height * g.width);
  for (std::int64_t n = 0; n < g.batch; ++n) {
    queries.read(a + n * channels * g.queries);
    pixels.read(b + n * channels * g.height * g.width);
    T* out = output + n * g.all_channels * g.queries;
    for_queries(image, coordinates + 2 * n * g.queries, [&] {
      return [&, s = WindowScratch<T>(g)](std::int64_t, std::int64_t query, const Window<T>& w) mutable {
        dot_window(g, w, queries.at(query), pixels, static_cast<T>(factor), s.elements.data());
        blend_columns(w, s.elements.data(), s.blended.data());
        write_samples(g, w, s.blended.data(), s.d_blended.data(), samples_of(g, 0, query, out));
      };
    });
  }
}

template <class T>
HWY_INLINE void add_scaled(T factor, const T* HWY_RESTRICT x, std::int64_t first, std::int64_t last,
                           T* HWY_RESTRICT y) {
  const Tag<T> d;
  const auto f = hn::Set(d, factor);
  for (std::int64_t c = first; c < last; c += kLanesOf<T>) {
    hn::Store(hn::MulAdd(f, hn::Load(d, x + c), hn::Load(d, y + c)), d, y + c);
  }
}

/// d_b of the channels [first, last), query after query.
template <class T>
void scatter_windows(const LookupGeometry& g, T factor, const Interleaved<T>& queries, const T* coordinates,
                     const T* d_out, std::int64_t first, std::int64_t last, Interleaved<T>& d_pixels) {
  WindowScratch<T> s(g);
  d_pixels.clear(first, last);
  for (std::int64_t query = 0; query < g.queries; ++query) {
    const Window<T> w(g, coordinates[query], coordinates[g.queries + query]);
    window_gradient<T>(g, w, samples_of(g, 0, query, d_out), s, nullptr, nullptr);
    const Overlap overlap(g, w);
    for (std::int64_t row = overlap.first_row; row < overlap.end_row; ++row) {
      for (std::int64_t i = overlap.first_column; i < overlap.end_column; ++i) {
        add_scaled(factor * s.d_elements[static_cast<std::size_t>(row * w.pitch + i)], queries.at(query), first, last,
                   d_pixels.at((w.top + row) * g.width + w.left + i));
      }
    }
  }
}

template <class T>
void direct_lookup_all_gradients(const LookupGeometry& g, std::int64_t channels, double factor, const T* a, const T* b,
                                 const T* coordinates, const T* d_output, T* d_a, T* d_b, T* d_coordinates) {
  const LookupGeometry image = one_image(g);
  const T scale = static_cast<T>(factor);
  Interleaved<T> queries(channels, g.queries), pixels(channels, g.height * g.width);
  Interleaved<T> d_queries(channels, d_a == nullptr ? 0 : g.queries);
  Interleaved<T> d_pixels(channels, d_b == nullptr ? 0 : g.height * g.width);
  for (std::int64_t n = 0; n < g.batch; ++n) {
    queries.read(a + n * channels * g.queries);
    pixels.read(b + n * channels * g.height * g.width);
    const T* at = coordinates + 2 * n * g.queries;
    const T* d_out = d_output + n * g.all_channels * g.queries;
    T* d_at = d_coordinates == nullptr ? nullptr : d_coordinates + 2 * n * g.queries;
    if (d_a != nullptr) d_queries.read(d_a + n * channels * g.queries);
    if (d_a != nullptr || d_at != nullptr) {
      for_queries(image, at, [&] {
        return [&, s = WindowScratch<T>(g)](std::int64_t, std::int64_t query, const Window<T>& w) mutable {
          dot_window(g, w, queries.at(query), pixels, scale, s.elements.data());
          blend_columns(w, s.elements.data(), s.blended.data());
          window_gradient(g, w, samples_of(g, 0, query, d_out), s, d_at == nullptr ? nullptr : d_at + query,
                          d_at == nullptr ? nullptr : d_at + g.queries + query);
          const Overlap overlap(g, w);
          for (std::int64_t row = overlap.first_row; d_a != nullptr && row < overlap.end_row; ++row) {
            for (std::int64_t i = overlap.first_column; i < overlap.end_column; ++i) {
              add_scaled(scale * s.d_elements[static_cast<std::size_t>(row * w.pitch + i)],
                         pixels.at((w.top + row) * g.width + w.left + i), 0, pixels.pitch(), d_queries.at(query));
            }
          }
        };
      });
    }
    if (d_a != nullptr) d_queries.write(d_a + n * channels * g.queries);
    if (d_b == nullptr) continue;
    parallel_for(0, pixels.pitch() / kLanesOf<T>, 1, [&](std::int64_t first, std::int64_t last) {
      scatter_windows(g, scale, queries, at, d_out, first * kLanesOf<T>, last * kLanesOf<T>, d_pixels);
    });
    d_pixels.write(d_b + n * channels * g.height * g.width);
  }
}

template <class T>
CorrelationKernels<T> kernels() {
  return {halve_all<T>,         halve_all_gradient<T>,         lookup_all<T>, lookup_all_gradients<T>,
          direct_lookup_all<T>, direct_lookup_all_gradients<T>};
}
CorrelationKernels<float> kernels_f32() { return kernels<float>(); }
CorrelationKernels<double> kernels_f64() { return kernels<double>(); }

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(kernels_f32);
HWY_EXPORT(kernels_f64);

namespace {

template <class T>
CorrelationKernels<T> best_kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(kernels_f32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(kernels_f64)();
  }
}

}  // namespace

template <class T>
void halve_planes(std::int64_t planes, std::int64_t height, std::int64_t width, std::int64_t levels, const T* in,
                  T* const* outputs) {
  best_kernels<T>().halve(planes, height, width, levels, in, outputs);
}

template <class T>
void halve_planes_gradient(std::int64_t planes, std::int64_t height, std::int64_t width, std::int64_t levels,
                           const T* const* d_outputs, T* d_in) {
  best_kernels<T>().halve_gradient(planes, height, width, levels, d_outputs, d_in);
}

template <class T>
void lookup(const LookupGeometry& g, const T* volume, const T* coordinates, T* output) {
  best_kernels<T>().lookup(g, volume, coordinates, output);
}

template <class T>
void lookup_gradients(const LookupGeometry& g, const T* volume, const T* coordinates, const T* d_output, T* d_volume,
                      T* d_coordinates) {
  best_kernels<T>().lookup_gradients(g, volume, coordinates, d_output, d_volume, d_coordinates);
}

template <class T>
void direct_lookup(const LookupGeometry& g, std::int64_t channels, double factor, const T* a, const T* b,
                   const T* coordinates, T* output) {
  best_kernels<T>().direct(g, channels, factor, a, b, coordinates, output);
}

template <class T>
void direct_lookup_gradients(const LookupGeometry& g, std::int64_t channels, double factor, const T* a, const T* b,
                             const T* coordinates, const T* d_output, T* d_a, T* d_b, T* d_coordinates) {
  best_kernels<T>().direct_gradients(g, channels, factor, a, b, coordinates, d_output, d_a, d_b, d_coordinates);
}

#define COPPICE_INSTANTIATE_CORRELATION(T)                                                                          \
  template void halve_planes(std::int64_t, std::int64_t, std::int64_t, std::int64_t, const T*, T* const*);          \
  template void halve_planes_gradient(std::int64_t, std::int64_t, std::int64_t, std::int64_t, const T* const*, T*); \
  template void lookup(const LookupGeometry&, const T*, const T*, T*);                                              \
  template void lookup_gradients(const LookupGeometry&, const T*, const T*, const T*, T*, T*);                      \
  template void direct_lookup(const LookupGeometry&, std::int64_t, double, const T*, const T*, const T*, T*);       \
  template void direct_lookup_gradients(const LookupGeometry&, std::int64_t, double, const T*, const T*, const T*,  \
                                        const T*, T*, T*, T*)
COPPICE_INSTANTIATE_CORRELATION(float);
COPPICE_INSTANTIATE_CORRELATION(double);
#undef COPPICE_INSTANTIATE_CORRELATION

}  // namespace coppice::cpu
#endif
