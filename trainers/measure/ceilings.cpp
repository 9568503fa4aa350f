#include <coppice/trainers/measure/ceilings.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>
#include <coppice/core/tensor.h>
#include <coppice/trainers/measure/clock.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/trainers/measure/ceilings.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::train::measure::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using cpu::HWY_NAMESPACE::unroll;

/// Independent sums: enough to hide the latency of two FMA units, few enough for 16 registers.
inline constexpr std::size_t kSums = 12;

double multiply_add(std::int64_t rounds, float* out) {
  const hn::ScalableTag<float> d;
  hn::Vec<decltype(d)> sums[kSums];
  const auto factor = hn::Set(d, 0.999F);
  const auto step = hn::Set(d, 1e-3F);
  unroll<kSums>([&](auto i) HWY_ATTR { sums[i] = hn::Set(d, static_cast<float>(i)); });
  for (std::int64_t round = 0; round < rounds; ++round) {
    unroll<kSums>([&](auto i) HWY_ATTR { sums[i] = hn::MulAdd(sums[i], factor, step); });
  }
  unroll<kSums>([&](auto i) HWY_ATTR { sums[0] = hn::Add(sums[0], sums[i]); });
  *out = hn::GetLane(sums[0]);
  return 2.0 * static_cast<double>(kSums * hn::Lanes(d)) * static_cast<double>(rounds);
}

void read(const float* from, std::int64_t count, float* out) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<decltype(d)> sums[8];
  unroll<8>([&](auto i) HWY_ATTR { sums[i] = hn::Zero(d); });
  for (std::int64_t at = 0; at < count; at += 8 * lanes) {
    unroll<8>([&](auto i) HWY_ATTR {
      sums[i] = hn::Add(sums[i], hn::Load(d, from + at + static_cast<std::int64_t>(i) * lanes));
    });
  }
  unroll<8>([&](auto i) HWY_ATTR { sums[0] = hn::Add(sums[0], sums[i]); });
  *out = hn::GetLane(sums[0]);
}

void triad(const float* b, const float* c, std::int64_t count, float* a) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto scale = hn::Set(d, 3.0F);
  for (std::int64_t at = 0; at < count; at += lanes) {
    hn::Store(hn::MulAdd(scale, hn::Load(d, c + at), hn::Load(d, b + at)), d, a + at);
  }
}

void copy(const float* from, std::int64_t count, float* to) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t at = 0; at < count; at += lanes) hn::Store(hn::Load(d, from + at), d, to + at);
}

}  // namespace coppice::train::measure::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::train::measure {

HWY_EXPORT(multiply_add);
HWY_EXPORT(read);
HWY_EXPORT(triad);
HWY_EXPORT(copy);

namespace {

constexpr std::int64_t kMultiplyAdds = std::int64_t{1} << 20;
constexpr std::int64_t kStream = std::int64_t{24} << 20;  // elements: 96 MiB an array
constexpr std::int64_t kPart = std::int64_t{1} << 14;     // elements: a whole number of vectors

/// The least time of an attempt, in seconds.
double least(int attempts, FunctionRef<void()> call) {
  double best = 1e30;
  for (int i = 0; i < attempts; ++i) {
    const Sample sample = time_calls(1, call);
    best = std::min(best, num_threads() == 1 ? sample.cpu : sample.wall);
  }
  return best;
}

double multiply_add_rate() {
  const int threads = num_threads();
  const Tensor out = Tensor::empty({threads * 16});
  double flops = 0.0;
  const double seconds = least(8, [&] {
    parallel_for(0, threads, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t t = first; t < last; ++t) {
        const double done = HWY_DYNAMIC_DISPATCH(multiply_add)(kMultiplyAdds, out.data<float>() + t * 16);
        if (t == 0) flops = done * threads;
      }
    });
  });
  return flops / seconds;
}

/// Reading `bytes` bytes per thread over and over.
double cached_rate(std::int64_t bytes) {
  const int threads = num_threads();
  const std::int64_t count = bytes / 4;
  const std::int64_t passes = (std::int64_t{64} << 20) / bytes;
  const Tensor from = Tensor::ones({threads * count}), out = Tensor::empty({threads * 16});
  const double seconds = least(8, [&] {
    parallel_for(0, threads, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t t = first; t < last; ++t) {
        for (std::int64_t pass = 0; pass < passes; ++pass) {
          HWY_DYNAMIC_DISPATCH(read)(from.data<float>() + t * count, count, out.data<float>() + t * 16);
        }
      }
    });
  });
  return static_cast<double>(passes * bytes * threads) / seconds;
}

double dram_rate() {
  const Tensor a = Tensor::zeros({kStream}), b = Tensor::ones({kStream}), c = Tensor::ones({kStream});
  const Tensor out = Tensor::empty({kStream / kPart});
  float* const to = a.data<float>();
  const auto stream = [&](int arrays, FunctionRef<void(std::int64_t)> part) {
    const double seconds = least(4, [&] {
      parallel_for(0, kStream / kPart, 64, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t p = first; p < last; ++p) part(p);
      });
    });
    return static_cast<double>(arrays * 4 * kStream) / seconds;
  };
  const float* const from = b.data<float>();
  const float* const more = c.data<float>();
  const double reading = stream(1, [&](std::int64_t p) {
    HWY_DYNAMIC_DISPATCH(read)
    (from + p * kPart, kPart, out.data<float>() + p);
  });
  const double copying = stream(2, [&](std::int64_t p) {
    HWY_DYNAMIC_DISPATCH(copy)
    (from + p * kPart, kPart, to + p * kPart);
  });
  const double adding = stream(3, [&](std::int64_t p) {
    HWY_DYNAMIC_DISPATCH(triad)(from + p * kPart, more + p * kPart, kPart, to + p * kPart);
  });
  return std::max({reading, copying, adding});
}

}  // namespace

Ceilings measure_ceilings() {
  return {.flops = multiply_add_rate(),
          .l1 = cached_rate(std::int64_t{16} << 10),
          .l2 = cached_rate(std::int64_t{256} << 10),
          .dram = dram_rate()};
}

}  // namespace coppice::train::measure
#endif  // HWY_ONCE
