#pragma once

#include <coppice/models/nn/module.h>
#include <coppice/ops/activation.h>

namespace coppice::nn {

// The functions of ops/activation.h as layers.

class COPPICE_API ReLU : public Module {
 public:
  Tensor forward(const Tensor& input) override;
  std::string description() const override { return "ReLU"; }
};

class COPPICE_API ReLU6 : public Module {
 public:
  Tensor forward(const Tensor& input) override;
  std::string description() const override { return "ReLU6"; }
};

class COPPICE_API SiLU : public Module {
 public:
  Tensor forward(const Tensor& input) override;
  std::string description() const override { return "SiLU"; }
};

class COPPICE_API Sigmoid : public Module {
 public:
  Tensor forward(const Tensor& input) override;
  std::string description() const override { return "Sigmoid"; }
};

class COPPICE_API Tanh : public Module {
 public:
  Tensor forward(const Tensor& input) override;
  std::string description() const override { return "Tanh"; }
};

class COPPICE_API Hardswish : public Module {
 public:
  Tensor forward(const Tensor& input) override;
  std::string description() const override { return "Hardswish"; }
};

class COPPICE_API LeakyReLU : public Module {
 public:
  explicit LeakyReLU(double negative_slope = 0.01) : negative_slope_(negative_slope) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

 private:
  double negative_slope_;
};

/// One learned slope, or one for each of `num_parameters` channels (dimension 1), all `init` at first.
class COPPICE_API PReLU : public Module {
 public:
  explicit PReLU(std::int64_t num_parameters = 1, double init = 0.25);
  Tensor forward(const Tensor& input) override;
  std::string description() const override;
  void reset_parameters(std::uint64_t seed, const std::string& prefix) override;

  const Tensor& weight() const { return weight_; }

 private:
  double init_;
  Tensor& weight_;
};

class COPPICE_API ELU : public Module {
 public:
  explicit ELU(double alpha = 1.0) : alpha_(alpha) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

 private:
  double alpha_;
};

class COPPICE_API GELU : public Module {
 public:
  explicit GELU(const GeluOptions& options = {}) : options_(options) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

 private:
  GeluOptions options_;
};

class COPPICE_API Softplus : public Module {
 public:
  explicit Softplus(double beta = 1.0, double threshold = 20.0) : beta_(beta), threshold_(threshold) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

 private:
  double beta_, threshold_;
};

}  // namespace coppice::nn
