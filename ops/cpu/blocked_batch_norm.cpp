// Batch norm of blocked images, with residual and ReLU, f32 and f64.
//
// Mapping      A row of one channel is a run of vectors; threads take rows of all channels, so that memory is read in
//              order. Per-channel sums are vectors in a chunk's own small table.
// Work         forward reads the input twice and writes once; backward reads gradient and input twice, writes once.
// Bound        memory bandwidth.
// Deterministic yes: chunks of rows are fixed, and added in order.
// Measure      coppice-bench --benchmark_filter=BatchNorm

#include <coppice/ops/cpu/blocked_batch_norm.h>

#include <algorithm>
#include <vector>

#include <coppice/core/parallel.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/blocked_batch_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

template <class T>
inline constexpr std::int64_t kLanesOf = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));
template <class T>
inline constexpr std::int64_t kBitBytes = (kLanesOf<T> + 7) / 8;

/// Vectors worth a thread of their own.
inline constexpr std::int64_t kGrainVectors = 1 << 12;

template <class T>
std::int64_t rows_of(const BlockedImages& g) {
  return (g.images + kLanesOf<T> - 1) / kLanesOf<T> * g.height;
}

/// Images in the block of a row.
template <class T>
std::int64_t images_of(const BlockedImages& g, std::int64_t row) {
  return std::min(kLanesOf<T>, g.images - row / g.height * kLanesOf<T>);
}

/// Calls run(row, channel, first vector's number, images) for every run, in parallel over rows.
template <class T, class Run>
void for_runs(const BlockedImages& g, Run run) {
  const std::int64_t grain = std::max<std::int64_t>(1, kGrainVectors / std::max<std::int64_t>(1, g.channels * g.width));
  parallel_for(0, rows_of<T>(g), grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      for (std::int64_t c = 0; c < g.channels; ++c) run(c, (row * g.channels + c) * g.width, images_of<T>(g, row));
    }
  });
}

/// Two sums per channel over all runs: add(channel, first vector's number, images, sum0, sum1) adds a run's vectors.
template <class T, class Add>
void sum_runs(const BlockedImages& g, Add add, double* sum0, double* sum1) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::int64_t kMaxAdded = 256;  // terms of one sum in T
  constexpr std::int64_t kChunks = 8;      // at least, where there are so many rows
  const std::int64_t rows = rows_of<T>(g);
  const std::int64_t chunk_rows = std::clamp<std::int64_t>(kMaxAdded / std::max<std::int64_t>(1, g.width), 1,
                                                           std::max<std::int64_t>(1, rows / kChunks));
  const std::int64_t chunks = (rows + chunk_rows - 1) / chunk_rows;
  std::vector<double> partial(static_cast<std::size_t>(chunks * g.channels * 2));
  parallel_chunks(rows, chunk_rows, [&](std::int64_t chunk, std::int64_t first, std::int64_t last) {
    constexpr auto kLanes = static_cast<std::size_t>(kLanesOf<T>);
    const auto channels = static_cast<std::size_t>(g.channels);
    std::vector<T> table(channels * 2 * kLanes);
    for (std::int64_t row = first; row < last; ++row) {
      for (std::size_t c = 0; c < channels; ++c) {
        T* const sums = table.data() + c * 2 * kLanes;
        V s0 = hn::LoadU(d, sums), s1 = hn::LoadU(d, sums + kLanes);
        const auto channel = static_cast<std::int64_t>(c);
        add(channel, (row * g.channels + channel) * g.width, images_of<T>(g, row), s0, s1);
        hn::StoreU(s0, d, sums);
        hn::StoreU(s1, d, sums + kLanes);
      }
    }
    double* const out = partial.data() + static_cast<std::size_t>(chunk) * channels * 2;
    for (std::size_t i = 0; i < channels * 2; ++i) {
      double total = 0.0;
      for (std::size_t l = 0; l < kLanes; ++l) total += static_cast<double>(table[i * kLanes + l]);
      out[i] = total;
    }
  });
  for (std::int64_t c = 0; c < g.channels; ++c) {
    double total0 = 0.0, total1 = 0.0;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      const double* const part = partial.data() + (chunk * g.channels + c) * 2;
      total0 += part[0];
      total1 += part[1];
    }
    sum0[c] = total0;
    sum1[c] = total1;
  }
}

