#include <coppice/ops/cpu/batch_norm.h>

#include <algorithm>
#include <array>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>

namespace coppice::cpu {

namespace {

constexpr std::int64_t kGrain = 1 << 15;
constexpr std::size_t kLanes = 16;
constexpr std::int64_t kBlock = 1024;  // elements summed in T before they join the f64 total

/// Calls body(plane, channel) for all (image, channel) planes, in parallel.
template <class Body>
void for_planes(const BatchNormGeometry& g, Body&& body) {
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, g.inner));
  parallel_for(0, g.batch * g.channels, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t plane = first; plane < last; ++plane) body(plane, plane % g.channels);
  });
}

/// Σ term(i) over [0, count), the order fixed by count alone.
template <class T, class Term>
double lane_sum(std::int64_t count, Term&& term) {
  double total = 0.0;
  for (std::int64_t block = 0; block < count; block += kBlock) {
    const std::int64_t end = std::min(block + kBlock, count);
    std::array<T, kLanes> lanes{};
    std::int64_t i = block;
    for (; i + static_cast<std::int64_t>(kLanes) <= end; i += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + static_cast<std::int64_t>(lane));
    }
    for (std::size_t lane = 0; i < end; ++i, ++lane) lanes[lane] += term(i);
    for (const T lane : lanes) total += static_cast<double>(lane);
  }
  return total;
}

/// total[c] = Σ over images of partial[image · channels + c].
void sum_images(const BatchNormGeometry& g, const Buffer<double>& partial, double* total) {
  std::fill_n(total, g.channels, 0.0);
  for (std::int64_t image = 0; image < g.batch; ++image) {
    for (std::int64_t c = 0; c < g.channels; ++c) total[c] += partial[image * g.channels + c];
  }
}

}  // namespace

template <class T>
void batch_statistics(const BatchNormGeometry& g, const T* input, double* mean, double* variance) {
  Buffer<double> partial(g.batch * g.channels);
  const auto count = static_cast<double>(g.count());
  for_planes(g, [&](std::int64_t plane, std::int64_t) {
    const T* x = input + plane * g.inner;
    partial[plane] = lane_sum<T>(g.inner, [x](std::int64_t i) { return x[i]; });
  });
  sum_images(g, partial, mean);
  for (std::int64_t c = 0; c < g.channels; ++c) mean[c] /= count;

  // The rounded mean is what is subtracted; what it misses is taken out of the variance again.
  Buffer<double> partial_rest(g.batch * g.channels);
  for_planes(g, [&](std::int64_t plane, std::int64_t c) {
    const T* x = input + plane * g.inner;
    const T center = static_cast<T>(mean[c]);
    partial[plane] = lane_sum<T>(g.inner, [x, center](std::int64_t i) { return (x[i] - center) * (x[i] - center); });
    partial_rest[plane] = lane_sum<T>(g.inner, [x, center](std::int64_t i) { return x[i] - center; });
  });
  Buffer<double> rest(g.channels);
  sum_images(g, partial, variance);
  sum_images(g, partial_rest, rest.data());
  for (std::int64_t c = 0; c < g.channels; ++c) {
    variance[c] = std::max(0.0, (variance[c] - rest[c] * rest[c] / count) / count);
  }
}

template <class T>
void normalize_channels(const BatchNormGeometry& g, const T* input, const double* mean, const double* scale,
                        const double* shift, T* output) {
  for_planes(g, [&](std::int64_t plane, std::int64_t c) {
    const T* x = input + plane * g.inner;
    T* y = output + plane * g.inner;
    const T center = static_cast<T>(mean[c]);
    const T factor = static_cast<T>(scale[c]);
    const T offset = static_cast<T>(shift[c]);
    for (std::int64_t i = 0; i < g.inner; ++i) y[i] = (x[i] - center) * factor + offset;
  });
}

template <class T>
void batch_norm_sums(const BatchNormGeometry& g, const T* d_output, const T* input, const double* mean, double* sum,
                     double* dot) {
  Buffer<double> sums(g.batch * g.channels);
  Buffer<double> dots(g.batch * g.channels);
  for_planes(g, [&](std::int64_t plane, std::int64_t c) {
    const T* dy = d_output + plane * g.inner;
    const T* x = input + plane * g.inner;
    const T center = static_cast<T>(mean[c]);
    sums[plane] = lane_sum<T>(g.inner, [dy](std::int64_t i) { return dy[i]; });
    dots[plane] = lane_sum<T>(g.inner, [dy, x, center](std::int64_t i) { return dy[i] * (x[i] - center); });
  });
  sum_images(g, sums, sum);
  sum_images(g, dots, dot);
}

template <class T>
void batch_norm_data_gradient(const BatchNormGeometry& g, const T* d_output, const T* input, const double* mean,
                              const double* a, const double* b, const double* c, T* d_input) {
  for_planes(g, [&](std::int64_t plane, std::int64_t channel) {
    const T* dy = d_output + plane * g.inner;
    const T* x = input + plane * g.inner;
    T* dx = d_input + plane * g.inner;
    const T center = static_cast<T>(mean[channel]);
    const T of_gradient = static_cast<T>(a[channel]);
    const T of_input = static_cast<T>(b[channel]);
    const T offset = static_cast<T>(c[channel]);
    for (std::int64_t i = 0; i < g.inner; ++i) dx[i] = dy[i] * of_gradient + (x[i] - center) * of_input + offset;
  });
}

#define COPPICE_INSTANTIATE_BATCH_NORM(T)                                                                            \
  template void batch_statistics(const BatchNormGeometry&, const T*, double*, double*);                              \
  template void normalize_channels(const BatchNormGeometry&, const T*, const double*, const double*, const double*,  \
                                   T*);                                                                              \
  template void batch_norm_sums(const BatchNormGeometry&, const T*, const T*, const double*, double*, double*);      \
  template void batch_norm_data_gradient(const BatchNormGeometry&, const T*, const T*, const double*, const double*, \
                                         const double*, const double*, T*)
COPPICE_INSTANTIATE_BATCH_NORM(float);
COPPICE_INSTANTIATE_BATCH_NORM(double);
#undef COPPICE_INSTANTIATE_BATCH_NORM

}  // namespace coppice::cpu
