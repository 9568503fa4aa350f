// Adaptive mean pools of several sizes in one pass.
//
// Mapping       The borders of all bins cut a plane into atoms. The rows of an atom are added up as vectors, then cut
// into
//               atoms; bins of every size are sums of atoms.
// Work          one addition an element
// Bound         memory: the input is read once (written once in backward).
// Deterministic yes: a plane is one thread's.
// Measure       coppice-bench --benchmark_filter=pyramid_pool

#include <coppice/ops/cpu/pyramid_pool.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/pyramid_pool.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <type_traits>

#include <coppice/core/parallel.h>

#ifndef COPPICE_OPS_CPU_PYRAMID_POOL_ONCE
#define COPPICE_OPS_CPU_PYRAMID_POOL_ONCE
namespace coppice::cpu {
namespace {

/// What a row group is done with; the only loops over all elements.
template <class T>
struct RowKernels {
  /// sums (width) = the sum of rows.
  void (*add_rows)(std::int64_t rows, std::int64_t width, const T* in, T* sums);
  /// rows (width) = one row, over and over.
  void (*fill_rows)(std::int64_t rows, std::int64_t width, const T* row, T* out);
};

}  // namespace
}  // namespace coppice::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

template <class T>
void add_rows(std::int64_t rows, std::int64_t width, const T* HWY_RESTRICT in, T* HWY_RESTRICT sums) {
  std::copy_n(in, width, sums);
  std::int64_t y = 1;
  for (; y + 3 <= rows; y += 3) {
    const T* HWY_RESTRICT a = in + y * width;
    const T* HWY_RESTRICT b = a + width;
    const T* HWY_RESTRICT c = b + width;
    for (std::int64_t x = 0; x < width; ++x) sums[x] += a[x] + b[x] + c[x];
  }
  for (; y < rows; ++y) {
    const T* HWY_RESTRICT a = in + y * width;
    for (std::int64_t x = 0; x < width; ++x) sums[x] += a[x];
  }
}

template <class T>
void fill_rows(std::int64_t rows, std::int64_t width, const T* row, T* out) {
  for (std::int64_t y = 0; y < rows; ++y) std::copy_n(row, width, out + y * width);
}

RowKernels<float> kernels_f32() { return {add_rows<float>, fill_rows<float>}; }
RowKernels<double> kernels_f64() { return {add_rows<double>, fill_rows<double>}; }

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(kernels_f32);
HWY_EXPORT(kernels_f64);

namespace {

template <class T>
RowKernels<T> best_kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(kernels_f32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(kernels_f64)();
  }
}

/// Calls body(first, last) on parts of the planes.
template <class Body>
void for_planes(std::int64_t planes, std::int64_t pixels, Body body) {
  parallel_for(0, planes, 1 + (std::int64_t{1} << 15) / std::max<std::int64_t>(1, pixels), body);
}

/// Calls visit(output index within the plane, first atom row, end, first atom column, end, elements) for all bins.
template <class Visit>
void for_bins(const std::vector<PyramidAxis::Bin>& rows, const std::vector<PyramidAxis::Bin>& columns, Visit visit) {
  std::int64_t output = 0;
  for (const PyramidAxis::Bin& row : rows) {
    for (const PyramidAxis::Bin& column : columns) visit(output++, row, column);
  }
}

}  // namespace

PyramidAxis::PyramidAxis(std::int64_t size, const std::vector<std::int64_t>& sizes) {
  const auto first = [&](std::int64_t i, std::int64_t count) { return i * size / count; };
  const auto end = [&](std::int64_t i, std::int64_t count) { return ((i + 1) * size + count - 1) / count; };
  cuts = {0, size};
  for (const std::int64_t count : sizes) {
    for (std::int64_t i = 0; i < count; ++i) {
      cuts.push_back(first(i, count));
      cuts.push_back(end(i, count));
    }
  }
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  const auto atom = [&](std::int64_t cut) { return std::lower_bound(cuts.begin(), cuts.end(), cut) - cuts.begin(); };
  for (const std::int64_t count : sizes) {
    bins.emplace_back();
    for (std::int64_t i = 0; i < count; ++i) bins.back().push_back({atom(first(i, count)), atom(end(i, count))});
  }
}

std::int64_t PyramidAxis::elements(const Bin& bin) const {
  return cuts[static_cast<std::size_t>(bin.end)] - cuts[static_cast<std::size_t>(bin.first)];
}

