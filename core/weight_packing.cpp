// WeightState's packings: dense to packed, packed to dense, and from one set to another.

#include <coppice/core/weight_state.h>

#include <algorithm>
#include <array>
#include <bit>

#include <coppice/core/count_bits.h>
#include <coppice/core/mask_slots.h>
#include <coppice/core/remap.h>
#include <coppice/core/tensor_impl.h>

namespace coppice {

namespace {

void check_packed(const Tensor& packed, const Mask& at, const char* op) {
  COPPICE_CHECK(packed.dim() == 1 && packed.numel() == at.count(), "[WeightState] ", op, " expects ", at.count(),
                " packed elements; got ", packed.shape(), " for ", at);
}

/// Calls body(first position, word of a, word of b, first slot of a, first slot of b) for all words, in parallel.
template <class Body>
void for_words(const Mask& a, const Mask& b, Body body) {
  const std::uint64_t* const a_words = a.words().data();
  const std::uint64_t* const b_words = b.words().data();
  const auto size = static_cast<std::int64_t>(a.words().size());
  parallel_for(0, size, detail::kSlotGrainWords, [&](std::int64_t first, std::int64_t last) {
    std::int64_t a_slot = a.rank(first * 64);
    std::int64_t b_slot = b.rank(first * 64);
    for (std::int64_t w = first; w < last; ++w) {
      body(w * 64, a_words[w], b_words[w], a_slot, b_slot);
      a_slot += detail::count_bits(a_words[w]);
      b_slot += detail::count_bits(b_words[w]);
    }
  });
}

/// Words whose moves are found before any is made: loops over one word's few moves would be mispredicted at each end.
constexpr std::int64_t kMoveWords = 16;

/// Which slots of some words of one packing go where in those of another.
struct Moves {
  std::int64_t had = 0;
  std::int64_t wanted = 0;
  std::size_t count = 0;
  bool same = false;  ///< all move, none is new
  std::array<std::uint16_t, 64 * kMoveWords + 1> reads;
  std::array<std::uint16_t, 64 * kMoveWords + 1> writes;

  void find(const std::uint64_t* have, const std::uint64_t* want, std::int64_t words) {
    if (std::equal(have, have + words, want)) {
      had = 0;
      for (std::int64_t w = 0; w < words; ++w) had += detail::count_bits(have[w]);
      wanted = had;
      same = true;
      return;
    }
    same = false;
    std::uint16_t read = 0;
    std::uint16_t write = 0;
    std::size_t moved = 0;
    for (std::int64_t w = 0; w < words; ++w) {
      for (std::uint64_t either = have[w] | want[w]; either != 0; either &= either - 1) {
        const std::uint64_t lowest = either & -either;
        const bool leaves = (have[w] & lowest) != 0;
        const bool arrives = (want[w] & lowest) != 0;
        reads[moved] = read;
        writes[moved] = write;
        moved += static_cast<std::size_t>(leaves && arrives);
        read = static_cast<std::uint16_t>(read + leaves);
        write = static_cast<std::uint16_t>(write + arrives);
      }
    }
    count = moved;
    had = read;
    wanted = write;
  }

