#pragma once

#include <cstdint>

#include <coppice/trainers/data/dataset.h>

namespace coppice::train {

/// How much the engine's digits vary. Lengths are fractions of the glyph's height unless said; the defaults make a
/// task that a dense multilayer perceptron solves to about 97 % and a very sparse one does not.
struct DigitsOptions {
  std::uint64_t seed = 0;
  double joint_jitter = 0.03;  ///< normal displacement of every joint of the skeleton
  double rotation = 0.2;       ///< radians, standard deviation
  double slant = 0.22;         ///< shear, standard deviation
  double scale = 0.12;         ///< relative, standard deviation, each axis
  double shift = 1.2;          ///< pixels, standard deviation, each axis
  double elastic = 0.045;      ///< amplitude of the smooth distortion
  double pen_min = 1.3;        ///< pixels, thinnest pen
  double pen_max = 3.4;        ///< pixels, widest pen
  double noise = 10.0;         ///< grey levels, standard deviation
};

/// Which stream of images: the test part shares nothing with the training part but its distribution.
enum class Part : std::uint8_t { Train, Test };

/// Images [first, first + count) of an endless sequence of handwriting-like digits, 28 × 28, drawn by stroke skeletons
/// under a pen of varying width. Image i and its label depend on (options, part, i) alone, and every ten images
/// starting at a multiple of ten hold each digit once.
COPPICE_API Dataset digits(std::int64_t count, DigitsOptions options = {}, Part part = Part::Train,
                           std::int64_t first = 0);

}  // namespace coppice::train
