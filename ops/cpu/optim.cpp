// Optimiser steps on dense arrays and on packings of different sets.
//
// Mapping        one loop over each rule. Where SGD steps most of the values of a dense array, packed gradients and
//                state are taken apart in registers; in other packings eight words' worth (at most 512 elements) are
//                brought together, stepped and put back.
// Work           SGD with momentum reads 12 bytes and writes 8 of an f32 weight, AdamW 16 and 12.
// Bound          memory; AdamW in L1: one square root and two divisions an element.
// Deterministic  yes, and the same bits on every instruction set and in every packing: no contraction.
// Measure        coppice-bench --benchmark_filter=step_

#include <coppice/ops/cpu/optim.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/optim.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cstddef>

#include <coppice/ops/cpu/lanes-inl.h>
#include <coppice/ops/cpu/simd-inl.h>

#if HWY_ARCH_X86_64
#include <immintrin.h>
#endif

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

// The rules, on vectors of a tag d, one element each where no more are left.

template <class T>
struct Sgd {
  static constexpr std::size_t kStates = 0;
  T lr, decay;
  explicit Sgd(const StepFactors& f) : lr(static_cast<T>(f.lr)), decay(static_cast<T>(f.decay)) {}
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, V& weight, V gradient) const {
    const V direction = hn::Add(gradient, hn::Mul(hn::Set(d, decay), weight));
    weight = hn::Sub(weight, hn::Mul(hn::Set(d, lr), direction));
  }
};

template <class T>
struct SgdMomentum {
  static constexpr std::size_t kStates = 1;
  T lr, decay, momentum, fresh;
  explicit SgdMomentum(const StepFactors& f)
      : lr(static_cast<T>(f.lr)),
        decay(static_cast<T>(f.decay)),
        momentum(static_cast<T>(f.momentum)),
        fresh(static_cast<T>(f.fresh)) {}
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, V& weight, V gradient, V& buffer) const {
    const V direction = hn::Add(gradient, hn::Mul(hn::Set(d, decay), weight));
    buffer = hn::Add(hn::Mul(hn::Set(d, momentum), buffer), hn::Mul(hn::Set(d, fresh), direction));
    weight = hn::Sub(weight, hn::Mul(hn::Set(d, lr), buffer));
  }
};

template <class T>
struct SgdNesterov {
  static constexpr std::size_t kStates = 1;
  T lr, decay, momentum;
  explicit SgdNesterov(const StepFactors& f)
      : lr(static_cast<T>(f.lr)), decay(static_cast<T>(f.decay)), momentum(static_cast<T>(f.momentum)) {}
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, V& weight, V gradient, V& buffer) const {
    const V direction = hn::Add(gradient, hn::Mul(hn::Set(d, decay), weight));
    buffer = hn::Add(hn::Mul(hn::Set(d, momentum), buffer), direction);
    weight = hn::Sub(weight, hn::Mul(hn::Set(d, lr), hn::Add(direction, hn::Mul(hn::Set(d, momentum), buffer))));
  }
};

template <class T>
struct AdamW {
  static constexpr std::size_t kStates = 2;
  T rate, keep, first, beta2, second, root, eps;
  explicit AdamW(const StepFactors& f)
      : rate(static_cast<T>(f.lr)),
        keep(static_cast<T>(f.keep)),
        first(static_cast<T>(f.first)),
        beta2(static_cast<T>(f.beta2)),
        second(static_cast<T>(f.second)),
        root(static_cast<T>(f.root)),
        eps(static_cast<T>(f.eps)) {}
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, V& weight, V gradient, V& average, V& square) const {
    average = hn::Add(average, hn::Mul(hn::Set(d, first), hn::Sub(gradient, average)));
    square = hn::Add(hn::Mul(hn::Set(d, beta2), square), hn::Mul(hn::Set(d, second), hn::Mul(gradient, gradient)));
    const V size = hn::Add(hn::Div(hn::Sqrt(square), hn::Set(d, root)), hn::Set(d, eps));
    weight = hn::Sub(hn::Mul(hn::Set(d, keep), weight), hn::Mul(hn::Set(d, rate), hn::Div(average, size)));
  }
};

/// Calls rule(d, weight, gradient, state...) with as many states as it has.
template <class Rule, class D, class V = hn::Vec<D>>
HWY_INLINE void apply_rule(const Rule& rule, D d, V& weight, V gradient, V (&states)[2]) {
  if constexpr (Rule::kStates == 0) {
    rule(d, weight, gradient);
  } else if constexpr (Rule::kStates == 1) {
    rule(d, weight, gradient, states[0]);
  } else {
    rule(d, weight, gradient, states[0], states[1]);
  }
}

