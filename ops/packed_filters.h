#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include <coppice/core/tensor.h>
#include <coppice/ops/conv2d_candidates.h>

namespace coppice {

/// The kernels that a network's convolutions took and the filters as these read them, kept from call to call. One can
/// serve several threads. A weight that was written, or whose mask changed, is packed again.
class PackedFilters {
 public:
  struct Choice {
    const Conv2dCandidate* candidate = nullptr;
    std::shared_ptr<const PackedFilter> filter{};  ///< null where the candidate makes none
  };

  /// Chooses and packs at the first call with a weight, shape and format.
  Choice find(const Conv2dProblem& problem, const Tensor& weight, const Conv2dOperands& operands);

 private:
  struct Entry {
    Tensor weight;  // keeps the address from meaning another one
    std::uint64_t version;
    Shape input;
    Conv2dOptions options;
    MemoryFormat format;
    Choice choice;
  };
  std::mutex mutex_;
  std::vector<Entry> entries_;
};

/// Lets convolutions of this thread use packed filters while it lives.
class PackedFiltersScope {
 public:
  explicit PackedFiltersScope(PackedFilters& filters);
  ~PackedFiltersScope();
  PackedFiltersScope(const PackedFiltersScope&) = delete;
  PackedFiltersScope& operator=(const PackedFiltersScope&) = delete;

  /// Null outside a scope.
  static PackedFilters* current();

 private:
  PackedFilters* previous_;
};

}  // namespace coppice
