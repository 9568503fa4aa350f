#pragma once

#include <array>
#include <cstdint>

#include <coppice/core/export.h>

namespace coppice {

/// The three products of a layer with weights.
enum class FlopPhase : std::uint8_t { Forward, DataGradient, WeightGradient };

/// Floating-point operations by phase; a multiply-add counts 2. `dense` is what the layer would need with every weight
/// alive; `effective` is what its live (and, for the weight gradient, trainable) weights need.
struct FlopCount {
  std::array<double, 3> dense{};
  std::array<double, 3> effective{};

  double total_dense() const { return dense[0] + dense[1] + dense[2]; }
  double total_effective() const { return effective[0] + effective[1] + effective[2]; }
};

/// Called by every op with weights as it runs. Norms, activations and pooling are not counted, as in the papers.
COPPICE_API void count_flops(FlopPhase phase, double dense, double effective);

/// Sums what ops on this thread report while it lives; scopes nest, and each sees what the inner ones see.
class COPPICE_API FlopScope {
 public:
  FlopScope();
  ~FlopScope();
  FlopScope(const FlopScope&) = delete;
  FlopScope& operator=(const FlopScope&) = delete;

  const FlopCount& count() const { return count_; }
  void reset() { count_ = {}; }

 private:
  friend void count_flops(FlopPhase, double, double);
  FlopCount count_;
  FlopScope* outer_;
};

}  // namespace coppice
