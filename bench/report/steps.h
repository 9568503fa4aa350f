#pragma once

#include <string>

#include "bench/report/row.h"

namespace coppice::bench {

inline constexpr double kStepSparsities[] = {0.0, 0.5, 0.8, 0.9, 0.95, 0.98};

/// `ResNet-20, ERK, 90 %`: by these names the picture finds its rows.
std::string step_row_name(const std::string& network, const std::string& masks, double sparsity);

/// Steps per second over the dense peer's, by sparsity: a line for each network and kind of mask, as SVG; empty where
/// nothing was measured.
std::string step_picture(const GroupResult& steps);

}  // namespace coppice::bench
