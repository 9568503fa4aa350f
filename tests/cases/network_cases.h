#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

// The layers and products that performance is promised for, as tests check them and benchmarks time them.

namespace coppice::cases {

/// A square convolution with padding k / 2, and how many of it the network has.
struct LayerCase {
  std::int64_t inputs, outputs, size, kernel, stride, count;

  std::int64_t output_size() const { return (size + 2 * (kernel / 2) - kernel) / stride + 1; }
  std::string name() const {
    std::string text = std::to_string(kernel) + "x" + std::to_string(kernel) + " ";
    text += std::to_string(inputs) + "-" + std::to_string(outputs) + "@" + std::to_string(size);
    return stride == 1 ? text : text + "/" + std::to_string(stride);
  }
};

inline std::ostream& operator<<(std::ostream& out, const LayerCase& c) { return out << c.name(); }

/// Every convolution of ResNet-50 on images of 224 × 224.
inline const std::vector<LayerCase>& resnet50_layers() {
  static const std::vector<LayerCase> kLayers = {
      {3, 64, 224, 7, 2, 1},     {64, 64, 56, 1, 1, 1},    {64, 64, 56, 3, 1, 3},    {64, 256, 56, 1, 1, 4},
      {256, 64, 56, 1, 1, 2},    {256, 128, 56, 1, 1, 1},  {128, 128, 56, 3, 2, 1},  {128, 512, 28, 1, 1, 4},
      {256, 512, 56, 1, 2, 1},   {512, 128, 28, 1, 1, 3},  {128, 128, 28, 3, 1, 3},  {512, 256, 28, 1, 1, 1},
      {256, 256, 28, 3, 2, 1},   {256, 1024, 14, 1, 1, 6}, {512, 1024, 28, 1, 2, 1}, {1024, 256, 14, 1, 1, 5},
      {256, 256, 14, 3, 1, 5},   {1024, 512, 14, 1, 1, 1}, {512, 512, 14, 3, 2, 1},  {512, 2048, 7, 1, 1, 3},
      {1024, 2048, 14, 1, 2, 1}, {2048, 512, 7, 1, 1, 2},  {512, 512, 7, 3, 1, 2},
  };
  return kLayers;
}

/// Every convolution of ResNet-18 on images of 32 × 32.
inline const std::vector<LayerCase>& resnet18_cifar_layers() {
  static const std::vector<LayerCase> kLayers = {
      {3, 64, 32, 3, 1, 1},    {64, 64, 32, 3, 1, 4},   {64, 128, 32, 3, 2, 1},  {64, 128, 32, 1, 2, 1},
      {128, 128, 16, 3, 1, 3}, {128, 256, 16, 3, 2, 1}, {128, 256, 16, 1, 2, 1}, {256, 256, 8, 3, 1, 3},
      {256, 512, 8, 3, 2, 1},  {256, 512, 8, 1, 2, 1},  {512, 512, 4, 3, 1, 3},
  };
  return kLayers;
}

/// The 3 × 3 layers that sparse convolution is judged by.
inline const std::vector<LayerCase>& sparse_layers() {
  static const std::vector<LayerCase> kLayers = {
      {64, 64, 56, 3, 1, 1}, {128, 128, 28, 3, 1, 1}, {256, 256, 14, 3, 1, 1}, {512, 512, 7, 3, 1, 1}};
  return kLayers;
}

/// C (m, n) = A (m, k) · B (k, n), and where it comes from.
struct ProductCase {
  std::int64_t m, n, k;
  const char* origin;
};

inline std::ostream& operator<<(std::ostream& out, const ProductCase& c) {
  return out << c.m << "x" << c.n << "x" << c.k << " (" << c.origin << ")";
}

/// Squares of 256 to 2048, and products of ResNet-50's layers at batch 1 with at least 196 columns.
inline const std::vector<ProductCase>& goal_products() {
  static const std::vector<ProductCase> kProducts = {
      {256, 256, 256, "square"},        {384, 384, 384, "square"},           {512, 512, 512, "square"},
      {768, 768, 768, "square"},        {1024, 1024, 1024, "square"},        {1536, 1536, 1536, "square"},
      {2048, 2048, 2048, "square"},     {64, 3136, 64, "1x1 64-64@56"},      {64, 3136, 576, "3x3 64-64@56"},
      {256, 3136, 64, "1x1 64-256@56"}, {128, 784, 1152, "3x3 128@28"},      {128, 784, 512, "1x1 512-128@28"},
      {256, 196, 2304, "3x3 256@14"},   {1024, 196, 256, "1x1 256-1024@14"}, {128, 512, 512, "linear, batch 128"},
  };
  return kProducts;
}

/// Products that no tile fits: 49 columns, and one.
inline const std::vector<ProductCase>& tail_products() {
  static const std::vector<ProductCase> kProducts = {
      {512, 49, 4608, "3x3 512@7"}, {512, 49, 2048, "1x1 2048-512@7"}, {1000, 1, 2048, "ResNet-50's last layer"}};
  return kProducts;
}

/// Weights (m, k) that sparse products are judged by, with n columns of activations.
inline const std::vector<ProductCase>& sparse_products() {
  static const std::vector<ProductCase> kProducts = {
      {64, 3136, 576, "3x3 64@56"},  {128, 784, 1152, "3x3 128@28"},       {256, 196, 2304, "3x3 256@14"},
      {512, 49, 4608, "3x3 512@7"},  {1024, 196, 256, "1x1 256-1024@14"},  {128, 784, 512, "1x1 512-128@28"},
      {512, 128, 512, "linear 512"}, {4096, 64, 1024, "linear 1024-4096"},
  };
  return kProducts;
}

}  // namespace coppice::cases