template <class T>
void statistics(const BlockedImages& g, const T* input, double* mean, double* variance) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  // Sums around the mean of the first row lose nothing to a large common offset.
  std::vector<T> guess(static_cast<std::size_t>(g.channels));
  const std::int64_t first_images = std::min(kLanesOf<T>, g.images);
  for (std::int64_t c = 0; c < g.channels; ++c) {
    double total = 0.0;
    for (std::int64_t x = 0; x < g.width; ++x) {
      for (std::int64_t i = 0; i < first_images; ++i) {
        total += static_cast<double>(input[(c * g.width + x) * kLanesOf<T> + i]);
      }
    }
    guess[static_cast<std::size_t>(c)] = static_cast<T>(total / static_cast<double>(g.width * first_images));
  }
  sum_runs<T>(
      g,
      [&](std::int64_t c, std::int64_t start, std::int64_t images, V& sum, V& square) HWY_ATTR {
        const V centre = hn::Set(d, guess[static_cast<std::size_t>(c)]);
        const auto used = hn::FirstN(d, static_cast<std::size_t>(images));
        const T* HWY_RESTRICT x = input + start * kLanesOf<T>;
        V s = sum, q = square;
        for (std::int64_t i = 0; i < g.width; ++i) {
          const V v = hn::IfThenElseZero(used, hn::Sub(hn::Load(d, x + i * kLanesOf<T>), centre));
          s = hn::Add(s, v);
          q = hn::MulAdd(v, v, q);
        }
        sum = s;
        square = q;
      },
      mean, variance);
  const auto count = static_cast<double>(g.images * g.height * g.width);
  for (std::int64_t c = 0; c < g.channels; ++c) {
    const double offset = mean[c] / count;
    variance[c] = std::max(0.0, variance[c] / count - offset * offset);
    mean[c] = static_cast<double>(guess[static_cast<std::size_t>(c)]) + offset;
  }
}

template <class T>
void normalize(const BlockedImages& g, const T* input, const double* mean, const double* scale, const double* shift,
               const T* residual, std::uint8_t* positive, T* output) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  for_runs<T>(g, [&](std::int64_t c, std::int64_t start, std::int64_t images) HWY_ATTR {
    const V centre = hn::Set(d, static_cast<T>(mean[c])), factor = hn::Set(d, static_cast<T>(scale[c])),
            offset = hn::Set(d, static_cast<T>(shift[c]));
    const auto used = hn::FirstN(d, static_cast<std::size_t>(images));
    const auto zero = hn::Zero(d);
    for (std::int64_t i = start; i < start + g.width; ++i) {
      V y = hn::MulAdd(hn::Sub(hn::Load(d, input + i * kLanesOf<T>), centre), factor, offset);
      if (residual != nullptr) y = hn::Add(y, hn::Load(d, residual + i * kLanesOf<T>));
      y = hn::IfThenElseZero(used, y);
      if (positive != nullptr) {
        hn::StoreMaskBits(d, hn::Gt(y, zero), positive + i * kBitBytes<T>);
        y = hn::IfThenZeroElse(hn::Le(y, zero), y);  // Max would lose NaN on x86
      }
      hn::Store(y, d, output + i * kLanesOf<T>);
    }
  });
}

/// d_output where it went through the ReLU.
template <class T, class V>
HWY_INLINE V gate(V gradient, const std::uint8_t* positive, std::int64_t vector) {
  const hn::ScalableTag<T> d;
  if (positive == nullptr) return gradient;
  // Mask bits are read 8 bytes at a time.
  std::uint8_t bits[8] = {};
  for (std::int64_t b = 0; b < kBitBytes<T>; ++b) bits[b] = positive[vector * kBitBytes<T> + b];
  return hn::IfThenElseZero(hn::LoadMaskBits(d, bits), gradient);
}

template <class T>
void gradient_sums(const BlockedImages& g, const T* d_output, const T* input, const double* mean,
                   const std::uint8_t* positive, double* sum, double* dot, T* gated) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  sum_runs<T>(
      g,
      [&](std::int64_t c, std::int64_t start, std::int64_t, V& total, V& product) HWY_ATTR {
        const V centre = hn::Set(d, static_cast<T>(mean[c]));
        V s = total, p = product;
        for (std::int64_t i = start; i < start + g.width; ++i) {
          const V y = gate<T>(hn::Load(d, d_output + i * kLanesOf<T>), positive, i);
          if (gated != nullptr) hn::Store(y, d, gated + i * kLanesOf<T>);
          s = hn::Add(s, y);
          p = hn::MulAdd(y, hn::Sub(hn::Load(d, input + i * kLanesOf<T>), centre), p);
        }
        total = s;
        product = p;
      },
      sum, dot);
}

template <class T>
void data_gradient(const BlockedImages& g, const T* d_output, const T* input, const double* mean, const double* a,
                   const double* b, const double* c, const std::uint8_t* positive, T* d_input) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  for_runs<T>(g, [&](std::int64_t channel, std::int64_t start, std::int64_t images) HWY_ATTR {
    const V of_output = hn::Set(d, static_cast<T>(a[channel])), of_input = hn::Set(d, static_cast<T>(b[channel])),
            constant = hn::Set(d, static_cast<T>(c[channel])), centre = hn::Set(d, static_cast<T>(mean[channel]));
    const auto used = hn::FirstN(d, static_cast<std::size_t>(images));
    for (std::int64_t i = start; i < start + g.width; ++i) {
      const V y = gate<T>(hn::Load(d, d_output + i * kLanesOf<T>), positive, i);
      const V x = hn::Sub(hn::Load(d, input + i * kLanesOf<T>), centre);
      const V gradient = hn::MulAdd(of_output, y, hn::MulAdd(of_input, x, constant));
      hn::Store(hn::IfThenElseZero(used, gradient), d, d_input + i * kLanesOf<T>);
    }
  });
}

