#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include <coppice/models/nn/module.h>

namespace coppice::nn {

/// Modules one after the other, named 0, 1, … or as given.
class COPPICE_API Sequential : public Module {
 public:
  Sequential() = default;
  Sequential(std::initializer_list<std::shared_ptr<Module>> modules);
  Sequential(std::initializer_list<std::pair<std::string, std::shared_ptr<Module>>> modules);

  Sequential& append(std::shared_ptr<Module> module);
  Sequential& append(const std::string& name, std::shared_ptr<Module> module);
  Tensor forward(const Tensor& input) override;
  std::string description() const override { return "Sequential"; }
};

}  // namespace coppice::nn