template <class Rule, class T>
void step_run(const Rule& given, T* HWY_RESTRICT values, const T* HWY_RESTRICT gradient,
              const std::array<T*, 2>& states, std::int64_t count) {
  const Rule rule = given;
  const auto step = [&](auto d, std::int64_t i) HWY_ATTR {
    using V = hn::Vec<decltype(d)>;
    V weight = hn::LoadU(d, values + i);
    V state[2];
    unroll<Rule::kStates>([&](auto s) HWY_ATTR { state[s] = hn::LoadU(d, states[s] + i); });
    apply_rule(rule, d, weight, hn::LoadU(d, gradient + i), state);
    hn::StoreU(weight, d, values + i);
    unroll<Rule::kStates>([&](auto s) HWY_ATTR { hn::StoreU(state[s], d, states[s] + i); });
  };
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) step(d, i);
  for (; i < count; ++i) step(hn::CappedTag<T, 1>(), i);
}

/// The bits of `inner` ⊆ `outer` at the places of the set bits of `outer`, brought together.
HWY_INLINE std::uint64_t together(std::uint64_t inner, std::uint64_t outer) {
  if (outer == ~std::uint64_t{0}) return inner;
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2
  return _pext_u64(inner, outer);
#else
  std::uint64_t bits = 0;
  for (std::uint64_t place = 1; outer != 0; outer &= outer - 1, place <<= 1) {
    if ((inner & outer & -outer) != 0) bits |= place;
  }
  return bits;
#endif
}

/// Room for eight words, and for the vector that a compressing store writes beyond.
template <class T>
struct Gathered {
  HWY_ALIGN std::array<T, 512 + 64> elements;
};

/// Puts the elements of `from` whose bits are set, of the `run` there are, side by side; writes up to a vector more.
template <class T>
HWY_INLINE void gather(const T* HWY_RESTRICT from, std::uint64_t bits, std::int64_t run, T* HWY_RESTRICT to) {
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<T, 8> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (; run >= lanes; run -= lanes, from += lanes, bits >>= lanes) {
    const auto byte = static_cast<std::uint32_t>(bits & ((1U << lanes) - 1));
    hn::StoreU(compress(d, hn::LoadU(d, from), byte), d, to);
    to += std::popcount(byte);
  }
#endif
  for (std::int64_t i = 0; i < run; ++i) {
    *to = from[i];
    to += (bits >> i) & 1U;
  }
}

/// Undoes gather: writes the elements whose bits are set, and no others' place beyond the run; reads up to a vector
/// more.
template <class T>
HWY_INLINE void scatter(const T* HWY_RESTRICT from, std::uint64_t bits, std::int64_t run, T* HWY_RESTRICT to) {
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<T, 8> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (; run >= lanes; run -= lanes, to += lanes, bits >>= lanes) {
    const auto byte = static_cast<std::uint32_t>(bits & ((1U << lanes) - 1));
    const auto spread = expand(d, hn::LoadU(d, from), byte);
    hn::StoreU(hn::IfThenElse(lane_mask(d, byte), spread, hn::LoadU(d, to)), d, to);
    from += std::popcount(byte);
  }
#endif
  for (std::int64_t i = 0; i < run; ++i) {
    if (((bits >> i) & 1U) != 0) to[i] = *from++;
  }
}

/// One array in steps of eight words: where it lies, and where its trainable elements are while they are stepped.
template <class T>
class Apart {
 public:
  /// `words`: what the array is packed over; null where it is packed as the gradient is.
  Apart(T* array, const std::uint64_t* words, std::int64_t slot) : array_(array), words_(words), slot_(slot) {}

  /// The trainable elements of some words, side by side.
  T* bring(const std::uint64_t* trainable, std::int64_t first, std::int64_t last, std::int64_t gradient_slot) {
    if (words_ == nullptr) return array_ + gradient_slot;
    T* to = gathered_.elements.data();
    std::int64_t slot = slot_;
    for (std::int64_t w = first; w < last; ++w) {
      const std::int64_t run = std::popcount(words_[w]);
      if (trainable[w] != 0) gather(array_ + slot, together(trainable[w], words_[w]), run, to);
      to += std::popcount(trainable[w]);
      slot += run;
    }
    return gathered_.elements.data();
  }

  /// Puts them back and goes on to the next words.
  void put_back(const std::uint64_t* trainable, std::int64_t first, std::int64_t last) {
    if (words_ == nullptr) return;
    const T* from = gathered_.elements.data();
    for (std::int64_t w = first; w < last; ++w) {
      const std::int64_t run = std::popcount(words_[w]);
      if (trainable[w] != 0) scatter(from, together(trainable[w], words_[w]), run, array_ + slot_);
      from += std::popcount(trainable[w]);
      slot_ += run;
    }
  }

