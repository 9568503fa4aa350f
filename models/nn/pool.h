#pragma once

#include <array>

#include <coppice/models/nn/module.h>
#include <coppice/ops/pool2d.h>

namespace coppice::nn {

class COPPICE_API MaxPool2d : public Module {
 public:
  explicit MaxPool2d(std::array<std::int64_t, 2> kernel_size, const MaxPool2dOptions& options = {})
      : kernel_size_(kernel_size), options_(options) {}
  explicit MaxPool2d(std::int64_t kernel_size, const MaxPool2dOptions& options = {})
      : MaxPool2d(std::array{kernel_size, kernel_size}, options) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

 private:
  std::array<std::int64_t, 2> kernel_size_;
  MaxPool2dOptions options_;
};

class COPPICE_API AvgPool2d : public Module {
 public:
  explicit AvgPool2d(std::array<std::int64_t, 2> kernel_size, const AvgPool2dOptions& options = {})
      : kernel_size_(kernel_size), options_(options) {}
  explicit AvgPool2d(std::int64_t kernel_size, const AvgPool2dOptions& options = {})
      : AvgPool2d(std::array{kernel_size, kernel_size}, options) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

 private:
  std::array<std::int64_t, 2> kernel_size_;
  AvgPool2dOptions options_;
};

class COPPICE_API AdaptiveAvgPool2d : public Module {
 public:
  explicit AdaptiveAvgPool2d(std::array<std::int64_t, 2> output_size) : output_size_(output_size) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

 private:
  std::array<std::int64_t, 2> output_size_;
};

}  // namespace coppice::nn
