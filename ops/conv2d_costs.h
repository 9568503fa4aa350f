#pragma once

#include <coppice/ops/conv2d_candidates.h>

// What the built-in kernels of a convolution can run, and what it would cost (Conv2dCandidate::can_run and cost).

namespace coppice {

bool is_blocked(const Conv2dProblem& problem);
bool is_contiguous(const Conv2dProblem& problem);
/// Whether the kernels for lists of entries can take blocked images with the weight: where its values are those of its
/// entries, and dense ones whose groups (depthwise: one row and one channel) would leave a panel mostly empty.
bool takes_blocked_rows(const Conv2dProblem& problem);
/// Whether, besides, the rows of a group share their entries.
bool takes_blocked_panels(const Conv2dProblem& problem);
/// Whether there are so few images that cutting them into strips fills more lanes.
bool fits_strips(const Conv2dProblem& problem);
bool takes_strip_rows(const Conv2dProblem& problem);
bool takes_strip_panels(const Conv2dProblem& problem);

double im2col_cost(const Conv2dProblem& problem);
double dense_cost(const Conv2dProblem& problem);
double gridded_cost(const Conv2dProblem& problem);
double scattered_cost(const Conv2dProblem& problem);
double rows_cost(const Conv2dProblem& problem);
double panels_cost(const Conv2dProblem& problem);
double scattered_panels_cost(const Conv2dProblem& problem);
double sampled_rows_cost(const Conv2dProblem& problem);
double dense_strips_cost(const Conv2dProblem& problem);
double row_strips_cost(const Conv2dProblem& problem);
double panel_strips_cost(const Conv2dProblem& problem);

}  // namespace coppice