template <class T>
void pyramid_pool(std::int64_t planes, const PyramidAxis& rows, const PyramidAxis& columns, const T* in,
                  T* const* outputs) {
  const RowKernels<T> kernels = best_kernels<T>();
  const std::int64_t width = columns.cuts.back(), pixels = rows.cuts.back() * width, across = columns.atoms();
  for_planes(planes, pixels, [&](std::int64_t first, std::int64_t last) {
    std::vector<T> sums(static_cast<std::size_t>(width));
    std::vector<double> atoms(static_cast<std::size_t>(rows.atoms() * across));
    for (std::int64_t plane = first; plane < last; ++plane) {
      for (std::int64_t r = 0; r < rows.atoms(); ++r) {
        const std::int64_t top = rows.cuts[static_cast<std::size_t>(r)];
        kernels.add_rows(rows.cuts[static_cast<std::size_t>(r) + 1] - top, width, in + plane * pixels + top * width,
                         sums.data());
        for (std::int64_t c = 0; c < across; ++c) {
          double sum = 0.0;
          for (std::int64_t x = columns.cuts[static_cast<std::size_t>(c)];
               x < columns.cuts[static_cast<std::size_t>(c) + 1]; ++x) {
            sum += static_cast<double>(sums[static_cast<std::size_t>(x)]);
          }
          atoms[static_cast<std::size_t>(r * across + c)] = sum;
        }
      }
      for (std::size_t size = 0; size < rows.bins.size(); ++size) {
        T* out = outputs[size] + plane * static_cast<std::int64_t>(rows.bins[size].size() * columns.bins[size].size());
        for_bins(rows.bins[size], columns.bins[size],
                 [&](std::int64_t i, const PyramidAxis::Bin& row, const PyramidAxis::Bin& column) {
                   double sum = 0.0;
                   for (std::int64_t r = row.first; r < row.end; ++r) {
                     for (std::int64_t c = column.first; c < column.end; ++c) {
                       sum += atoms[static_cast<std::size_t>(r * across + c)];
                     }
                   }
                   out[i] = static_cast<T>(sum / static_cast<double>(rows.elements(row) * columns.elements(column)));
                 });
      }
    }
  });
}

template <class T>
void pyramid_pool_gradient(std::int64_t planes, const PyramidAxis& rows, const PyramidAxis& columns,
                           const T* const* d_outputs, T* d_in) {
  const RowKernels<T> kernels = best_kernels<T>();
  const std::int64_t width = columns.cuts.back(), pixels = rows.cuts.back() * width, across = columns.atoms();
  for_planes(planes, pixels, [&](std::int64_t first, std::int64_t last) {
    std::vector<T> row_values(static_cast<std::size_t>(width));
    std::vector<double> atoms(static_cast<std::size_t>(rows.atoms() * across));
    for (std::int64_t plane = first; plane < last; ++plane) {
      std::fill(atoms.begin(), atoms.end(), 0.0);
      for (std::size_t size = 0; size < rows.bins.size(); ++size) {
        const T* d_out =
            d_outputs[size] + plane * static_cast<std::int64_t>(rows.bins[size].size() * columns.bins[size].size());
        for_bins(rows.bins[size], columns.bins[size],
                 [&](std::int64_t i, const PyramidAxis::Bin& row, const PyramidAxis::Bin& column) {
                   const double share = static_cast<double>(d_out[i]) /
                                        static_cast<double>(rows.elements(row) * columns.elements(column));
                   for (std::int64_t r = row.first; r < row.end; ++r) {
                     for (std::int64_t c = column.first; c < column.end; ++c) {
                       atoms[static_cast<std::size_t>(r * across + c)] += share;
                     }
                   }
                 });
      }
      for (std::int64_t r = 0; r < rows.atoms(); ++r) {
        for (std::int64_t c = 0; c < across; ++c) {
          std::fill(row_values.begin() + columns.cuts[static_cast<std::size_t>(c)],
                    row_values.begin() + columns.cuts[static_cast<std::size_t>(c) + 1],
                    static_cast<T>(atoms[static_cast<std::size_t>(r * across + c)]));
        }
        const std::int64_t top = rows.cuts[static_cast<std::size_t>(r)];
        kernels.fill_rows(rows.cuts[static_cast<std::size_t>(r) + 1] - top, width, row_values.data(),
                          d_in + plane * pixels + top * width);
      }
    }
  });
}

template void pyramid_pool(std::int64_t, const PyramidAxis&, const PyramidAxis&, const float*, float* const*);
template void pyramid_pool(std::int64_t, const PyramidAxis&, const PyramidAxis&, const double*, double* const*);
template void pyramid_pool_gradient(std::int64_t, const PyramidAxis&, const PyramidAxis&, const float* const*, float*);
template void pyramid_pool_gradient(std::int64_t, const PyramidAxis&, const PyramidAxis&, const double* const*,
                                    double*);

}  // namespace coppice::cpu
#endif
