#pragma once

#include <cstdint>

#include <coppice/models/nn/module.h>

namespace coppice::nn {

/// Gives back its input. What folding leaves in the place of a norm.
class COPPICE_API Identity : public Module {
 public:
  Tensor forward(const Tensor& input) override { return input; }
  std::string description() const override { return "Identity"; }
};

/// Folds every BatchNorm2d into the Conv2d it follows, for inference: the convolution gets the norm's scale in its
/// weight (a Masked one stays Masked, over the same alive weights) and its shift as bias; an Identity takes the norm's
/// place. Returns how many norms were folded.
///
/// Which norm follows which convolution is seen in one run of the network on zeros of shape `input`, with its history.
/// A pair stays as it is where something else reads the convolution's output too, where one of the two runs twice or
/// has forward hooks, or where the norm uses batch statistics. Convolutions are replaced by new ones, so this is for
/// networks that find their children by name (Module::set_module). Names of the norms leave the state dict and biases
/// join it: save a checkpoint before.
///
/// Throws `[fold_batch_norm] …` when a module is in training mode.
/// Source: Jacob et al., CVPR 2018, section 3.2.
COPPICE_API std::int64_t fold_batch_norm(Module& model, const Shape& input);

/// relu(norm(conv(input)) + residual), the residual being optional, in the fewest ops: batch norm with its ReLU, or,
/// once folding left an Identity, the convolution with all that follows. Forward hooks of every part are run.
COPPICE_API Tensor conv_norm_relu(Module& conv, Module& norm, Module& relu, const Tensor& input,
                                  const Tensor& residual = {});

}  // namespace coppice::nn
