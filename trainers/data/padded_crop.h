#pragma once

#include <cstdint>
#include <memory>

#include <coppice/core/export.h>
#include <coppice/trainers/data/examples.h>

namespace coppice::train {

/// A random window of the image's own size in the image with a black border, mirrored with some probability.
struct PaddedCrop {
  std::int64_t padding = 4;  ///< pixels of border on each side
  double flip = 0.5;         ///< probability of left for right
};

/// The images of a source, changed anew whenever they are loaded: torchvision's RandomCrop(size, padding) and
/// RandomHorizontalFlip on bytes, before normalisation.
/// Source: He et al., CVPR 2016, section 4.2.
COPPICE_API std::shared_ptr<const ExampleSource> augmented(std::shared_ptr<const ExampleSource> source,
                                                           PaddedCrop crop = {});

}  // namespace coppice::train
