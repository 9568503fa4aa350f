#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/mask.h>
#include <coppice/sparsity/distribution.h>

namespace coppice::train::measure {

/// A matrix of weights to measure, and which of them live. A convolution's weight is the matrix (outputs, the rest).
struct MaskedLayer {
  std::string name{};
  Mask mask{};
};

/// Random masks over `layers` that leave the fraction 1 − sparsity: `how` is `uniform` (the same in every layer) or
/// `erk`.
COPPICE_API std::vector<MaskedLayer> draw_masks(const std::string& how, const std::vector<sparsity::LayerShape>& layers,
                                                double sparsity, std::uint64_t seed = 1);

/// The masks of a file: the one of an `.mtx` or `.smtx` file; of a checkpoint or another safetensors file those of its
/// Masked tensors and of pairs `x_orig`, `x_mask`, and where there is none, the non-zeros of every matrix that has
/// zeros. Throws `[masks] …` where the file has none.
COPPICE_API std::vector<MaskedLayer> masks_of_file(const std::string& file);

/// How unequal the rows of a mask are: what makes a trained mask slower or faster than a random one.
struct RowLengths {
  double mean = 0.0;
  double variation = 0.0;  ///< standard deviation / mean; 0 where nothing lives
  std::int64_t least = 0;
  std::int64_t most = 0;
};

COPPICE_API RowLengths row_lengths(const Mask& mask);
/// `rows 78.4 ± 11 %, 52 … 103`
COPPICE_API std::string to_text(const RowLengths& lengths);

}  // namespace coppice::train::measure
