#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>
#include <coppice/trainers/data/dataset.h>
#include <coppice/trainers/data/examples.h>

namespace coppice::train {

/// Pixels enter a network as (pixel / 255 − mean) / stddev, with one pair for each channel or one for all.
struct Normalisation {
  std::vector<double> mean = {0.0};
  std::vector<double> stddev = {1.0};
};

/// Mean and standard deviation of each channel of some images, exact (integer sums). Measure it on the training part,
/// and where images are augmented, on the source that does not.
COPPICE_API Normalisation measure_normalisation(const ExampleSource& source, std::span<const std::int64_t> indices);
COPPICE_API Normalisation measure_normalisation(const Dataset& dataset, std::span<const std::int64_t> indices);

/// ImageNet's, with which torchvision's networks were trained: of RGB, or the mean of its channels for grey.
COPPICE_API Normalisation imagenet_normalisation(std::int64_t channels = 3);

struct LoaderOptions {
  std::int64_t batch_size = 64;
  bool shuffle = true;
  bool drop_last = true;  ///< leave out the images that do not fill the last batch of an epoch
  int workers = 0;        ///< threads that make batches ahead of their use; 0: next() makes them itself
  int prefetch = 4;       ///< batches made ahead at most
  std::uint64_t seed = 0;
  Normalisation normalisation{};
  /// Changes one normalised image in place, with a generator that depends on (seed, epoch, image) alone.
  std::function<void(std::span<float> pixels, Generator& generator)> augment{};
};

/// Images (n, c, h, w) f32 and labels (n) i64.
struct Batch {
  Tensor images;
  Tensor labels;
};

/// Serves part of a data set in batches, epoch by epoch. What a batch holds depends on (seed, epoch, its number)
/// alone: not on the workers, nor on what was served before.
///
/// Used by one thread at a time. The memory of batches is taken from the allocator of the constructing thread, whoever
/// makes them.
class COPPICE_API DataLoader {
 public:
  /// Throws when an index or a label is out of range, or when not even one batch can be made.
  DataLoader(std::shared_ptr<const ExampleSource> source, std::vector<std::int64_t> indices, LoaderOptions options);
  /// Of in_memory(dataset).
  DataLoader(const Dataset& dataset, std::vector<std::int64_t> indices, LoaderOptions options);
  ~DataLoader();
  DataLoader(const DataLoader&) = delete;
  DataLoader& operator=(const DataLoader&) = delete;

  /// Batches in an epoch.
  std::int64_t batches() const;
  /// The images of an epoch in the order they are served (with drop_last, the tail is not).
  std::vector<std::int64_t> order(std::int64_t epoch) const;
  /// Begins an epoch at its batch `first_batch` (0 … batches()); an unfinished one is dropped.
  void start(std::int64_t epoch, std::int64_t first_batch = 0);
  /// The next batch, empty at the end of the epoch. An exception thrown while a batch was made is thrown here, in that
  /// batch's place.
  std::optional<Batch> next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace coppice::train
