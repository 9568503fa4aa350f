// Sums over the bins of regions, whose weights are separable.
//
// Mapping       A bin row blends its image rows between the first and the last column that any bin reads, then each bin
//               takes its columns. Threads share out regions forward, planes backward.
// Work          regions · channels · (rows read · width + bins · columns of a bin)
// Bound         loads from L2
// Deterministic yes: an output, and a pixel's gradient, is summed in a fixed order by one thread.
// Measure       coppice-bench --benchmark_filter=roi

#include <coppice/ops/cpu/roi_pool.h>

#include <algorithm>

#include <coppice/core/parallel.h>

namespace coppice::cpu {

namespace {

/// The weights of one axis in the element type, and the elements that any bin reads.
template <class T>
struct Axis {
  explicit Axis(const Taps& taps) : runs(taps.runs), weights(taps.weights.begin(), taps.weights.end()) {
    first = taps.size;
    for (const Taps::Run& run : runs) {
      if (run.count == 0) continue;
      first = std::min(first, run.first);
      end = std::max(end, run.first + run.count);
    }
    first = std::min(first, end);
  }
  std::vector<Taps::Run> runs;
  std::vector<T> weights;
  std::int64_t first = 0, end = 0;
};

template <class T>
void pool_plane(const Axis<T>& rows, const Axis<T>& columns, std::int64_t width, const T* plane, T* blended, T* out) {
  const std::int64_t read = columns.end - columns.first;
  for (const Taps::Run& row : rows.runs) {
    std::fill_n(blended, read, T{0});
    for (std::int64_t k = 0; k < row.count; ++k) {
      const T weight = rows.weights[static_cast<std::size_t>(row.offset + k)];
      const T* from = plane + (row.first + k) * width + columns.first;
      for (std::int64_t x = 0; x < read; ++x) blended[x] += weight * from[x];
    }
    for (const Taps::Run& column : columns.runs) {
      T sum{0};
      for (std::int64_t k = 0; k < column.count; ++k) {
        sum += columns.weights[static_cast<std::size_t>(column.offset + k)] * blended[column.first - columns.first + k];
      }
      *out++ = sum;
    }
  }
}

template <class T>
void spread_plane(const Axis<T>& rows, const Axis<T>& columns, std::int64_t width, const T* d_out, T* spread,
                  T* d_plane) {
  const std::int64_t read = columns.end - columns.first;
  for (const Taps::Run& row : rows.runs) {
    std::fill_n(spread, read, T{0});
    for (const Taps::Run& column : columns.runs) {
      const T gradient = *d_out++;
      for (std::int64_t k = 0; k < column.count; ++k) {
        spread[column.first - columns.first + k] +=
            columns.weights[static_cast<std::size_t>(column.offset + k)] * gradient;
      }
    }
    for (std::int64_t k = 0; k < row.count; ++k) {
      const T weight = rows.weights[static_cast<std::size_t>(row.offset + k)];
      T* to = d_plane + (row.first + k) * width + columns.first;
      for (std::int64_t x = 0; x < read; ++x) to[x] += weight * spread[x];
    }
  }
}

}  // namespace

template <class T>
void pool_regions(std::int64_t channels, const std::vector<Region>& regions, const T* images, T* out) {
  parallel_for(0, static_cast<std::int64_t>(regions.size()), 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const Region& region = regions[static_cast<std::size_t>(i)];
      const std::int64_t bins = region.rows.outputs() * region.columns.outputs();
      const std::int64_t pixels = region.rows.size * region.columns.size;
      const Axis<T> rows(region.rows), columns(region.columns);
      std::vector<T> blended(static_cast<std::size_t>(columns.end - columns.first));
      for (std::int64_t c = 0; c < channels; ++c) {
        pool_plane(rows, columns, region.columns.size, images + (region.image * channels + c) * pixels, blended.data(),
                   out + (i * channels + c) * bins);
      }
    }
  });
}

template <class T>
void spread_regions(std::int64_t images, std::int64_t channels, std::int64_t height, std::int64_t width,
                    const std::vector<Region>& regions, const T* d_out, T* d_images) {
  std::vector<Axis<T>> rows, columns;
  for (const Region& region : regions) {
    rows.emplace_back(region.rows);
    columns.emplace_back(region.columns);
  }
  parallel_for(0, images * channels, 4, [&](std::int64_t first, std::int64_t last) {
    std::vector<T> spread(static_cast<std::size_t>(width));
    std::fill(d_images + first * height * width, d_images + last * height * width, T{0});
    for (std::size_t i = 0; i < regions.size(); ++i) {
      const Region& region = regions[i];
      const std::int64_t bins = region.rows.outputs() * region.columns.outputs();
      const std::int64_t begin = std::max(first, region.image * channels);
      for (std::int64_t p = begin; p < std::min(last, (region.image + 1) * channels); ++p) {
        const std::int64_t channel = p - region.image * channels;
        spread_plane(rows[i], columns[i], width, d_out + (static_cast<std::int64_t>(i) * channels + channel) * bins,
                     spread.data(), d_images + p * height * width);
      }
    }
  });
}

template void pool_regions(std::int64_t, const std::vector<Region>&, const float*, float*);
template void pool_regions(std::int64_t, const std::vector<Region>&, const double*, double*);
template void spread_regions(std::int64_t, std::int64_t, std::int64_t, std::int64_t, const std::vector<Region>&,
                             const float*, float*);
template void spread_regions(std::int64_t, std::int64_t, std::int64_t, std::int64_t, const std::vector<Region>&,
                             const double*, double*);

}  // namespace coppice::cpu