 private:
  T* array_;
  const std::uint64_t* words_;
  std::int64_t slot_;
  Gathered<T> gathered_;
};

#if HWY_TARGET != HWY_SCALAR
/// Copies `count` elements in vectors of D; writes no others.
template <class D, class T>
HWY_INLINE void copy_run(D d, const T* HWY_RESTRICT from, std::int64_t count, T* HWY_RESTRICT to) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  if (i < count && count >= lanes) {
    hn::StoreU(hn::LoadU(d, from + count - lanes), d, to + count - lanes);
  } else {
    for (; i < count; ++i) to[i] = from[i];
  }
}

/// Steps the words [first, last) whose weights are all stored, most of them trainable, where states are packed as the
/// gradient is: these are taken apart to where the values are, and the states brought together again. Reads up to a
/// vector of elements beyond.
template <class Rule, class T>
void step_spread(const Rule& given, const StepArrays& arrays, const std::uint64_t* trainable, StepSlots slots,
                 std::int64_t first, std::int64_t last) {
  const Rule rule = given;
  const hn::CappedTag<T, 8> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  using U = hn::TFromD<decltype(du)>;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  T* HWY_RESTRICT values = static_cast<T*>(arrays.values) + slots.stored;
  const T* gradient = static_cast<const T*>(arrays.gradient) + slots.trainable;
  // States go back eight words late: what has just been stored piecemeal cannot yet be loaded without waiting.
  HWY_ALIGN T done[2][2][512 + 8];
  std::int64_t slot = slots.trainable, late = 0;
  std::size_t half = 0;
  const auto put_back = [&](std::size_t from) HWY_ATTR {
    unroll<Rule::kStates>(
        [&](auto s) HWY_ATTR { copy_run(d, done[from][s], late, static_cast<T*>(arrays.states[s]) + slot - late); });
  };
  const std::array<T*, 2> states{static_cast<T*>(arrays.states[0]), static_cast<T*>(arrays.states[1])};
  const auto bits_of_lanes = hn::Shl(hn::Set(du, U{1}), hn::Iota(du, U{0}));
  for (std::int64_t begin = first; begin < last; begin += 8) {
    std::int64_t at = 0;
    for (std::int64_t w = begin; w < std::min(begin + 8, last); ++w) {
      std::uint64_t bits = trainable[w];
      for (std::int64_t i = 0; i < 64; i += lanes, values += lanes, bits >>= lanes) {
        const auto byte = static_cast<std::uint32_t>(bits & ((1U << lanes) - 1));
        const auto apart = lane_indices(d, kLaneTables.apart[byte]);
        const auto together = lane_indices(d, kLaneTables.together[byte]);
        const V before = hn::LoadU(d, values);
        V weight = before, state[2];
        unroll<Rule::kStates>(
            [&](auto s) HWY_ATTR { state[s] = hn::TableLookupLanes(hn::LoadU(d, states[s] + slot + at), apart); });
        apply_rule(rule, d, weight, hn::TableLookupLanes(hn::LoadU(d, gradient + at), apart), state);
        const auto ours = hn::RebindMask(d, hn::TestBit(hn::Set(du, U{byte}), bits_of_lanes));
        hn::StoreU(hn::IfThenElse(ours, weight, before), d, values);
        unroll<Rule::kStates>(
            [&](auto s) HWY_ATTR { hn::StoreU(hn::TableLookupLanes(state[s], together), d, done[half][s] + at); });
        at += std::popcount(byte);
      }
    }
    half ^= 1;
    put_back(half);
    gradient += at;
    slot += at;
    late = at;
  }
  put_back(half ^ 1);
}
#else
template <class Rule, class T>
void step_spread(const Rule&, const StepArrays&, const std::uint64_t*, StepSlots, std::int64_t, std::int64_t) {}
#endif

/// The end of the words of [first, last) for which step_spread may run and pays. With two states it does not: taking
/// both apart and together costs more than the divisions of AdamW leave time for.
template <class Rule>
std::int64_t spread_until(const StepSets& sets, std::int64_t first, std::int64_t last) {
  if (HWY_TARGET == HWY_SCALAR || Rule::kStates > 1 || sets.stored == nullptr || sets.stateful != nullptr) return first;
  std::int64_t end = first, count = 0;
  for (; end < last && sets.stored[end] == ~std::uint64_t{0}; ++end) count += std::popcount(sets.trainable[end]);
  if (count < 32 * (end - first)) return first;
  // Others step the elements beyond the last word.
  for (std::int64_t beyond = 0; end > first && beyond < 8;) beyond += std::popcount(sets.trainable[--end]);
  return end;
}

