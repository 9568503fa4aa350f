#pragma once

#include <coppice/models/nn/module.h>

namespace coppice::nn {

class COPPICE_API ReLU : public Module {
 public:
  Tensor forward(const Tensor& input) override;
  std::string description() const override { return "ReLU"; }
};

}  // namespace coppice::nn
