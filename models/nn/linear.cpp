#include <coppice/models/nn/linear.h>

#include <sstream>

#include <coppice/models/nn/init.h>
#include <coppice/ops/linear.h>

namespace coppice::nn {

Linear::Linear(std::int64_t in_features, std::int64_t out_features, LinearOptions options)
    : weight_(register_parameter("weight", Tensor::empty({out_features, in_features}))),
      bias_(register_parameter("bias", options.bias ? Tensor::empty({out_features}) : Tensor())) {
  draw_default(weight_, bias_, 0, "");
}

Tensor Linear::forward(const Tensor& input) { return linear(input, weight_, bias_); }

std::string Linear::description() const {
  std::ostringstream text;
  text << "Linear(" << weight_.size(1) << ", " << weight_.size(0) << (bias_.defined() ? ")" : ", bias=false)");
  return text.str();
}

void Linear::reset_parameters(std::uint64_t seed, const std::string& prefix) {
  draw_default(weight_, bias_, seed, prefix);
}

}  // namespace coppice::nn
