#pragma once

#include <cstdint>
#include <vector>

namespace coppice::cpu {

/// The weights with which the outputs along one axis read its elements: a sparse matrix (outputs, size) whose rows are
/// runs. Runs start and end in ascending order.
struct Taps {
  struct Run {
    std::int64_t first;   ///< element that weight 0 belongs to
    std::int64_t count;   ///< weights; 0: the output is 0
    std::int64_t offset;  ///< of weight 0 in `weights`
  };
  std::int64_t size = 0;
  std::vector<Run> runs = {};
  std::vector<double> weights = {};

  std::int64_t outputs() const { return static_cast<std::int64_t>(runs.size()); }
  std::int64_t longest() const;
  void add(std::int64_t first, const std::vector<double>& run);
};

/// The transposed matrix.
Taps transpose(const Taps& taps);

}  // namespace coppice::cpu
