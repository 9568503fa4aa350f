#pragma once

#include <memory>
#include <string>

#include <coppice/core/flops.h>
#include <coppice/core/mask.h>
#include <coppice/core/tensor.h>
#include <coppice/ops/conv2d_candidates.h>
#include <coppice/ops/linear_candidates.h>

#include "bench/report/race.h"
#include "tests/cases/network_cases.h"

namespace coppice::bench {

inline constexpr FlopPhase kPhases[] = {FlopPhase::Forward, FlopPhase::DataGradient, FlopPhase::WeightGradient};
const char* pass_name(FlopPhase phase);

/// Random over all positions, or over blocks of `rows` × 1 of the matrix (outputs, the rest).
Mask random_mask(const Shape& shape, double sparsity, int rows);

/// A convolution as it runs inside a network: batches that fill a vector in the blocked format.
class Layer {
 public:
  /// A dense filter, or a Masked one where `mask` is defined.
  Layer(const cases::LayerCase& layer, std::int64_t batch, const Mask& mask = {});

  /// One pass by the kernel that the plan takes. The layer must outlive it.
  std::function<void()> pass(FlopPhase phase) const;
  /// That kernel's name.
  std::string kernel(FlopPhase phase) const;
  double flops() const { return flops_; }  ///< of a dense pass
  double bytes() const { return bytes_; }  ///< operands and result, once each

 private:
  Tensor input_, weight_, output_;
  Conv2dOptions options_;
  double flops_ = 0.0, bytes_ = 0.0;

  Conv2dProblem problem(FlopPhase phase) const;
};

/// As peers are asked for it.
std::string peer_case(const cases::LayerCase& layer, std::int64_t batch, FlopPhase phase);

/// A linear layer with a Masked weight (m, k) and n samples.
class SparseProduct {
 public:
  SparseProduct(const cases::ProductCase& product, double sparsity, int rows);
  std::function<void()> pass(FlopPhase phase) const;
  std::string kernel(FlopPhase phase) const;

 private:
  Tensor weight_, x_, y_;
  std::int64_t samples_;
};

/// The dense product that does the same, as peers are asked for it.
std::string peer_case(const cases::ProductCase& product, FlopPhase phase);

/// Takes part in a race as the geometric mean of ratios: the same weight for every case, however long it takes.
Row geometric_row(const std::string& what, const std::vector<Race>& races, std::size_t way, int threads, Goal goal);

}  // namespace coppice::bench
