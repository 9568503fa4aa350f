#pragma once

#include <vector>

#include <coppice/ops/conv2d_candidates.h>
#include <coppice/ops/cpu/blocked_conv.h>
#include <coppice/ops/cpu/strips.h>

// What the passes of a convolution are in the blocked layout.

namespace coppice {

cpu::BlockedConv forward_pass(const Conv2dProblem& problem);

/// The data gradient as convolutions of the output's gradient: one for every remainder of an input pixel by the stride,
/// with the taps that carry its pixels to an output.
std::vector<cpu::BlockedConv> data_gradient_passes(const Conv2dProblem& problem);

/// A few images as strips side by side: the forward pass on them, and how to cut and join.
struct StripPass {
  cpu::BlockedConv conv;
  cpu::Strips input, output;
  std::int64_t lanes;
};

/// The cut with the fewest pixels in a strip; of such the one with the smallest strips of the input.
StripPass strip_pass(const Conv2dProblem& problem);

}  // namespace coppice
