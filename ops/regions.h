#pragma once

#include <array>
#include <memory>
#include <vector>

#include <coppice/core/tensor.h>
#include <coppice/ops/cpu/roi_pool.h>

namespace coppice {

/// Regions of one output size in images (n, c, height, width).
struct RegionPlan {
  std::vector<cpu::Region> regions;
  Shape images;
  std::array<std::int64_t, 2> output_size;
};

/// Throws `[op] …` unless input (n, c, h, w) and boxes (k, 5) fit together and each box names one of the images.
void check_regions(const char* op, const Tensor& input, const Tensor& boxes, std::array<std::int64_t, 2> output_size);

/// (k, c, output_size) without history.
Tensor pool_regions(const char* op, const Tensor& input, const RegionPlan& plan);
/// Its transpose: (n, c, height, width) without history.
Tensor spread_regions(const char* op, const Tensor& d_output, const RegionPlan& plan);

}  // namespace coppice
