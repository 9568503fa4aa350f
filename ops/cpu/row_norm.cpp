// Normalising rows: layer, group and instance norm.
//
// Mapping        rows in parallel; a row is read from memory once and then from cache: for its sum, for its squared
//                deviations, and to write. Gradients of weight and bias are summed per chunk of rows, then over chunks.
// Work           some 8 operations per element forward, 15 backward.
// Bound          memory: 2 arrays forward, 3 backward, where a row fits into L2.
// Deterministic  yes: a row is summed in the order of cpu/fold.h, chunks depend on the geometry alone.

#include <coppice/ops/cpu/row_norm.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/row_norm.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <coppice/core/parallel.h>
#include <coppice/ops/cpu/fold.h>

#ifndef COPPICE_OPS_CPU_ROW_NORM_ONCE
#define COPPICE_OPS_CPU_ROW_NORM_ONCE
namespace coppice::cpu {
namespace {

/// (x[i] − offset)²
template <class T>
struct LoadSquare {
  const T* x;
  T offset;
  [[gnu::always_inline]] T operator()(std::int64_t i) const {
    const T d = x[i] - offset;
    return d * d;
  }
};
/// g[i] · (x[i] − offset)
template <class T>
struct LoadMoment {
  const T* g;
  const T* x;
  T offset;
  [[gnu::always_inline]] T operator()(std::int64_t i) const { return g[i] * (x[i] - offset); }
};
/// g[i] · w[i] · (x[i] − offset)
template <class T>
struct LoadWeightedMoment {
  const T* g;
  const T* w;
  const T* x;
  T offset;
  [[gnu::always_inline]] T operator()(std::int64_t i) const { return g[i] * w[i] * (x[i] - offset); }
};

template <class T>
struct RowNormArrays {
  const T *x, *weight, *bias;
  T *y, *mean, *rstd;
};

template <class T>
struct RowNormGradients {
  const T *x, *weight, *mean, *rstd, *d_y;
  T *d_x, *d_weight, *d_bias;  ///< of the parameters: sums of one chunk
};

template <class T>
struct RowNormKernels {
  void (*forward)(std::int64_t first, std::int64_t end, const RowNormGeometry&, T eps, const RowNormArrays<T>&);
  void (*backward)(std::int64_t first, std::int64_t end, const RowNormGeometry&, const RowNormGradients<T>&);
};

}  // namespace
}  // namespace coppice::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

template <class T>
void forward_rows(std::int64_t first, std::int64_t end, const RowNormGeometry& g, T eps, const RowNormArrays<T>& a) {
  const std::int64_t columns = g.columns();
  const T count = static_cast<T>(columns);
  for (std::int64_t r = first; r < end; ++r) {
    const T* x = a.x + r * columns;
    T* HWY_RESTRICT y = a.y + r * columns;
    const T mean = fold<functor::Add, T>(columns, LoadPlain<T>{x}) / count;
    const T variance = fold<functor::Add, T>(columns, LoadSquare<T>{x, mean}) / count;
    const T rstd = T{1} / std::sqrt(variance + eps);
    a.mean[r] = mean;
    a.rstd[r] = rstd;
    const std::int64_t parameter = r % g.period * g.channels;
    const T* w = a.weight == nullptr ? nullptr : a.weight + parameter;
    const T* b = a.bias == nullptr ? nullptr : a.bias + parameter;
    if (g.inner == 1 && w != nullptr && b != nullptr) {
      for (std::int64_t i = 0; i < columns; ++i) y[i] = (x[i] - mean) * rstd * w[i] + b[i];
      continue;
    }
    if (g.inner == 1 && w != nullptr) {
      for (std::int64_t i = 0; i < columns; ++i) y[i] = (x[i] - mean) * rstd * w[i];
      continue;
    }
    for (std::int64_t c = 0; c < g.channels; ++c) {
      const T scale = w == nullptr ? rstd : rstd * w[c], shift = b == nullptr ? T{0} : b[c];
      for (std::int64_t i = c * g.inner; i < (c + 1) * g.inner; ++i) y[i] = (x[i] - mean) * scale + shift;
    }
  }
}