  template <class T>
  void apply(const T* from, T* to, T fill) const {
    if (same) {
      std::copy_n(from, wanted, to);
      return;
    }
    if (static_cast<std::int64_t>(count) < wanted) std::fill_n(to, wanted, fill);
    for (std::size_t i = 0; i < count; ++i) to[writes[i]] = from[reads[i]];
  }
};

void scatter_into(const Tensor& packed, const Mask& at, const Tensor& dense) {
  dispatch_dtype(packed.dtype(), "WeightState", [&]<class T>() {
    const T* const in = packed.data<T>();
    T* const out = dense.data<T>();
    const std::int64_t numel = at.numel();
    for_words(at, at, [=](std::int64_t position, std::uint64_t word, std::uint64_t, std::int64_t slot, std::int64_t) {
      if (word == ~std::uint64_t{0}) {
        std::copy_n(in + slot, 64, out + position);
        return;
      }
      std::fill_n(out + position, std::min<std::int64_t>(64, numel - position), T{});
      for (; word != 0; word &= word - 1) out[position + std::countr_zero(word)] = in[slot++];
    });
  });
}

}  // namespace

Tensor WeightState::gather(const Tensor& dense, const Mask& at) {
  COPPICE_CHECK(dense.shape() == at.shape(), "[WeightState] gather expects the mask's shape ", at.shape(), "; got ",
                dense.shape());
  const Tensor packed = Tensor::empty({at.count()}, {.dtype = dense.dtype()});
  if (at.count() == 0) return packed;
  const Tensor source = detail::raw_contiguous(dense);
  dispatch_dtype(dense.dtype(), "WeightState", [&]<class T>() {
    const T* const in = source.data<T>();
    T* const out = packed.data<T>();
    for_words(at, at, [=](std::int64_t position, std::uint64_t word, std::uint64_t, std::int64_t slot, std::int64_t) {
      if (word == ~std::uint64_t{0}) {
        std::copy_n(in + position, 64, out + slot);
        return;
      }
      for (; word != 0; word &= word - 1) out[slot++] = in[position + std::countr_zero(word)];
    });
  });
  return packed;
}

Tensor WeightState::scatter(const Tensor& packed, const Mask& at) {
  check_packed(packed, at, "scatter");
  const Tensor dense = Tensor::empty(at.shape(), {.dtype = packed.dtype()});
  scatter_into(detail::raw_contiguous(packed), at, dense);
  return dense;
}

Tensor WeightState::remap(const Tensor& packed, const Mask& from, const Mask& to, double fill) {
  check_packed(packed, from, "remap");
  COPPICE_CHECK(from.shape() == to.shape(), "[WeightState] remap expects equal shapes; got ", from.shape(), " and ",
                to.shape());
  return detail::remap_all({detail::raw_contiguous(packed)}, from, to, fill).front();
}

std::vector<Tensor> detail::remap_all(const std::vector<Tensor>& packed, const Mask& from, const Mask& to,
                                      double fill) {
  std::vector<Tensor> results;
  for (const Tensor& vector : packed) results.push_back(Tensor::empty({to.count()}, {.dtype = vector.dtype()}));
  if (packed.empty()) return results;
  dispatch_dtype(packed.front().dtype(), "WeightState", [&]<class T>() {
    std::vector<std::pair<const T*, T*>> vectors;
    for (std::size_t v = 0; v < packed.size(); ++v) {
      vectors.emplace_back(packed[v].data<T>(), results[v].data<T>());
    }
    const T filled = static_cast<T>(fill);
    const std::uint64_t* const have = from.words().data();
    const std::uint64_t* const want = to.words().data();
    parallel_for(0, std::ssize(from.words()), detail::kSlotGrainWords, [&](std::int64_t first, std::int64_t last) {
      Moves moves;
      std::int64_t in = from.rank(first * 64);
      std::int64_t out = to.rank(first * 64);
      for (std::int64_t w = first; w < last; w += kMoveWords) {
        moves.find(have + w, want + w, std::min(kMoveWords, last - w));
        for (const auto& [source, result] : vectors) moves.apply(source + in, result + out, filled);
        in += moves.had;
        out += moves.wanted;
      }
    });
  });
  return results;
}

Tensor WeightState::to_dense() const { return scatter(values_, stored_); }

void WeightState::expand_into(const Tensor& dense) const {
  COPPICE_CHECK(dense.shape() == shape() && dense.dtype() == dtype() && dense.is_contiguous(),
                "[WeightState] expand_into expects a contiguous ", dtype(), " ", shape(), "; got ", dense.dtype(), " ",
                dense.shape());
  scatter_into(values_, stored_, dense);
}

}  // namespace coppice
