#include <coppice/models/nn/pool.h>

#include <sstream>

namespace coppice::nn {

namespace {

using Pair = std::array<std::int64_t, 2>;

std::ostream& operator<<(std::ostream& out, const Pair& pair) {
  return out << '(' << pair[0] << ", " << pair[1] << ')';
}

std::string describe(const char* layer, const Pair& kernel, const std::optional<Pair>& stride, const Pair& padding) {
  std::ostringstream text;
  text << layer << "(kernel_size=" << kernel;
  if (stride && *stride != kernel) text << ", stride=" << *stride;
  if (padding != Pair{0, 0}) text << ", padding=" << padding;
  text << ')';
  return text.str();
}

}  // namespace

Tensor MaxPool2d::forward(const Tensor& input) { return max_pool2d(input, kernel_size_, options_); }
std::string MaxPool2d::description() const {
  return describe("MaxPool2d", kernel_size_, options_.stride, options_.padding);
}

Tensor AvgPool2d::forward(const Tensor& input) { return avg_pool2d(input, kernel_size_, options_); }
std::string AvgPool2d::description() const {
  return describe("AvgPool2d", kernel_size_, options_.stride, options_.padding);
}

Tensor AdaptiveAvgPool2d::forward(const Tensor& input) { return adaptive_avg_pool2d(input, output_size_); }
std::string AdaptiveAvgPool2d::description() const {
  std::ostringstream text;
  text << "AdaptiveAvgPool2d" << output_size_;
  return text.str();
}

}  // namespace coppice::nn
