#pragma once

#include <coppice/models/nn/module.h>

namespace coppice::nn {

struct LinearOptions {
  bool bias = true;
};

/// y = x · weightᵀ + bias, weight (out, in), dense or Masked.
class COPPICE_API Linear : public Module {
 public:
  Linear(std::int64_t in_features, std::int64_t out_features, LinearOptions options = {});
  Tensor forward(const Tensor& input) override;
  std::string description() const override;
  void reset_parameters(std::uint64_t seed, const std::string& prefix) override;
  std::vector<std::string> prunable_parameters() const override { return {"weight"}; }

  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }

 private:
  Tensor& weight_;
  Tensor& bias_;
};

}  // namespace coppice::nn