/// Σ g·w and Σ g·w·(x − mean) of one row.
template <class T>
struct Moments {
  T sum = 0, product = 0;
};

/// A row whose parameters belong to single elements.
template <class T>
Moments<T> add_elements(std::int64_t columns, const T* x, const T* d_y, const T* w, T mean, T rstd,
                        T* HWY_RESTRICT d_weight, T* HWY_RESTRICT d_bias) {
  if (d_weight != nullptr) {
    for (std::int64_t i = 0; i < columns; ++i) d_weight[i] += d_y[i] * (x[i] - mean) * rstd;
  }
  if (d_bias != nullptr) {
    for (std::int64_t i = 0; i < columns; ++i) d_bias[i] += d_y[i];
  }
  if (w == nullptr) {
    return {fold<functor::Add, T>(columns, LoadPlain<T>{d_y}),
            fold<functor::Add, T>(columns, LoadMoment<T>{d_y, x, mean})};
  }
  return {fold<functor::Add, T>(columns, LoadProduct<T>{d_y, w}),
          fold<functor::Add, T>(columns, LoadWeightedMoment<T>{d_y, w, x, mean})};
}

/// A row whose parameters belong to runs.
template <class T>
Moments<T> add_runs(const RowNormGeometry& g, const T* x, const T* d_y, const T* w, T mean, T rstd, T* d_weight,
                    T* d_bias) {
  Moments<T> total;
  for (std::int64_t c = 0; c < g.channels; ++c) {
    const T* run = d_y + c * g.inner;
    const T sum = fold<functor::Add, T>(g.inner, LoadPlain<T>{run});
    const T product = fold<functor::Add, T>(g.inner, LoadMoment<T>{run, x + c * g.inner, mean});
    if (d_weight != nullptr) d_weight[c] += product * rstd;
    if (d_bias != nullptr) d_bias[c] += sum;
    const T scale = w == nullptr ? T{1} : w[c];
    total.sum += sum * scale;
    total.product += product * scale;
  }
  return total;
}

template <class T>
void backward_rows(std::int64_t first, std::int64_t end, const RowNormGeometry& g, const RowNormGradients<T>& a) {
  const std::int64_t columns = g.columns();
  for (std::int64_t r = first; r < end; ++r) {
    const T* x = a.x + r * columns;
    const T* d_y = a.d_y + r * columns;
    const T mean = a.mean[r], rstd = a.rstd[r];
    const std::int64_t parameter = r % g.period * g.channels;
    const T* w = a.weight == nullptr ? nullptr : a.weight + parameter;
    T* d_weight = a.d_weight == nullptr ? nullptr : a.d_weight + parameter;
    T* d_bias = a.d_bias == nullptr ? nullptr : a.d_bias + parameter;
    const Moments<T> moments = g.inner == 1 ? add_elements(columns, x, d_y, w, mean, rstd, d_weight, d_bias)
                                            : add_runs(g, x, d_y, w, mean, rstd, d_weight, d_bias);
    if (a.d_x == nullptr) continue;
    T* HWY_RESTRICT d_x = a.d_x + r * columns;
    const T average = moments.sum / static_cast<T>(columns);
    const T slope = moments.product * rstd * rstd / static_cast<T>(columns);
    if (g.inner == 1 && w != nullptr) {
      for (std::int64_t i = 0; i < columns; ++i) d_x[i] = (d_y[i] * w[i] - average - (x[i] - mean) * slope) * rstd;
      continue;
    }
    for (std::int64_t c = 0; c < g.channels; ++c) {
      const T scale = w == nullptr ? T{1} : w[c];
      for (std::int64_t i = c * g.inner; i < (c + 1) * g.inner; ++i) {
        d_x[i] = (d_y[i] * scale - average - (x[i] - mean) * slope) * rstd;
      }
    }
  }
}

