// Reductions of a contiguous (outer, reduced, inner) array along its middle dimension.
//
// Mapping        inner = 1: a row is cut into chunks of kChunk elements, each folded as cpu/fold.h says. inner > 1:
//                blocks of kBlockRows rows are folded row by row, a tile of columns at once. What is left of a long
//                dimension is reduced again.
// Work           one operation per element; reads the input once.
// Bound          memory.
// Deterministic  yes: the tree depends on the geometry alone, neither on threads nor on the instruction set.
// Measure        coppice-bench --benchmark_filter=reduce

#include <coppice/ops/cpu/reduce.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/reduce.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>
#include <coppice/ops/cpu/fold.h>

#ifndef COPPICE_OPS_CPU_REDUCE_ONCE
#define COPPICE_OPS_CPU_REDUCE_ONCE
namespace coppice::cpu {
namespace {

/// How one (op, type) folds; both write elements of the type to `out`.
struct ReduceKernel {
  void (*chunk)(const void* in, std::int64_t count, void* out) = nullptr;
  void (*rows)(const void* in, std::int64_t rows, std::int64_t columns, std::int64_t row_step, void* out) = nullptr;
};

using ReduceTable = std::array<std::array<ReduceKernel, 6>, 3>;  // [ReduceOp][DType]

}  // namespace
}  // namespace coppice::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

template <class F, class T>
void fold_chunk(const void* in, std::int64_t count, void* out) {
  *static_cast<T*>(out) = fold<F, T>(count, LoadPlain<T>{static_cast<const T*>(in)});
}

template <class F, class T>
void fold_rows(const void* in, std::int64_t rows, std::int64_t columns, std::int64_t row_step, void* out) {
  const T* first = static_cast<const T*>(in);
  T* HWY_RESTRICT sum = static_cast<T*>(out);
  for (std::int64_t c = 0; c < columns; ++c) sum[c] = first[c];
  for (std::int64_t r = 1; r < rows; ++r) {
    const T* row = first + r * row_step;
    for (std::int64_t c = 0; c < columns; ++c) sum[c] = F{}(sum[c], row[c]);
  }
}

struct Table {
  ReduceTable kernels{};

  template <class F, class T>
  void set(ReduceOp op, DType dtype = dtype_of<T>()) {
    kernels[static_cast<std::size_t>(op)][static_cast<std::size_t>(dtype)] = {fold_chunk<F, T>, fold_rows<F, T>};
  }
  template <class T>
  void set_extrema(DType dtype = dtype_of<T>()) {
    set<functor::Maximum, T>(ReduceOp::Max, dtype);
    set<functor::Minimum, T>(ReduceOp::Min, dtype);
  }
  Table() {
    set<functor::Add, float>(ReduceOp::Sum);
    set<functor::Add, double>(ReduceOp::Sum);
    set<functor::Add, std::int64_t>(ReduceOp::Sum);
    set_extrema<float>();
    set_extrema<double>();
    set_extrema<std::int32_t>();
    set_extrema<std::int64_t>();
    set_extrema<std::uint8_t>();
    set_extrema<std::uint8_t>(kBool);
  }
};

const ReduceTable& table() {
  static const Table made;
  return made.kernels;
}

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(table);

namespace {

constexpr std::int64_t kChunk = 4096;
constexpr std::int64_t kBlockRows = 128;
constexpr std::int64_t kTileColumns = 1024;
constexpr std::int64_t kGrain = 32768;  // elements read per part of a parallel loop

std::int64_t parts_of(std::int64_t size, std::int64_t part) { return (size + part - 1) / part; }

/// Folds every chunk or block once: (outer, reduced, inner) → (outer, parts, inner).
void reduce_parts(const ReduceKernel& kernel, std::int64_t size, const ReduceGeometry& g, std::int64_t part,
                  const std::byte* in, std::byte* out) {
  const std::int64_t parts = parts_of(g.reduced, part);
  const std::int64_t tile = std::min(g.inner, kTileColumns);
  const std::int64_t tiles = parts_of(g.inner, tile);
  const std::int64_t work = std::min(g.reduced, part) * tile;
  parallel_for(0, g.outer * parts * tiles, parts_of(kGrain, work), [&](std::int64_t first, std::int64_t end) {
    for (std::int64_t unit = first; unit < end; ++unit) {
      const std::int64_t column = unit % tiles * tile;
      const std::int64_t slot = unit / tiles;  // outer · parts + part
      const std::int64_t row = slot % parts * part;
      const std::int64_t rows = std::min(part, g.reduced - row);
      const std::byte* from = in + ((slot / parts * g.reduced + row) * g.inner + column) * size;
      std::byte* to = out + (slot * g.inner + column) * size;
      if (g.inner == 1) {
        kernel.chunk(from, rows, to);
      } else {
        kernel.rows(from, rows, std::min(tile, g.inner - column), g.inner, to);
      }
    }
  });
}

template <bool kLargest, class T>
void arg_typed(const ReduceGeometry& g, const T* in, std::int64_t* out) {
  const std::int64_t grain = parts_of(kGrain, std::max<std::int64_t>(g.reduced, 1));
  parallel_for(0, g.outer * g.inner, grain, [&](std::int64_t first, std::int64_t end) {
    for (std::int64_t i = first; i < end; ++i) {
      const T* x = in + (i / g.inner * g.reduced) * g.inner + i % g.inner;
      std::int64_t best = 0;
      for (std::int64_t r = 1; r < g.reduced; ++r) {
        const T value = x[r * g.inner];
        const T found = x[best * g.inner];
        const bool beyond = kLargest ? value > found : value < found;
        if (beyond || (value != value && found == found)) best = r;
      }
      out[i] = best;
    }
  });
}

}  // namespace

void reduce(ReduceOp op, DType dtype, const ReduceGeometry& geometry, const void* in, void* out) {
  static const ReduceTable& kernels = HWY_DYNAMIC_DISPATCH(table)();
  const ReduceKernel& kernel = kernels[static_cast<std::size_t>(op)][static_cast<std::size_t>(dtype)];
  const auto size = static_cast<std::int64_t>(size_of(dtype));
  const std::int64_t part = geometry.inner == 1 ? kChunk : kBlockRows;
  ReduceGeometry left = geometry;
  Buffer<std::byte> partial;
  const std::byte* from = static_cast<const std::byte*>(in);
  while (left.reduced > part) {
    const std::int64_t parts = parts_of(left.reduced, part);
    Buffer<std::byte> next(left.outer * parts * left.inner * size);
    reduce_parts(kernel, size, left, part, from, next.data());
    partial = std::move(next);
    from = partial.data();
    left.reduced = parts;
  }
  reduce_parts(kernel, size, left, part, from, static_cast<std::byte*>(out));
}

void arg_extremum(ReduceOp op, DType dtype, const ReduceGeometry& geometry, const void* in, std::int64_t* out) {
  dispatch_dtype(dtype, op == ReduceOp::Max ? "argmax" : "argmin", [&]<class T>() {
    const T* const x = static_cast<const T*>(in);
    op == ReduceOp::Max ? arg_typed<true>(geometry, x, out) : arg_typed<false>(geometry, x, out);
  });
}

}  // namespace coppice::cpu
#endif
