// Softmax, its logarithm and cross-entropy, row by row.
//
// Mapping        rows in parallel; a row is read for its maximum, for the sum of exponentials, and to write, from L1,
//                where it has been brought while the one before was exponentiated. Results larger than the caches are
//                written past them.
// Work           one exponential per element; reads and writes each once.
// Bound          memory; in L1 the exponential, about 17 operations per vector.
// Deterministic  yes: one thread sums a row, in an order that depends on its length and the instruction set.
// Measure        coppice-bench --benchmark_filter=softmax

#include <coppice/ops/cpu/softmax.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/softmax.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>
#include <coppice/ops/cpu/exp-inl.h>
#include <coppice/ops/cpu/fold.h>
#include <coppice/ops/cpu/stream-inl.h>
#include <coppice/ops/cpu/stream.h>

#ifndef COPPICE_OPS_CPU_SOFTMAX_ONCE
#define COPPICE_OPS_CPU_SOFTMAX_ONCE
namespace coppice::cpu {
namespace {

/// The targets of a cross-entropy: what `q` of cpu/softmax.h is made of.
struct Targets {
  const std::int64_t* index;
  double smoothing;
};

/// The rows [first, end) of a matrix.
struct Rows {
  std::int64_t first, end, columns;
  bool streams;  ///< writes them past the caches
};

/// The kernels of one element type.
template <class T>
struct SoftmaxKernels {
  void (*softmax)(Rows rows, const T* in, T* out);
  void (*log_softmax)(Rows rows, const T* in, T* out);
  void (*softmax_backward)(Rows rows, const T* d_output, const T* output, T* out);
  void (*log_softmax_backward)(Rows rows, const T* d_output, const T* output, T* out);
  void (*cross_entropy)(Rows rows, const T* in, Targets targets, T* losses);
  void (*cross_entropy_backward)(Rows rows, const T* in, Targets targets, const T* d_losses, T* out);
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

/// The row after `x`, where it may be brought nearer while `x` is worked on.
template <class T>
const T* next_row(const T* x, std::int64_t columns) {
  constexpr std::int64_t kNear = 1 << 15;
  return columns <= kNear ? x + columns : nullptr;
}

/// The largest number of a row. A NaN may pass unseen: it makes the sum of exponentials NaN.
template <class T>
T largest_of(const T* x, std::int64_t count) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr T kLowest = -std::numeric_limits<T>::infinity();
  if (count < lanes) {
    T largest = kLowest;
    for (std::int64_t i = 0; i < count; ++i) largest = x[i] > largest ? x[i] : largest;
    return largest;
  }
  constexpr std::size_t kTurns = 8;
  const std::int64_t step = static_cast<std::int64_t>(kTurns) * lanes;
  hn::Vec<decltype(d)> best[kTurns];
  unroll<kTurns>([&](auto k) HWY_ATTR { best[k] = hn::Set(d, kLowest); });
  std::int64_t i = 0;
  for (; i + step <= count; i += step) {
    unroll<kTurns>([&](auto k) HWY_ATTR {
      best[k] = hn::Max(hn::LoadU(d, x + i + static_cast<std::int64_t>(k.value) * lanes), best[k]);
    });
  }
  unroll<kTurns - 1>([&](auto k) HWY_ATTR { best[0] = hn::Max(best[k + 1], best[0]); });
  for (; i + lanes <= count; i += lanes) best[0] = hn::Max(hn::LoadU(d, x + i), best[0]);
  best[0] = hn::Max(hn::LoadU(d, x + count - lanes), best[0]);
  return hn::GetLane(hn::MaxOfLanes(d, best[0]));
}

template <class T>
RowSum<T> sum_row(const T* x, std::int64_t columns) {
  const T largest = largest_of(x, columns);
  return {largest, exp_sum(x, largest, columns, next_row(x, columns))};
}

/// As sum_row's sum, and leaves the exponentials in `y`.
template <class T>
T exponentials(const T* x, std::int64_t columns, T* y) {
  return exp_run(x, largest_of(x, columns), columns, y, next_row(x, columns));
}

template <class T>
void softmax_rows(Rows rows, const T* in, T* out) {
  const Buffer<T> room(rows.streams ? rows.columns : 0);
  for (std::int64_t r = rows.first; r < rows.end; ++r) {
    T* const y = out + r * rows.columns;
    T* const terms = rows.streams ? room.data() : y;
    const T inverse = T{1} / exponentials(in + r * rows.columns, rows.columns, terms);
    write_vectors(rows.columns, rows.streams, y, [&](auto d, std::int64_t i) HWY_ATTR {
      return hn::Mul(hn::LoadU(d, terms + i), hn::Set(d, inverse));
    });
  }
}

template <class T>
void log_softmax_rows(Rows rows, const T* in, T* out) {
  for (std::int64_t r = rows.first; r < rows.end; ++r) {
    const T* const x = in + r * rows.columns;
    const RowSum<T> row = sum_row(x, rows.columns);
    const T log_sum = std::log(row.sum);
    write_vectors(rows.columns, rows.streams, out + r * rows.columns, [&](auto d, std::int64_t i) HWY_ATTR {
      return hn::Sub(hn::Sub(hn::LoadU(d, x + i), hn::Set(d, row.largest)), hn::Set(d, log_sum));
    });
  }
}

template <class T>
void softmax_backward_rows(Rows rows, const T* d_output, const T* output, T* out) {
  for (std::int64_t r = rows.first; r < rows.end; ++r) {
    const T* const g = d_output + r * rows.columns;
    const T* const y = output + r * rows.columns;
    const T dot = fold<functor::Add, T>(rows.columns, LoadProduct<T>{g, y});
    write_vectors(rows.columns, rows.streams, out + r * rows.columns, [&](auto d, std::int64_t i) HWY_ATTR {
      return hn::Mul(hn::LoadU(d, y + i), hn::Sub(hn::LoadU(d, g + i), hn::Set(d, dot)));
    });
  }
}

template <class T>
void log_softmax_backward_rows(Rows rows, const T* d_output, const T* output, T* out) {
  constexpr std::int64_t kPiece = 1024;
  HWY_ALIGN T shares[kPiece];
  for (std::int64_t r = rows.first; r < rows.end; ++r) {
    const T total = fold<functor::Add, T>(rows.columns, LoadPlain<T>{d_output + r * rows.columns});
    for (std::int64_t begin = 0; begin < rows.columns; begin += kPiece) {
      const std::int64_t here = std::min(kPiece, rows.columns - begin), at = r * rows.columns + begin;
      exp_run(output + at, T{0}, here, shares, output + at + here);
      write_vectors(here, rows.streams, out + at, [&](auto d, std::int64_t i) HWY_ATTR {
        return hn::NegMulAdd(hn::LoadU(d, shares + i), hn::Set(d, total), hn::LoadU(d, d_output + at + i));
      });
    }
  }
}

template <class T>
void cross_entropy_rows(Rows rows, const T* in, Targets targets, T* losses) {
  const T smoothing = static_cast<T>(targets.smoothing);
  const std::int64_t columns = rows.columns;
  for (std::int64_t r = rows.first; r < rows.end; ++r) {
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
void cross_entropy_backward_rows(Rows rows, const T* in, Targets targets, const T* d_losses, T* out) {
  const std::int64_t columns = rows.columns;
  const T hit = static_cast<T>(1.0 - targets.smoothing);
  const T everywhere = static_cast<T>(targets.smoothing / static_cast<double>(columns));
  for (std::int64_t r = rows.first; r < rows.end; ++r) {
    T* const y = out + r * columns;
    const T inverse = T{1} / exponentials(in + r * columns, columns, y);
    const T d_loss = d_losses[r];
    for (std::int64_t i = 0; i < columns; ++i) y[i] = (y[i] * inverse - everywhere) * d_loss;
    y[targets.index[r]] -= hit * d_loss;
  }
}

template <class T>
SoftmaxKernels<T> kernels() {
  return {softmax_rows<T>,       log_softmax_rows<T>,           softmax_backward_rows<T>, log_softmax_backward_rows<T>,
          cross_entropy_rows<T>, cross_entropy_backward_rows<T>};
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

/// Calls body.operator()<T>(rows) on parts of the rows.
template <class Body>
void for_rows(DType dtype, const char* op, RowGeometry geometry, Body body) {
  constexpr std::int64_t kGrain = 4096;  // elements per part: some 20 µs
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, geometry.columns));
  dispatch_floating(dtype, op, [&]<class T>() {
    const bool past = is_streamed(geometry.rows * geometry.columns * static_cast<std::int64_t>(sizeof(T)));
    parallel_for(0, geometry.rows, grain, [&](std::int64_t first, std::int64_t end) {
      body.template operator()<T>(Rows{first, end, geometry.columns, past});
      if (past) hwy::FlushStream();
    });
  });
}

}  // namespace

void softmax(DType dtype, RowGeometry g, const void* in, void* out) {
  for_rows(dtype, "softmax", g, [&]<class T>(Rows rows) {
    best_kernels<T>().softmax(rows, static_cast<const T*>(in), static_cast<T*>(out));
  });
}

void log_softmax(DType dtype, RowGeometry g, const void* in, void* out) {
  for_rows(dtype, "log_softmax", g, [&]<class T>(Rows rows) {
    best_kernels<T>().log_softmax(rows, static_cast<const T*>(in), static_cast<T*>(out));
  });
}

void softmax_backward(DType dtype, RowGeometry g, const void* d_output, const void* output, void* d_input) {
  for_rows(dtype, "softmax", g, [&]<class T>(Rows rows) {
    best_kernels<T>().softmax_backward(rows, static_cast<const T*>(d_output), static_cast<const T*>(output),
                                       static_cast<T*>(d_input));
  });
}

void log_softmax_backward(DType dtype, RowGeometry g, const void* d_output, const void* output, void* d_input) {
  for_rows(dtype, "log_softmax", g, [&]<class T>(Rows rows) {
    best_kernels<T>().log_softmax_backward(rows, static_cast<const T*>(d_output), static_cast<const T*>(output),
                                           static_cast<T*>(d_input));
  });
}

void cross_entropy(DType dtype, RowGeometry g, const void* logits, const std::int64_t* target, double smoothing,
                   void* losses) {
  for_rows(dtype, "cross_entropy", g, [&]<class T>(Rows rows) {
    best_kernels<T>().cross_entropy(rows, static_cast<const T*>(logits), {target, smoothing}, static_cast<T*>(losses));
  });
}

void cross_entropy_backward(DType dtype, RowGeometry g, const void* logits, const std::int64_t* target,
                            double smoothing, const void* d_losses, void* d_logits) {
  for_rows(dtype, "cross_entropy", g, [&]<class T>(Rows rows) {
    best_kernels<T>().cross_entropy_backward(rows, static_cast<const T*>(logits), {target, smoothing},
                                             static_cast<const T*>(d_losses), static_cast<T*>(d_logits));
  });
}

}  // namespace coppice::cpu
#endif
