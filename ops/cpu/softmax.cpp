// Softmax, its logarithm and cross-entropy, row by row.
//
// Mapping        rows in parallel; a row is read for its maximum, for the sum of exponentials, and to write, from L1.
// Work           one exponential per element.
// Bound          the exponential: about 20 operations per element.
// Deterministic  yes: one thread sums a row, in the order of cpu/fold.h, and the bits are those of every instruction
// set. Measure        coppice-bench --benchmark_filter=softmax

#include <coppice/ops/cpu/softmax.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/softmax.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include <coppice/core/parallel.h>
#include <coppice/ops/cpu/exp-inl.h>
#include <coppice/ops/cpu/fold.h>

#ifndef COPPICE_OPS_CPU_SOFTMAX_ONCE
#define COPPICE_OPS_CPU_SOFTMAX_ONCE
namespace coppice::cpu {
namespace {

/// The targets of a cross-entropy: what `q` of cpu/softmax.h is made of.
struct Targets {
  const std::int64_t* index;
  double smoothing;
};

/// The kernels of one element type; each takes the rows [first, end).
template <class T>
struct SoftmaxKernels {
  using Rows = void (*)(std::int64_t first, std::int64_t end, std::int64_t columns, const T* in, T* out);
  Rows softmax, log_softmax;
  void (*cross_entropy)(std::int64_t first, std::int64_t end, std::int64_t columns, const T* in, Targets targets,
                        T* losses);
  void (*cross_entropy_backward)(std::int64_t first, std::int64_t end, std::int64_t columns, const T* in,
                                 Targets targets, const T* d_losses, T* out);
};

}  // namespace
}  // namespace coppice::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

template <class T>
struct RowSum {
  T largest;
  T sum;  // of exp(x − largest)
};

template <class T>
RowSum<T> sum_row(const T* x, std::int64_t columns) {
  const T largest = fold<functor::Maximum, T>(columns, LoadPlain<T>{x});
  const T sum = fold<functor::Add, T>(columns, LoadExp<T>{x, largest});
  return {largest, sum};
}

/// As sum_row, and leaves the exponentials in `y`.
template <class T>
RowSum<T> exponentials(const T* x, std::int64_t columns, T* HWY_RESTRICT y) {
  const T largest = fold<functor::Maximum, T>(columns, LoadPlain<T>{x});
  exp_run(x, largest, columns, y);
  return {largest, fold<functor::Add, T>(columns, LoadPlain<T>{y})};
}

template <class T>
void softmax_rows(std::int64_t first, std::int64_t end, std::int64_t columns, const T* in, T* out) {
  for (std::int64_t r = first; r < end; ++r) {
    const T* x = in + r * columns;
    T* HWY_RESTRICT y = out + r * columns;
    const T sum = exponentials(x, columns, y).sum;
    for (std::int64_t i = 0; i < columns; ++i) y[i] /= sum;
  }
}

template <class T>
void log_softmax_rows(std::int64_t first, std::int64_t end, std::int64_t columns, const T* in, T* out) {
  for (std::int64_t r = first; r < end; ++r) {
    const T* x = in + r * columns;
    T* HWY_RESTRICT y = out + r * columns;
    const RowSum<T> row = sum_row(x, columns);
    const T log_sum = std::log(row.sum);
    for (std::int64_t i = 0; i < columns; ++i) y[i] = (x[i] - row.largest) - log_sum;
  }
}

template <class T>
void cross_entropy_rows(std::int64_t first, std::int64_t end, std::int64_t columns, const T* in, Targets targets,
                        T* losses) {
  const T smoothing = static_cast<T>(targets.smoothing);
  for (std::int64_t r = first; r < end; ++r) {
    const T* x = in + r * columns;
    const RowSum<T> row = sum_row(x, columns);
    const T log_sum = std::log(row.sum);
    const T picked = log_sum - (x[targets.index[r]] - row.largest);
    if (smoothing == T{0}) {
      losses[r] = picked;
      continue;
    }
    const T total = fold<functor::Add, T>(columns, LoadShifted<T>{x, row.largest});
    losses[r] = (T{1} - smoothing) * picked + smoothing * (log_sum - total / static_cast<T>(columns));
  }
}

