// Running folds along one dimension.
//
// Mapping        lines in parallel: a tile of up to kTile neighbouring columns is folded row by row.
// Bound          the chain of additions where the inner dimension is 1, else memory.
// Deterministic  yes: one thread folds a line in index order; f32 in double.

#include <coppice/ops/cpu/scan.h>

#include <algorithm>
#include <type_traits>

#include <coppice/core/parallel.h>
#include <coppice/ops/functors.h>

namespace coppice::cpu {
namespace {

constexpr std::int64_t kTile = 64;
constexpr std::int64_t kGrain = 32768;

struct Sum {
  template <class T>
  T operator()(T total, T a, T) const {
    return functor::Add{}(total, a);
  }
};
struct Product {
  template <class T>
  T operator()(T total, T a, T) const {
    return functor::Mul{}(total, a);
  }
};
struct Recurrence {
  template <class T>
  T operator()(T total, T a, T b) const {
    return functor::Add{}(a, functor::Mul{}(b, total));
  }
};

template <class F, class T>
void scan_typed(bool reverse, const ReduceGeometry& g, const T* a, const T* b, T* out) {
  using Total = std::conditional_t<std::is_same_v<T, float>, double, T>;
  const std::int64_t tile = std::min(g.inner, kTile);
  const std::int64_t tiles = tile == 0 ? 0 : (g.inner + tile - 1) / tile;
  const std::int64_t grain = kGrain / std::max<std::int64_t>(g.reduced * tile, 1) + 1;
  parallel_for(0, g.outer * tiles, grain, [&](std::int64_t first, std::int64_t end) {
    for (std::int64_t unit = first; unit < end; ++unit) {
      const std::int64_t column = unit % tiles * tile;
      const std::int64_t columns = std::min(tile, g.inner - column);
      const std::int64_t start = unit / tiles * g.reduced * g.inner + column;
      Total total[kTile];
      std::fill_n(total, columns, std::is_same_v<F, Product> ? Total{1} : Total{0});
      for (std::int64_t r = 0; r < g.reduced; ++r) {
        const std::int64_t row = reverse ? g.reduced - 1 - r : r;
        const std::int64_t at = start + row * g.inner;
        const std::int64_t factor = reverse ? at + g.inner : at;  // not read in the first step
        for (std::int64_t c = 0; c < columns; ++c) {
          const Total b_value = r > 0 ? static_cast<Total>(b[factor + c]) : Total{0};
          total[c] = F{}(total[c], static_cast<Total>(a[at + c]), b_value);
          out[at + c] = static_cast<T>(total[c]);
        }
      }
    }
  });
}

template <class T>
void scan_op(ScanOp op, bool reverse, const ReduceGeometry& g, const void* a, const void* b, void* out) {
  const T* const x = static_cast<const T*>(a);
  const T* const y = static_cast<const T*>(b);
  T* const z = static_cast<T*>(out);
  switch (op) {
    case ScanOp::Sum: return scan_typed<Sum>(reverse, g, x, y, z);
    case ScanOp::Product: return scan_typed<Product>(reverse, g, x, y, z);
    case ScanOp::Recurrence: return scan_typed<Recurrence>(reverse, g, x, y, z);
  }
}

}  // namespace

void scan(ScanOp op, ScanDirection direction, DType dtype, const ReduceGeometry& geometry, const void* a, const void* b,
          void* out) {
  const bool reverse = direction == ScanDirection::Reverse;
  if (dtype == kInt64) return scan_op<std::int64_t>(op, reverse, geometry, a, b, out);
  dispatch_floating(dtype, "scan", [&]<class T>() { scan_op<T>(op, reverse, geometry, a, b, out); });
}

}  // namespace coppice::cpu
