#include <coppice/trainers/data/image_folder.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>

#include <coppice/trainers/data/sha256.h>

namespace coppice::train {
namespace {

namespace fs = std::filesystem;

bool is_image_name(const fs::path& file) {
  std::string ending = file.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::array<std::string_view, 3> kEndings = {".png", ".jpg", ".jpeg"};
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

/// What of a folder is not hidden and passes a test, by name.
template <class Wanted>
std::vector<fs::path> entries(const fs::path& folder, const Wanted& wanted) {
  std::vector<fs::path> found;
  std::error_code failure;
  fs::directory_iterator entry(folder, failure);
  for (; !failure && entry != fs::directory_iterator(); entry.increment(failure)) {
    if (!entry->path().filename().string().starts_with('.') && wanted(*entry)) found.push_back(entry->path());
  }
  COPPICE_CHECK(!failure, "[ImageFolder] ", folder.string(), ": expects a folder that can be read; ",
                failure.message());
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  return found;
}

}  // namespace

struct ImageFolder::Listing {
  fs::path root;
  std::vector<std::string> classes;
  std::vector<fs::path> files;
  std::vector<std::int64_t> labels;

  explicit Listing(const fs::path& folder) : root(folder) {
    for (const fs::path& path : entries(root, [](const fs::directory_entry& entry) { return entry.is_directory(); })) {
      const std::vector<fs::path> images = entries(
          path, [](const fs::directory_entry& entry) { return is_image_name(entry.path()) && !entry.is_directory(); });
      COPPICE_CHECK(!images.empty(), "[ImageFolder] ", path.string(),
                    ": expects PNG or JPEG files of a class; got none");
      labels.insert(labels.end(), images.size(), std::ssize(classes));
      files.insert(files.end(), images.begin(), images.end());
      classes.push_back(path.filename().string());
    }
    COPPICE_CHECK(!classes.empty(), "[ImageFolder] ", root.string(), ": expects one folder for each class; got none");
  }
};

ImageFolder::ImageFolder(const fs::path& root, const ImageTransform& transform, ImageLimits limits)
    : listing_(std::make_shared<const Listing>(root)), transform_(transform), limits_(limits) {
  check_transform(transform);
}

ImageFolder::ImageFolder(const ImageFolder& other, const ImageTransform& transform)
    : listing_(other.listing_), transform_(transform), limits_(other.limits_) {
  check_transform(transform);
}

ImageFolder::~ImageFolder() = default;

std::string ImageFolder::name() const { return listing_->root.string(); }
std::int64_t ImageFolder::size() const { return std::ssize(listing_->files); }
std::int64_t ImageFolder::classes() const { return std::ssize(listing_->classes); }
const std::vector<std::string>& ImageFolder::class_names() const { return listing_->classes; }

std::int64_t ImageFolder::label(std::int64_t index) const {
  return listing_->labels.at(static_cast<std::size_t>(index));
}
const fs::path& ImageFolder::file(std::int64_t index) const {
  return listing_->files.at(static_cast<std::size_t>(index));
}

void ImageFolder::load(std::int64_t index, Generator& generator, std::span<std::uint8_t> pixels) const {
  apply_transform(transform_, read_image(file(index), limits_), generator, pixels);
}

std::string digest(const ImageFolder& folder) {
  std::ostringstream text;
  for (std::int64_t i = 0; i < folder.size(); ++i) {
    std::error_code failure;
    const std::uintmax_t bytes = fs::file_size(folder.file(i), failure);
    text << folder.label(i) << ' ' << folder.class_names()[static_cast<std::size_t>(folder.label(i))] << '/'
         << folder.file(i).filename().string() << ' ' << (failure ? 0 : bytes) << '\n';
  }
  return sha256(text.str().data(), text.str().size());
}

}  // namespace coppice::train
