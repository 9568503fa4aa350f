#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include <coppice/models/nn/module.h>

namespace coppice::nn {

/// One layer of a summary. A multiply-accumulate (MAC) is two FLOPs; both count linear and convolutional layers only.
struct LayerSummary {
  std::string name;
  std::string description;
  Shape output_shape;
  std::int64_t parameters = 0;        ///< dense
  std::int64_t alive_parameters = 0;  ///< without the dead weights of Masked parameters
  double dense_macs = 0;              ///< of one forward
  double effective_macs = 0;          ///< of alive weights
};

/// What a network is made of and what one forward costs.
struct COPPICE_API Summary {
  Shape input_shape;
  std::vector<LayerSummary> layers;  ///< modules without children, in the order they ran
  LayerSummary total;
};

/// Runs one forward on zeros of `input_shape`, in evaluation mode and unrecorded, and restores the mode.
COPPICE_API Summary summary(Module& module, const Shape& input_shape);

/// A table, one line a layer, with the totals (MACs and FLOPs) below.
COPPICE_API std::ostream& operator<<(std::ostream& out, const Summary& summary);

}  // namespace coppice::nn
