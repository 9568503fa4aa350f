#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>

namespace coppice::train {

/// One file a data set was read from.
struct SourceFile {
  std::string name{};
  std::string sha256{};
};

/// Labelled images in memory: `images` (n, height, width), grey, or (n, channels, height, width), and `labels` (n),
/// both u8.
struct Dataset {
  std::string name{};
  int classes = 0;
  Tensor images{};
  Tensor labels{};
  std::vector<SourceFile> files{};  ///< empty for data the engine makes

  std::int64_t size() const { return images.size(0); }
  std::int64_t channels() const { return images.dim() == 4 ? images.size(1) : 1; }
  std::int64_t height() const { return images.size(-2); }
  std::int64_t width() const { return images.size(-1); }
};

/// The two parts every image data set here comes in. The test part is read once per run, at its end.
struct TrainTest {
  Dataset train{};
  Dataset test{};
};

/// SHA-256 over shape, labels and images: two data sets with the same digest hold the same examples in the same order.
COPPICE_API std::string digest(const Dataset& dataset);

/// Positions in a data set: two disjoint parts that together cover it.
struct Split {
  std::vector<std::int64_t> train{};
  std::vector<std::int64_t> validation{};
};

/// A random split that depends on (count, validation, seed) alone; both parts are in ascending order.
COPPICE_API Split split(std::int64_t count, std::int64_t validation, std::uint64_t seed);

}  // namespace coppice::train