template <class Rule, class T>
void step_parts(const Rule& rule, const StepArrays& arrays, const StepSets& sets, StepSlots slots, std::int64_t first,
                std::int64_t last) {
  Apart<T> values(static_cast<T*>(arrays.values), sets.stored, slots.stored);
  Apart<T> one(static_cast<T*>(arrays.states[0]), sets.stateful, slots.stateful);
  Apart<T> two(static_cast<T*>(arrays.states[1]), sets.stateful, slots.stateful);
  const T* gradient = static_cast<const T*>(arrays.gradient);
  std::int64_t slot = slots.trainable;
  for (std::int64_t begin = first; begin < last; begin += 8) {
    const std::int64_t end = begin + 8 < last ? begin + 8 : last;
    std::int64_t count = 0;
    for (std::int64_t w = begin; w < end; ++w) count += std::popcount(sets.trainable[w]);
    T* const stepped = values.bring(sets.trainable, begin, end, slot);
    std::array<T*, 2> states{};
    if constexpr (Rule::kStates > 0) states[0] = one.bring(sets.trainable, begin, end, slot);
    if constexpr (Rule::kStates > 1) states[1] = two.bring(sets.trainable, begin, end, slot);
    step_run(rule, stepped, gradient + slot, states, count);
    values.put_back(sets.trainable, begin, end);
    if constexpr (Rule::kStates > 0) one.put_back(sets.trainable, begin, end);
    if constexpr (Rule::kStates > 1) two.put_back(sets.trainable, begin, end);
    slot += count;
  }
}

template <class Rule, class T>
void step_sets(const Rule& rule, const StepArrays& arrays, const StepSets& sets, StepSlots slots, std::int64_t first,
               std::int64_t last) {
  const std::int64_t spread = spread_until<Rule>(sets, first, last);
  if constexpr (Rule::kStates < 2) step_spread<Rule, T>(rule, arrays, sets.trainable, slots, first, spread);
  for (; first < spread; ++first) {
    slots.trainable += std::popcount(sets.trainable[first]);
    slots.stored += 64;
  }
  step_parts<Rule, T>(rule, arrays, sets, slots, first, last);
}

template <class T, class Call>
void with_rule(StepRule rule, const StepFactors& factors, Call call) {
  switch (rule) {
    case StepRule::Sgd: return call(Sgd<T>(factors));
    case StepRule::SgdMomentum: return call(SgdMomentum<T>(factors));
    case StepRule::SgdNesterov: return call(SgdNesterov<T>(factors));
    case StepRule::AdamW: return call(AdamW<T>(factors));
  }
}

template <class T>
void elements(StepRule kind, const StepFactors& factors, const StepArrays& arrays, std::int64_t first,
              std::int64_t last) {
  std::array<T*, 2> states{};
  for (std::size_t s = 0; s < 2; ++s) {
    if (arrays.states[s] != nullptr) states[s] = static_cast<T*>(arrays.states[s]) + first;
  }
  with_rule<T>(kind, factors, [&](const auto& rule) HWY_ATTR {
    step_run(rule, static_cast<T*>(arrays.values) + first, static_cast<const T*>(arrays.gradient) + first, states,
             last - first);
  });
}

void run_elements(StepRule kind, const StepFactors& factors, bool is_double, const StepArrays& arrays,
                  std::int64_t first, std::int64_t last) {
  is_double ? elements<double>(kind, factors, arrays, first, last)
            : elements<float>(kind, factors, arrays, first, last);
}

void run_words(StepRule kind, const StepFactors& factors, bool is_double, const StepArrays& arrays,
               const StepSets& sets, StepSlots slots, std::int64_t first, std::int64_t last) {
  const auto run = [&]<class T>() {
    with_rule<T>(kind, factors,
                 [&]<class Rule>(const Rule& rule) { step_sets<Rule, T>(rule, arrays, sets, slots, first, last); });
  };
  is_double ? run.template operator()<double>() : run.template operator()<float>();
}

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(run_elements);
HWY_EXPORT(run_words);

void step_elements(StepRule rule, const StepFactors& factors, bool is_double, const StepArrays& arrays,
                   std::int64_t first, std::int64_t last) {
  HWY_DYNAMIC_DISPATCH(run_elements)(rule, factors, is_double, arrays, first, last);
}

void step_words(StepRule rule, const StepFactors& factors, bool is_double, const StepArrays& arrays,
                const StepSets& sets, StepSlots slots, std::int64_t first, std::int64_t last) {
  HWY_DYNAMIC_DISPATCH(run_words)(rule, factors, is_double, arrays, sets, slots, first, last);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
