// Bringing chosen lanes of a vector together, and taking them apart again, once per SIMD target.

#if defined(COPPICE_OPS_CPU_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_LANES_INL_H_
#undef COPPICE_OPS_CPU_LANES_INL_H_
#else
#define COPPICE_OPS_CPU_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include <array>
#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR
/// What the bits of a byte stand for, a byte per lane.
struct LaneTables {
  using Row = std::array<std::uint8_t, 8>;
  std::array<Row, 256> together{};  ///< lane numbers that bring the set lanes together
  std::array<Row, 256> apart{};     ///< and that take them apart again
};

inline constexpr LaneTables make_lane_tables() {
  LaneTables tables;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    std::uint8_t rank = 0;
    for (std::uint8_t lane = 0; lane < 8; ++lane) {
      if (((byte >> lane) & 1U) == 0) continue;
      tables.together[byte][rank] = lane;
      tables.apart[byte][lane] = rank;
      ++rank;
    }
  }
  return tables;
}

inline constexpr LaneTables kLaneTables = make_lane_tables();

template <class D>
HWY_INLINE auto lane_indices(D d, const LaneTables::Row& row) {
  const hn::Rebind<std::uint8_t, D> bytes;
  const hn::Rebind<std::uint32_t, D> words;
  const auto numbers = hn::PromoteTo(words, hn::LoadU(bytes, row.data()));
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    return hn::IndicesFromVec(d, numbers);
  } else {
    return hn::IndicesFromVec(d, hn::PromoteTo(hn::RebindToUnsigned<D>(), numbers));
  }
}

template <class D>
HWY_INLINE auto lane_mask(D d, std::uint32_t byte) {
  const hn::RebindToUnsigned<D> du;
  using U = hn::TFromD<decltype(du)>;
  return hn::RebindMask(d, hn::TestBit(hn::Set(du, U{byte}), hn::Shl(hn::Set(du, U{1}), hn::Iota(du, U{0}))));
}

/// The lanes of `v` (at most 8) whose bits are set, in front, in order; what follows them is arbitrary.
template <class D>
HWY_INLINE hn::Vec<D> compress(D d, hn::Vec<D> v, std::uint32_t byte) {
  return hn::TableLookupLanes(v, lane_indices(d, kLaneTables.together[byte]));
}

/// Undoes compress: the front lanes of `v` where bits are set, arbitrary ones elsewhere.
template <class D>
HWY_INLINE hn::Vec<D> expand(D d, hn::Vec<D> v, std::uint32_t byte) {
  return hn::TableLookupLanes(v, lane_indices(d, kLaneTables.apart[byte]));
}
#endif

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
