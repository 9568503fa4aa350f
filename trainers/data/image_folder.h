#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <coppice/trainers/data/examples.h>
#include <coppice/trainers/data/image.h>
#include <coppice/trainers/data/transform.h>

namespace coppice::train {

/// Images in one folder for each class, `root/<class>/*.{png,jpg,jpeg}`, decoded each time they are asked for. Classes
/// are the folders' names in byte order, and images of a class are in the order of their names. Other files, and names
/// that begin with a dot, are ignored.
///
/// A file that cannot be read or decoded is an error that names it, where its batch is served.
class COPPICE_API ImageFolder : public ExampleSource {
 public:
  /// Throws `[ImageFolder] …` when there is no such folder, no class or a class without images.
  explicit ImageFolder(const std::filesystem::path& root, const ImageTransform& transform = {},
                       ImageLimits limits = {});
  /// The same images, seen differently.
  ImageFolder(const ImageFolder& other, const ImageTransform& transform);
  ~ImageFolder() override;

  std::string name() const override;
  std::int64_t size() const override;
  std::int64_t classes() const override;
  Shape image_shape() const override { return {transform_.channels, transform_.size, transform_.size}; }
  std::int64_t label(std::int64_t index) const override;
  void load(std::int64_t index, Generator& generator, std::span<std::uint8_t> pixels) const override;

  const std::vector<std::string>& class_names() const;
  const std::filesystem::path& file(std::int64_t index) const;

 private:
  struct Listing;
  std::shared_ptr<const Listing> listing_;
  ImageTransform transform_;
  ImageLimits limits_;
};

/// SHA-256 over classes, names and sizes of all files (not over their bytes, which would read them all).
COPPICE_API std::string digest(const ImageFolder& folder);

}  // namespace coppice::train
