#pragma once

#include <string>
#include <vector>

#include <coppice/models/nn/module.h>

namespace coppice::nn {

/// A weight that pruning may touch: its full name, and where it lives.
struct COPPICE_API PrunableWeight {
  std::string name;   ///< `features.0.weight`
  Module* owner;      ///< the layer; must outlive this handle
  std::string local;  ///< `weight`

  const Tensor& tensor() const { return owner->parameter(local); }
  const Shape& shape() const { return tensor().shape(); }
  /// Puts a tensor of the same shape, e.g. its Masked version, in its place.
  void replace(const Tensor& value) const { owner->set_parameter(local, value); }
};

/// The weights (not biases) of all Linear and Conv2d layers, and of layers that override prunable_parameters, in
/// order of registration.
COPPICE_API std::vector<PrunableWeight> prunable(Module& module);

}  // namespace coppice::nn
