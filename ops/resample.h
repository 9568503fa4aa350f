#pragma once

#include <memory>

#include <coppice/core/tensor.h>
#include <coppice/ops/cpu/taps.h>

namespace coppice {

/// The weights of rows and of columns, and their transposes.
struct ResamplePlan {
  cpu::Taps rows, columns;
  cpu::Taps rows_back, columns_back;
};

/// (n, c, h, w) resampled between the plan's weights; recorded under the name of `op`, differentiable any number of
/// times.
Tensor resample(const char* op, const Tensor& input, const std::shared_ptr<const ResamplePlan>& plan);

}  // namespace coppice
