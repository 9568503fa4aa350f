// Images with the channels of a pixel side by side, once per SIMD target.

#if defined(COPPICE_OPS_CPU_INTERLEAVED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_INTERLEAVED_INL_H_
#undef COPPICE_OPS_CPU_INTERLEAVED_INL_H_
#else
#define COPPICE_OPS_CPU_INTERLEAVED_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>
#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using Tag = hn::ScalableTag<T>;
template <class T>
inline constexpr std::int64_t kLanesOf = static_cast<std::int64_t>(hn::MaxLanes(Tag<T>()));

inline std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// An image (channels, pixels) as (pixels + 1, channels filled up with zeros to whole vectors): the pixel after the
/// last is 0 and stands for all that lies outside.
template <class T>
class Interleaved {
 public:
  Interleaved(std::int64_t channels, std::int64_t pixels)
      : channels_(channels), pixels_(pixels), pitch_(divide_up(channels, kLanesOf<T>) * kLanesOf<T>) {
    values_ = Buffer<T>((pixels_ + 1) * pitch_);
  }
  /// The channels of a pixel; −1: outside.
  T* at(std::int64_t pixel) const { return values_.data() + (pixel < 0 ? pixels_ : pixel) * pitch_; }
  std::int64_t pitch() const { return pitch_; }

  void read(const T* image) {
    parallel_for(0, pixels_, kGrain, [&](std::int64_t first, std::int64_t last) {
      transpose(channels_, last - first, image + first, pixels_, at(first), pitch_);
      for (std::int64_t p = first; pitch_ > channels_ && p < last; ++p) {
        std::fill(at(p) + channels_, at(p) + pitch_, T{0});
      }
    });
    std::fill_n(at(-1), pitch_, T{0});
  }
  void write(T* image) const {
    parallel_for(0, pixels_, kGrain, [&](std::int64_t first, std::int64_t last) {
      transpose(last - first, channels_, at(first), pitch_, image + first, pixels_);
    });
  }
  /// Sets the channels [first, last) to 0.
  void clear(std::int64_t first, std::int64_t last) {
    T* pixel = values_.data();
    for (std::int64_t p = 0; p <= pixels_; ++p, pixel += pitch_) std::fill(pixel + first, pixel + last, T{0});
  }

 private:
  static constexpr std::int64_t kGrain = 2048;
  std::int64_t channels_, pixels_, pitch_;
  Buffer<T> values_;
};

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