RowNormKernels<float> kernels_f32() { return {forward_rows<float>, backward_rows<float>}; }
RowNormKernels<double> kernels_f64() { return {forward_rows<double>, backward_rows<double>}; }

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(kernels_f32);
HWY_EXPORT(kernels_f64);

namespace {

template <class T>
const RowNormKernels<T>& best_kernels() {
  if constexpr (std::is_same_v<T, float>) {
    static const RowNormKernels<float> best = HWY_DYNAMIC_DISPATCH(kernels_f32)();
    return best;
  } else {
    static const RowNormKernels<double> best = HWY_DYNAMIC_DISPATCH(kernels_f64)();
    return best;
  }
}

constexpr std::int64_t kGrain = 16384;    // elements per part of the forward pass
constexpr std::int64_t kMaxChunks = 32;   // of rows, each with sums of its own
constexpr std::int64_t kMinChunk = 4096;  // elements

/// sums[p] = Σ over chunks of parts[chunk][p], in order.
template <class T>
void add_chunks(std::int64_t chunks, std::int64_t count, const std::vector<T>& parts, T* sums) {
  if (sums == nullptr) return;
  std::fill_n(sums, count, T{0});
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    for (std::int64_t p = 0; p < count; ++p) sums[p] += parts[static_cast<std::size_t>(chunk * count + p)];
  }
}

template <class T>
void backward_typed(const RowNormGeometry& g, const RowNormGradients<T>& a) {
  const std::int64_t rows_at_least = kMinChunk / std::max<std::int64_t>(1, g.columns()) + 1;
  const std::int64_t chunk_rows = std::max(rows_at_least, (g.rows + kMaxChunks - 1) / kMaxChunks);
  const std::int64_t chunks = (g.rows + chunk_rows - 1) / chunk_rows, count = g.parameters();
  const auto size = static_cast<std::size_t>(chunks * count);
  std::vector<T> weights(a.d_weight == nullptr ? 0 : size), biases(a.d_bias == nullptr ? 0 : size);
  parallel_chunks(g.rows, chunk_rows, [&](std::int64_t chunk, std::int64_t first, std::int64_t end) {
    RowNormGradients<T> own = a;
    if (a.d_weight != nullptr) own.d_weight = weights.data() + chunk * count;
    if (a.d_bias != nullptr) own.d_bias = biases.data() + chunk * count;
    best_kernels<T>().backward(first, end, g, own);
  });
  add_chunks(chunks, count, weights, a.d_weight);
  add_chunks(chunks, count, biases, a.d_bias);
}

}  // namespace

void row_norm(DType dtype, const RowNormGeometry& g, double eps, const void* x, const void* weight, const void* bias,
              void* y, void* mean, void* rstd) {
  dispatch_floating(dtype, "row_norm", [&]<class T>() {
    const RowNormArrays<T> arrays{static_cast<const T*>(x), static_cast<const T*>(weight), static_cast<const T*>(bias),
                                  static_cast<T*>(y),       static_cast<T*>(mean),         static_cast<T*>(rstd)};
    const std::int64_t grain = kGrain / std::max<std::int64_t>(1, g.columns()) + 1;
    parallel_for(0, g.rows, grain, [&](std::int64_t first, std::int64_t end) {
      best_kernels<T>().forward(first, end, g, static_cast<T>(eps), arrays);
    });
  });
}

void row_norm_backward(DType dtype, const RowNormGeometry& g, const void* x, const void* weight, const void* mean,
                       const void* rstd, const void* d_y, void* d_x, void* d_weight, void* d_bias) {
  dispatch_floating(dtype, "row_norm", [&]<class T>() {
    backward_typed<T>(g, {static_cast<const T*>(x), static_cast<const T*>(weight), static_cast<const T*>(mean),
                          static_cast<const T*>(rstd), static_cast<const T*>(d_y), static_cast<T*>(d_x),
                          static_cast<T*>(d_weight), static_cast<T*>(d_bias)});
  });
}

}  // namespace coppice::cpu
#endif
