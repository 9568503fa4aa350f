#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>
#include <coppice/trainers/data/dataset.h>

namespace coppice {
class Generator;
}

namespace coppice::train {

/// Labelled images of one size that a DataLoader serves: in memory, decoded from files when asked for, or a user's own.
/// All members may be called from several threads at once.
class COPPICE_API ExampleSource {
 public:
  ExampleSource() = default;
  virtual ~ExampleSource();
  ExampleSource(const ExampleSource&) = delete;
  ExampleSource& operator=(const ExampleSource&) = delete;

  /// For messages and reports.
  virtual std::string name() const = 0;
  virtual std::int64_t size() const = 0;
  virtual std::int64_t classes() const = 0;
  /// (c, h, w) of every image.
  virtual Shape image_shape() const = 0;
  virtual std::int64_t label(std::int64_t index) const = 0;
  /// Writes the c · h · w pixels of an image. Whatever is random in it, an augmentation, is drawn from `generator`.
  virtual void load(std::int64_t index, Generator& generator, std::span<std::uint8_t> pixels) const = 0;
};

/// A data set in memory as a source; its elements are shared, not copied. Throws unless images are u8 (n, h, w) or
/// (n, c, h, w) and labels u8 (n).
COPPICE_API std::shared_ptr<const ExampleSource> in_memory(const Dataset& dataset);

}  // namespace coppice::train