std::int64_t bytes_f32() { return kBitBytes<float>; }
std::int64_t bytes_f64() { return kBitBytes<double>; }
void statistics_f32(const BlockedImages& g, const float* input, double* mean, double* variance) {
  statistics(g, input, mean, variance);
}
void statistics_f64(const BlockedImages& g, const double* input, double* mean, double* variance) {
  statistics(g, input, mean, variance);
}
void normalize_f32(const BlockedImages& g, const float* input, const double* mean, const double* scale,
                   const double* shift, const float* residual, std::uint8_t* positive, float* output) {
  normalize(g, input, mean, scale, shift, residual, positive, output);
}
void normalize_f64(const BlockedImages& g, const double* input, const double* mean, const double* scale,
                   const double* shift, const double* residual, std::uint8_t* positive, double* output) {
  normalize(g, input, mean, scale, shift, residual, positive, output);
}
void gradient_sums_f32(const BlockedImages& g, const float* d_output, const float* input, const double* mean,
                       const std::uint8_t* positive, double* sum, double* dot, float* gated) {
  gradient_sums(g, d_output, input, mean, positive, sum, dot, gated);
}
void gradient_sums_f64(const BlockedImages& g, const double* d_output, const double* input, const double* mean,
                       const std::uint8_t* positive, double* sum, double* dot, double* gated) {
  gradient_sums(g, d_output, input, mean, positive, sum, dot, gated);
}
void data_gradient_f32(const BlockedImages& g, const float* d_output, const float* input, const double* mean,
                       const double* a, const double* b, const double* c, const std::uint8_t* positive,
                       float* d_input) {
  data_gradient(g, d_output, input, mean, a, b, c, positive, d_input);
}
void data_gradient_f64(const BlockedImages& g, const double* d_output, const double* input, const double* mean,
                       const double* a, const double* b, const double* c, const std::uint8_t* positive,
                       double* d_input) {
  data_gradient(g, d_output, input, mean, a, b, c, positive, d_input);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(bytes_f32);
HWY_EXPORT(bytes_f64);
HWY_EXPORT(statistics_f32);
HWY_EXPORT(statistics_f64);
HWY_EXPORT(normalize_f32);
HWY_EXPORT(normalize_f64);
HWY_EXPORT(gradient_sums_f32);
HWY_EXPORT(gradient_sums_f64);
HWY_EXPORT(data_gradient_f32);
HWY_EXPORT(data_gradient_f64);

template <>
std::int64_t positive_bytes<float>() {
  return HWY_DYNAMIC_DISPATCH(bytes_f32)();
}
template <>
std::int64_t positive_bytes<double>() {
  return HWY_DYNAMIC_DISPATCH(bytes_f64)();
}
template <>
void blocked_statistics<float>(const BlockedImages& g, const float* input, double* mean, double* variance) {
  HWY_DYNAMIC_DISPATCH(statistics_f32)(g, input, mean, variance);
}
template <>
void blocked_statistics<double>(const BlockedImages& g, const double* input, double* mean, double* variance) {
  HWY_DYNAMIC_DISPATCH(statistics_f64)(g, input, mean, variance);
}
template <>
void blocked_normalize<float>(const BlockedImages& g, const float* input, const double* mean, const double* scale,
                              const double* shift, const float* residual, std::uint8_t* positive, float* output) {
  HWY_DYNAMIC_DISPATCH(normalize_f32)(g, input, mean, scale, shift, residual, positive, output);
}
template <>
void blocked_normalize<double>(const BlockedImages& g, const double* input, const double* mean, const double* scale,
                               const double* shift, const double* residual, std::uint8_t* positive, double* output) {
  HWY_DYNAMIC_DISPATCH(normalize_f64)(g, input, mean, scale, shift, residual, positive, output);
}
template <>
void blocked_batch_norm_sums<float>(const BlockedImages& g, const float* d_output, const float* input,
                                    const double* mean, const std::uint8_t* positive, double* sum, double* dot,
                                    float* gated) {
  HWY_DYNAMIC_DISPATCH(gradient_sums_f32)(g, d_output, input, mean, positive, sum, dot, gated);
}
template <>
void blocked_batch_norm_sums<double>(const BlockedImages& g, const double* d_output, const double* input,
                                     const double* mean, const std::uint8_t* positive, double* sum, double* dot,
                                     double* gated) {
  HWY_DYNAMIC_DISPATCH(gradient_sums_f64)(g, d_output, input, mean, positive, sum, dot, gated);
}
template <>
void blocked_batch_norm_data_gradient<float>(const BlockedImages& g, const float* d_output, const float* input,
                                             const double* mean, const double* a, const double* b, const double* c,
                                             const std::uint8_t* positive, float* d_input) {
  HWY_DYNAMIC_DISPATCH(data_gradient_f32)(g, d_output, input, mean, a, b, c, positive, d_input);
}
template <>
void blocked_batch_norm_data_gradient<double>(const BlockedImages& g, const double* d_output, const double* input,
                                              const double* mean, const double* a, const double* b, const double* c,
                                              const std::uint8_t* positive, double* d_input) {
  HWY_DYNAMIC_DISPATCH(data_gradient_f64)(g, d_output, input, mean, a, b, c, positive, d_input);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