template <class T>
void cross_entropy_backward_rows(std::int64_t first, std::int64_t end, std::int64_t columns, const T* in,
                                 Targets targets, const T* d_losses, T* out) {
  const T hit = static_cast<T>(1.0 - targets.smoothing);
  const T everywhere = static_cast<T>(targets.smoothing / static_cast<double>(columns));
  for (std::int64_t r = first; r < end; ++r) {
    const T* x = in + r * columns;
    T* HWY_RESTRICT y = out + r * columns;
    const T sum = exponentials(x, columns, y).sum;
    const T d_loss = d_losses[r];
    for (std::int64_t i = 0; i < columns; ++i) y[i] = (y[i] / sum - everywhere) * d_loss;
    y[targets.index[r]] -= hit * d_loss;
  }
}

template <class T>
SoftmaxKernels<T> kernels() {
  return {softmax_rows<T>, log_softmax_rows<T>, cross_entropy_rows<T>, cross_entropy_backward_rows<T>};
}
SoftmaxKernels<float> kernels_f32() { return kernels<float>(); }
SoftmaxKernels<double> kernels_f64() { return kernels<double>(); }

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(kernels_f32);
HWY_EXPORT(kernels_f64);

namespace {

template <class T>
const SoftmaxKernels<T>& best_kernels() {
  if constexpr (std::is_same_v<T, float>) {
    static const SoftmaxKernels<float> best = HWY_DYNAMIC_DISPATCH(kernels_f32)();
    return best;
  } else {
    static const SoftmaxKernels<double> best = HWY_DYNAMIC_DISPATCH(kernels_f64)();
    return best;
  }
}

/// Calls body.operator()<T>(first, end) on parts of the rows.
template <class Body>
void for_rows(DType dtype, const char* op, RowGeometry geometry, Body body) {
  constexpr std::int64_t kGrain = 4096;  // elements per part: some 20 µs
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, geometry.columns));
  dispatch_floating(dtype, op, [&]<class T>() {
    parallel_for(0, geometry.rows, grain,
                 [&](std::int64_t first, std::int64_t end) { body.template operator()<T>(first, end); });
  });
}

}  // namespace

void softmax(DType dtype, RowGeometry g, const void* in, void* out) {
  for_rows(dtype, "softmax", g, [&]<class T>(std::int64_t first, std::int64_t end) {
    best_kernels<T>().softmax(first, end, g.columns, static_cast<const T*>(in), static_cast<T*>(out));
  });
}

void log_softmax(DType dtype, RowGeometry g, const void* in, void* out) {
  for_rows(dtype, "log_softmax", g, [&]<class T>(std::int64_t first, std::int64_t end) {
    best_kernels<T>().log_softmax(first, end, g.columns, static_cast<const T*>(in), static_cast<T*>(out));
  });
}

void cross_entropy(DType dtype, RowGeometry g, const void* logits, const std::int64_t* target, double smoothing,
                   void* losses) {
  for_rows(dtype, "cross_entropy", g, [&]<class T>(std::int64_t first, std::int64_t end) {
    best_kernels<T>().cross_entropy(first, end, g.columns, static_cast<const T*>(logits), {target, smoothing},
                                    static_cast<T*>(losses));
  });
}

void cross_entropy_backward(DType dtype, RowGeometry g, const void* logits, const std::int64_t* target,
                            double smoothing, const void* d_losses, void* d_logits) {
  for_rows(dtype, "cross_entropy", g, [&]<class T>(std::int64_t first, std::int64_t end) {
    best_kernels<T>().cross_entropy_backward(first, end, g.columns, static_cast<const T*>(logits), {target, smoothing},
                                             static_cast<const T*>(d_losses), static_cast<T*>(d_logits));
  });
}

}  // namespace coppice::cpu
#endif
