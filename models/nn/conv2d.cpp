#include <coppice/models/nn/conv2d.h>

#include <cmath>
#include <sstream>

#include <coppice/core/tensor_impl.h>
#include <coppice/models/nn/init.h>

namespace coppice::nn {

namespace {

Shape weight_shape(std::int64_t in, std::int64_t out, std::array<std::int64_t, 2> kernel, std::int64_t groups) {
  COPPICE_CHECK(groups >= 1 && in % groups == 0 && out % groups == 0, "[Conv2d] groups=", groups,
                " must divide the channels; got in ", in, ", out ", out);
  return {out, in / groups, kernel[0], kernel[1]};
}

void append(std::ostream& text, const char* name, const std::array<std::int64_t, 2>& pair, std::int64_t usual) {
  if (pair[0] != usual || pair[1] != usual) text << ", " << name << "=(" << pair[0] << ", " << pair[1] << ")";
}

}  // namespace

Conv2d::Conv2d(std::int64_t in_channels, std::int64_t out_channels, std::array<std::int64_t, 2> kernel_size,
               const Conv2dLayerOptions& options)
    : options_{options.stride, options.padding, options.dilation, options.groups},
      init_(options.init),
      weight_(register_parameter("weight",
                                 Tensor::empty(weight_shape(in_channels, out_channels, kernel_size, options.groups)))),
      bias_(register_parameter("bias", options.bias ? Tensor::empty({out_channels}) : Tensor())) {
  if (options.draw) Conv2d::reset_parameters(0, "");
}

Tensor Conv2d::forward(const Tensor& input) { return conv2d(input, weight_, bias_, options_); }

std::string Conv2d::description() const {
  std::ostringstream text;
  text << "Conv2d(" << weight_.size(1) * options_.groups << ", " << weight_.size(0);
  append(text, "kernel_size", {weight_.size(2), weight_.size(3)}, 0);
  append(text, "stride", options_.stride, 1);
  append(text, "padding", options_.padding, 0);
  append(text, "dilation", options_.dilation, 1);
  if (options_.groups != 1) text << ", groups=" << options_.groups;
  text << (bias_.defined() ? ")" : ", bias=false)");
  return text.str();
}

void Conv2d::reset_parameters(std::uint64_t seed, const std::string& prefix) {
  if (init_ == ConvInit::Default) return draw_default(weight_, bias_, seed, prefix);
  const Shape& shape = weight_.shape();
  const auto fan_out = static_cast<double>(shape[0] * shape[2] * shape[3]);
  draw_normal(weight_, std::sqrt(2.0 / fan_out), seed, prefix + "weight");
  if (bias_.defined()) detail::copy_into(bias_, Tensor::zeros_like(bias_));
}

}  // namespace coppice::nn
