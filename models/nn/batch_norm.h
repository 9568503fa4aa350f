#pragma once

#include <optional>

#include <coppice/models/nn/module.h>
#include <coppice/ops/batch_norm.h>

namespace coppice::nn {

struct BatchNorm2dOptions {
  double eps = 1e-5;
  double momentum = 0.1;
  bool affine = true;
  double initial_weight = 1.0;  ///< 0 makes a residual branch vanish at first
};

/// Batch normalisation over (n, c, h, w). Training: batch statistics, running ones updated; evaluation: running
/// statistics, held; unless set_mode says otherwise.
class COPPICE_API BatchNorm2d : public Module {
 public:
  struct Mode {
    BatchNormStatistics statistics;
    BatchNormRunning running;
  };

  explicit BatchNorm2d(std::int64_t channels, BatchNorm2dOptions options = {});
  Tensor forward(const Tensor& input) override;
  /// relu(forward(input) + residual), as one op; the residual may be undefined.
  Tensor forward_relu(const Tensor& input, const Tensor& residual = {});
  std::string description() const override;
  void reset_parameters(std::uint64_t seed, const std::string& prefix) override;

  const BatchNorm2dOptions& options() const { return options_; }
  const Tensor& weight() const { return weight_; }  ///< undefined unless affine
  const Tensor& bias() const { return bias_; }      ///< undefined unless affine
  const Tensor& running_mean() const { return running_mean_; }
  const Tensor& running_var() const { return running_var_; }

  /// What the next forward does.
  Mode mode() const;
  /// Overrides what train() and eval() imply; empty goes back to them.
  void set_mode(std::optional<Mode> mode) { override_ = mode; }
  const std::optional<Mode>& mode_override() const { return override_; }

 private:
  /// Calls norm(options) with what the mode asks for.
  template <class Norm>
  Tensor normalize(const Tensor& input, Norm norm);

  BatchNorm2dOptions options_;
  Tensor& weight_;
  Tensor& bias_;
  Tensor& running_mean_;
  Tensor& running_var_;
  Tensor& num_batches_tracked_;
  std::optional<Mode> override_;
};

/// relu(norm(input) + residual), the residual being optional; as one op where `norm` is a BatchNorm2d and no hook looks
/// at what is between.
COPPICE_API Tensor norm_relu(Module& norm, Module& relu, const Tensor& input, const Tensor& residual = {});

/// Holds every BatchNorm2d below a module in a mode, {Batch, Hold} unless given, and restores what was there. During
/// an exploration the running statistics must not see the woken weights.
class COPPICE_API BatchNormGuard {
 public:
  explicit BatchNormGuard(Module& module,
                          BatchNorm2d::Mode mode = {BatchNormStatistics::Batch, BatchNormRunning::Hold});
  /// Each with the statistics it has now.
  BatchNormGuard(Module& module, BatchNormRunning running);
  ~BatchNormGuard();
  BatchNormGuard(const BatchNormGuard&) = delete;
  BatchNormGuard& operator=(const BatchNormGuard&) = delete;

 private:
  struct Held {
    BatchNorm2d* layer;
    std::optional<BatchNorm2d::Mode> previous;
  };
  std::vector<Held> held_;
};

}  // namespace coppice::nn
