// Bound  memory: every element is read and written once. Where the innermost table advances evenly over long stretches
//        (a shift, a border, a reversal) each stretch is one copy; otherwise elements are looked up one by one.

#include <coppice/ops/cpu/take.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include <coppice/core/parallel.h>

namespace coppice::cpu {
namespace {

constexpr std::int64_t kGrain = 32768;

/// `count` runs that start `step` elements apart in the input, beginning at `place`.
struct Stretch {
  std::int64_t count, place, step;
};

std::vector<Stretch> stretches_of(const std::int64_t* table, std::int64_t size) {
  std::vector<Stretch> stretches;
  for (std::int64_t i = 0; i < size;) {
    const std::int64_t place = table[i];
    std::int64_t step = 0;
    std::int64_t end = i + 1;
    if (place == kNowhere) {
      while (end < size && table[end] == kNowhere) ++end;
    } else if (end < size && table[end] != kNowhere) {
      step = table[end] - place;
      while (end < size && table[end] != kNowhere && table[end] - table[end - 1] == step) ++end;
    }
    stretches.push_back({end - i, place, step});
    i = end;
  }
  return stretches;
}

template <class T>
class RowTaker {
 public:
  RowTaker(const TakeGeometry& geometry, const T* input, T fill)
      : run_(geometry.run), input_(input), fill_(fill), size_(geometry.rank > 0 ? geometry.size[last(geometry)] : 1) {
    table_ = geometry.rank > 0 ? geometry.place[last(geometry)] : &zero_;
    stretches_ = stretches_of(table_, size_);
    by_element_ = run_ == 1 && static_cast<std::int64_t>(stretches_.size()) * 4 > size_;
  }

  std::int64_t row_size() const { return size_ * run_; }
  void fill(T* output) const { std::fill_n(output, row_size(), fill_); }
  void take(std::int64_t base, T* output) const {
    const T* from = input_ + base;
    if (by_element_) {
      for (std::int64_t i = 0; i < size_; ++i) output[i] = table_[i] == kNowhere ? fill_ : from[table_[i]];
      return;
    }
    for (const Stretch& stretch : stretches_) {
      const std::int64_t length = stretch.count * run_;
      if (stretch.place == kNowhere) {
        std::fill_n(output, length, fill_);
      } else if (stretch.count == 1 || stretch.step == run_) {
        std::copy_n(from + stretch.place, length, output);
      } else if (run_ == 1 && stretch.step == -1) {
        std::reverse_copy(from + stretch.place - length + 1, from + stretch.place + 1, output);
      } else if (run_ == 1) {
        const T* element = from + stretch.place;
        for (std::int64_t i = 0; i < length; ++i) output[i] = element[i * stretch.step];
      } else {
        for (std::int64_t i = 0; i < stretch.count; ++i) {
          std::copy_n(from + stretch.place + i * stretch.step, run_, output + i * run_);
        }
      }
      output += length;
    }
  }

 private:
  static std::size_t last(const TakeGeometry& geometry) { return static_cast<std::size_t>(geometry.rank - 1); }

  std::int64_t run_;
  const T* input_;
  T fill_;
  std::int64_t size_;
  const std::int64_t* table_;
  std::int64_t zero_ = 0;
  std::vector<Stretch> stretches_;
  bool by_element_;
};

template <class T>
void take_typed(const TakeGeometry& geometry, const void* input, void* output, const void* fill) {
  T value;
  std::memcpy(&value, fill, sizeof(T));
  const RowTaker<T> taker(geometry, static_cast<const T*>(input), value);
  std::int64_t rows = 1;
  for (int d = 0; d + 1 < geometry.rank; ++d) rows *= geometry.size[static_cast<std::size_t>(d)];
  const std::int64_t row_size = taker.row_size();
  if (row_size == 0) return;
  parallel_for(0, rows, std::max<std::int64_t>(1, kGrain / row_size), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      std::int64_t rest = row;
      std::int64_t base = 0;
      bool nowhere = false;
      for (int d = geometry.rank - 2; d >= 0; --d) {
        const auto dim = static_cast<std::size_t>(d);
        const std::int64_t place = geometry.place[dim][rest % geometry.size[dim]];
        rest /= geometry.size[dim];
        nowhere = nowhere || place == kNowhere;
        base += place;
      }
      T* to = static_cast<T*>(output) + row * row_size;
      if (nowhere) {
        taker.fill(to);
      } else {
        taker.take(base, to);
      }
    }
  });
}

}  // namespace

void take(const TakeGeometry& geometry, std::size_t element_size, const void* input, void* output, const void* fill) {
  switch (element_size) {
    case 1: return take_typed<std::uint8_t>(geometry, input, output, fill);
    case 2: return take_typed<std::uint16_t>(geometry, input, output, fill);
    case 4: return take_typed<std::uint32_t>(geometry, input, output, fill);
    default: return take_typed<std::uint64_t>(geometry, input, output, fill);
  }
}

template <class T>
void sum_lists(const SumListsGeometry& g, const T* input, T* output) {
  const std::int64_t rows = g.outer * g.output_rows;
  if (g.inner == 0) return;
  parallel_for(0, rows, std::max<std::int64_t>(1, kGrain / g.inner), [&](std::int64_t begin, std::int64_t end) {
    std::int64_t part = begin / g.output_rows;
    std::int64_t i = begin % g.output_rows - 1;
    for (std::int64_t row = begin; row < end; ++row) {
      if (++i == g.output_rows) {
        i = 0;
        ++part;
      }
      const T* from = input + part * g.input_rows * g.inner;
      T* to = output + row * g.inner;
      if (g.inner == 1) {
        T sum{};
        for (std::int64_t l = g.first[i]; l < g.first[i + 1]; ++l) sum = static_cast<T>(sum + from[g.listed[l]]);
        *to = sum;
        continue;
      }
      std::fill_n(to, g.inner, T{});
      for (std::int64_t l = g.first[i]; l < g.first[i + 1]; ++l) {
        const T* addend = from + g.listed[l] * g.inner;
        for (std::int64_t k = 0; k < g.inner; ++k) to[k] = static_cast<T>(to[k] + addend[k]);
      }
    }
  });
}

template void sum_lists(const SumListsGeometry&, const float*, float*);
template void sum_lists(const SumListsGeometry&, const double*, double*);

}  // namespace coppice::cpu
