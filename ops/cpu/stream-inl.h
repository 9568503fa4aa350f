// Writing past the caches (ops/cpu/stream.h), once per SIMD target.

#if defined(COPPICE_OPS_CPU_STREAM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_STREAM_INL_H_
#undef COPPICE_OPS_CPU_STREAM_INL_H_
#else
#define COPPICE_OPS_CPU_STREAM_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// to[i …] = make(d, i): the elements of a result as vectors of the tag d, or one by one where vectors would not fit
/// or, if streamed, not be aligned. A thread that streamed calls hwy::FlushStream() before it says that it is done.
template <class T, class Make>
HWY_INLINE void write_vectors(std::int64_t count, bool streams, T* to, Make make) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> one;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  if (streams) {
    const auto vector_bytes = static_cast<std::uintptr_t>(lanes) * sizeof(T);
    for (; i < count && reinterpret_cast<std::uintptr_t>(to + i) % vector_bytes != 0; ++i) {
      hn::StoreU(make(one, i), one, to + i);
    }
    for (; i + lanes <= count; i += lanes) hn::Stream(make(d, i), d, to + i);
  }
  for (; i + lanes <= count; i += lanes) hn::StoreU(make(d, i), d, to + i);
  for (; i < count; ++i) hn::StoreU(make(one, i), one, to + i);
}

/// Calls body(first, count, at), which writes elements [first, first + count) of a result to `at`: once and in place,
/// or, where they are to be streamed, piece by piece.
template <class T, class Body>
HWY_INLINE void write_pieces(std::int64_t count, bool streams, T* to, Body body) {
  if (!streams) return body(std::int64_t{0}, count, to);
  constexpr std::int64_t kPiece = 1024;
  HWY_ALIGN T piece[kPiece];
  for (std::int64_t first = 0; first < count; first += kPiece) {
    const std::int64_t here = std::min(kPiece, count - first);
    body(first, here, piece);
    write_vectors(here, true, to + first, [&](auto d, std::int64_t i) HWY_ATTR { return hn::LoadU(d, piece + i); });
  }
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
