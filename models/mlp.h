#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <coppice/models/nn/sequential.h>

namespace coppice::models {

/// Fully connected layers fc1, fc2, … with ReLU between them, on inputs of any shape that flattens to widths[0].
/// The default is LeNet-300-100.
COPPICE_API std::shared_ptr<nn::Sequential> mlp(const std::vector<std::int64_t>& widths = {784, 300, 100, 10},
                                                std::uint64_t seed = 0);

}  // namespace coppice::models
