#include <coppice/trainers/data/mnist.h>

#include <algorithm>
#include <optional>

#include <coppice/core/io/idx.h>
#include <coppice/trainers/data/sha256.h>

namespace coppice::train {
namespace {

namespace fs = std::filesystem;

struct Names {
  const char* images;
  const char* labels;
};
constexpr Names kTrain = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"};
constexpr Names kTest = {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

std::optional<fs::path> search(const fs::path& directory, const std::string& name) {
  for (const fs::path& folder : {directory, directory / "mnist"}) {
    for (const char* ending : {".gz", ""}) {
      const fs::path file = folder / (name + ending);
      if (fs::is_regular_file(file)) return file;
    }
  }
  return {};
}

fs::path find_file(const fs::path& directory, const std::string& name) {
  const std::optional<fs::path> file = search(directory, name);
  COPPICE_CHECK(file, "[mnist] expects ", name, " or ", name, ".gz; found neither in ", directory.string(), " nor in ",
                (directory / "mnist").string(), "; name the directory that holds the four idx files");
  return *file;
}

Dataset load_part(const fs::path& directory, const Names& names) {
  const fs::path images = find_file(directory, names.images);
  const fs::path labels = find_file(directory, names.labels);
  Dataset set{.name = "idx", .classes = 10, .images = load_idx(images), .labels = load_idx(labels)};
  COPPICE_CHECK(set.images.dtype() == kUInt8 && set.images.dim() == 3, "[mnist] ", images.string(),
                ": expects uint8 images (n, height, width); got ", set.images.dtype(), " ", set.images.shape());
  COPPICE_CHECK(set.labels.dtype() == kUInt8 && set.labels.dim() == 1 && set.labels.size(0) == set.size(), "[mnist] ",
                labels.string(), ": expects ", set.size(), " uint8 labels, one for each image; got ",
                set.labels.dtype(), " ", set.labels.shape());
  const std::uint8_t* label = set.labels.data<std::uint8_t>();
  const std::uint8_t* wrong = std::find_if(label, label + set.size(), [](std::uint8_t l) { return l > 9; });
  COPPICE_CHECK(wrong == label + set.size(), "[mnist] ", labels.string(), ": expects labels 0-9; label ", wrong - label,
                " is ", static_cast<int>(*wrong));
  for (const fs::path& file : {images, labels}) set.files.push_back({file.filename().string(), sha256_file(file)});
  return set;
}

void check_count(const Dataset& set, const char* part, std::int64_t count) {
  COPPICE_CHECK((set.images.shape() == Shape{count, 28, 28}), "[mnist] expects ", count, " ", part,
                " images of 28 x 28; got ", set.images.shape(), "; is this another data set in MNIST's layout?");
}

}  // namespace

TrainTest load_idx_directory(const fs::path& directory) {
  return {.train = load_part(directory, kTrain), .test = load_part(directory, kTest)};
}

TrainTest mnist(const fs::path& directory) {
  TrainTest data = load_idx_directory(directory);
  check_count(data.train, "training", 60000);
  check_count(data.test, "test", 10000);
  data.train.name = "mnist";
  data.test.name = "mnist";
  return data;
}

bool holds_idx_files(const fs::path& directory) {
  const auto names = {kTrain.images, kTrain.labels, kTest.images, kTest.labels};
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return search(directory, name).has_value(); });
}

bool is_original_mnist(const TrainTest& data) {
  // digest() of what the files of yann.lecun.com hold (their SHA-256: docs/data.md).
  return digest(data.train) == "1f173180d3af2f0d32f93a33f5737e5520f13899de25b111f9d2a767904448d0" &&
         digest(data.test) == "825267a57ccfa51bfe2b9f25fc085345bab2e0a940152bc3a36954416afbe284";
}

void save_idx_directory(const fs::path& directory, const TrainTest& data) {
  fs::create_directories(directory);
  save_idx(directory / kTrain.images, data.train.images);
  save_idx(directory / kTrain.labels, data.train.labels);
  save_idx(directory / kTest.images, data.test.images);
  save_idx(directory / kTest.labels, data.test.labels);
}

}  // namespace coppice::train
