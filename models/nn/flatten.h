#pragma once

#include <coppice/models/nn/module.h>

namespace coppice::nn {

/// (n, c, h, …) → (n, c·h·…).
class COPPICE_API Flatten : public Module {
 public:
  Tensor forward(const Tensor& input) override;
  std::string description() const override { return "Flatten"; }
};

}  // namespace coppice::nn
