#include <coppice/models/nn/sequential.h>

namespace coppice::nn {

Sequential::Sequential(std::initializer_list<std::shared_ptr<Module>> modules) {
  for (const std::shared_ptr<Module>& module : modules) append(module);
}

Sequential::Sequential(std::initializer_list<std::pair<std::string, std::shared_ptr<Module>>> modules) {
  for (const auto& [name, module] : modules) append(name, module);
}

Sequential& Sequential::append(std::shared_ptr<Module> module) {
  return append(std::to_string(children().size()), std::move(module));
}

Sequential& Sequential::append(const std::string& name, std::shared_ptr<Module> module) {
  register_module(name, std::move(module));
  return *this;
}

Tensor Sequential::forward(const Tensor& input) {
  Tensor output = input;
  for (const auto& [name, module] : children()) output = (*module)(output);
  return output;
}

}  // namespace coppice::nn
