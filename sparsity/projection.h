#pragma once

#include <coppice/core/export.h>
#include <coppice/core/mask.h>
#include <coppice/core/tensor.h>

namespace coppice {
class Generator;
}

namespace coppice::sparsity {

/// The mask of a pattern that keeps most of a dense weight's magnitude: exactly alive_count(units, density) units,
/// those with the largest sums of |w|, ties by position. Units are weights, or the blocks of the pattern.
///
/// Of an N:M pattern the N largest |w| of every M neighbours can live, so that a density above N/M counts as N/M and
/// project(weight, Pattern::nm(2, 4)) keeps two of every four. f32 and f64. Throws `[project] …` for channels, and
/// where the rows of the weight are no multiple of M.
/// Source: Mishra et al., arXiv:2104.08378 (N:M by magnitude); Narang et al., arXiv:1711.02782 (blocks).
COPPICE_API Mask project(const Tensor& weight, Pattern pattern, double density = 1.0);

/// A random mask of a pattern with exactly alive_count(units, density) units. Free sets and sets of blocks are all
/// equally likely; of an N:M pattern every weight draws a score, and the largest that the groups have room for live.
/// Throws `[random_mask] …` for channels, where the rows are no multiple of M, and for a density above N/M.
COPPICE_API Mask random_mask(const Shape& shape, Pattern pattern, double density, Generator& generator);

}  // namespace coppice::sparsity
