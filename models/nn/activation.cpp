#include <coppice/models/nn/activation.h>

#include <sstream>

#include <coppice/models/nn/init.h>

namespace coppice::nn {

namespace {

/// `Layer(name=value)`
std::string with(const char* layer, const char* name, double value) {
  std::ostringstream text;
  text << layer << '(' << name << '=' << value << ')';
  return text.str();
}

}  // namespace

Tensor ReLU::forward(const Tensor& input) { return relu(input); }
Tensor ReLU6::forward(const Tensor& input) { return relu6(input); }
Tensor SiLU::forward(const Tensor& input) { return silu(input); }
Tensor Sigmoid::forward(const Tensor& input) { return sigmoid(input); }
Tensor Tanh::forward(const Tensor& input) { return tanh(input); }
Tensor Hardswish::forward(const Tensor& input) { return hardswish(input); }

Tensor LeakyReLU::forward(const Tensor& input) { return leaky_relu(input, negative_slope_); }
std::string LeakyReLU::description() const { return with("LeakyReLU", "negative_slope", negative_slope_); }

PReLU::PReLU(std::int64_t num_parameters, double init)
    : init_(init), weight_(register_parameter("weight", Tensor::full({num_parameters}, init))) {}

Tensor PReLU::forward(const Tensor& input) { return prelu(input, weight_); }

std::string PReLU::description() const {
  std::ostringstream text;
  text << "PReLU(num_parameters=" << weight_.numel() << ')';
  return text.str();
}

void PReLU::reset_parameters(std::uint64_t, const std::string&) {
  assign_parameter(weight_, Tensor::full(weight_.shape(), init_));
}

Tensor ELU::forward(const Tensor& input) { return elu(input, alpha_); }
std::string ELU::description() const { return with("ELU", "alpha", alpha_); }

Tensor GELU::forward(const Tensor& input) { return gelu(input, options_); }
std::string GELU::description() const {
  return options_.approximate == GeluApproximate::None ? "GELU" : "GELU(approximate=tanh)";
}

Tensor Softplus::forward(const Tensor& input) { return softplus(input, beta_, threshold_); }
std::string Softplus::description() const {
  std::ostringstream text;
  text << "Softplus(beta=" << beta_ << ", threshold=" << threshold_ << ')';
  return text.str();
}

}  // namespace coppice::nn
