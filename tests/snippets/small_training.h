#pragma once

#include <cstdint>

#include <coppice/core/generator.h>
#include <coppice/core/tensor.h>

namespace coppice {

/// What the examples assume to be there: images (n, 784), labels (n), and a number of steps.
struct SmallTraining {
  Tensor images;
  Tensor labels;
  std::int64_t steps = 0;
};

inline SmallTraining small_training() {
  Generator generator(3);
  return {Tensor::randn({16, 784}, generator), Tensor::randint(0, 10, {16}, generator, {.dtype = kInt64}), 620};
}

}  // namespace coppice
