#pragma once

#include <ostream>
#include <string>
#include <vector>

#include <coppice/ops/conv2d.h>

namespace coppice::cases {

struct Conv2dCase {
  std::string name;
  Shape input;
  Shape weight;
  Conv2dOptions options;
};

inline std::ostream& operator<<(std::ostream& out, const Conv2dCase& c) {
  return out << c.name << ": input " << c.input << ", weight " << c.weight;
}

/// Small convolutions at every edge of the definition.
inline std::vector<Conv2dCase> conv2d_edge_cases() {
  return {
      {"one_by_one", {1, 1, 1, 1}, {1, 1, 1, 1}, {}},
      {"pointwise", {2, 5, 4, 3}, {7, 5, 1, 1}, {}},
      {"pointwise_strided", {2, 5, 5, 4}, {3, 5, 1, 1}, {.stride = {2, 3}}},
      {"pointwise_padded", {2, 2, 3, 3}, {3, 2, 1, 1}, {.padding = {1, 2}}},
      {"kernel_is_input", {3, 2, 5, 4}, {4, 2, 5, 4}, {}},
      {"kernel_exceeds_input", {2, 2, 2, 2}, {3, 2, 5, 3}, {.padding = {2, 1}}},
      {"same", {2, 3, 7, 9}, {4, 3, 3, 3}, {.padding = {1, 1}}},
      {"odd_everything", {3, 3, 11, 7}, {5, 3, 3, 5}, {.stride = {2, 1}, .padding = {1, 2}}},
      {"dilated", {2, 2, 9, 10}, {3, 2, 3, 2}, {.padding = {2, 1}, .dilation = {2, 3}}},
      {"all_options",
       {2, 4, 10, 9},
       {6, 2, 3, 3},
       {.stride = {2, 3}, .padding = {3, 2}, .dilation = {2, 2}, .groups = 2}},
      {"groups", {2, 6, 5, 5}, {9, 2, 3, 3}, {.padding = {1, 1}, .groups = 3}},
      {"depthwise", {2, 4, 6, 5}, {4, 1, 3, 3}, {.padding = {1, 1}, .groups = 4}},
      {"padding_only_windows", {1, 1, 1, 1}, {2, 1, 1, 1}, {.stride = {2, 2}, .padding = {4, 4}}},
      {"many_images", {19, 2, 4, 4}, {3, 2, 3, 3}, {}},
      {"empty_batch", {0, 3, 5, 5}, {4, 3, 3, 3}, {}},
      {"no_channels", {2, 0, 5, 5}, {4, 0, 3, 3}, {}},
  };
}

/// Layers of the networks the papers train.
inline std::vector<Conv2dCase> conv2d_network_cases() {
  return {
      {"mnist_conv1", {32, 3, 28, 28}, {32, 3, 5, 5}, {.padding = {2, 2}}},
      {"mnist_conv2", {32, 32, 14, 14}, {48, 32, 5, 5}, {.padding = {2, 2}}},
      {"resnet_stem", {4, 3, 224, 224}, {64, 3, 7, 7}, {.stride = {2, 2}, .padding = {3, 3}}},
      {"resnet_3x3_56", {4, 64, 56, 56}, {64, 64, 3, 3}, {.padding = {1, 1}}},
      {"resnet_3x3_14", {4, 256, 14, 14}, {256, 256, 3, 3}, {.padding = {1, 1}}},
      {"resnet_1x1_28", {4, 512, 28, 28}, {128, 512, 1, 1}, {}},
  };
}

}  // namespace coppice::cases
