#pragma once

#include <cstdint>
#include <vector>

namespace coppice::cpu {

/// Bins of several sizes over one axis. `cuts` are the borders of all bins; what lies between two cuts is an atom.
struct PyramidAxis {
  struct Bin {
    std::int64_t first, end;  ///< atoms
  };
  PyramidAxis(std::int64_t size, const std::vector<std::int64_t>& sizes);

  std::int64_t atoms() const { return static_cast<std::int64_t>(cuts.size()) - 1; }
  std::int64_t elements(const Bin& bin) const;

  std::vector<std::int64_t> cuts;
  std::vector<std::vector<Bin>> bins;  ///< of each size
};

/// outputs[i] (planes, sizes[i], sizes[i]): means over the bins of planes.
template <class T>
void pyramid_pool(std::int64_t planes, const PyramidAxis& rows, const PyramidAxis& columns, const T* in,
                  T* const* outputs);

/// The transposed map.
template <class T>
void pyramid_pool_gradient(std::int64_t planes, const PyramidAxis& rows, const PyramidAxis& columns,
                           const T* const* d_outputs, T* d_in);

}  // namespace coppice::cpu
