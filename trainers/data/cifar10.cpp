#include <coppice/trainers/data/cifar10.h>

#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <coppice/core/error.h>
#include <coppice/trainers/data/sha256.h>

namespace coppice::train {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kPixels = 3 * 32 * 32;
constexpr std::int64_t kRecord = 1 + kPixels;
constexpr std::int64_t kMostRecords = 100'000;

/// A file through zlib, which passes on what is not compressed.
class Stream {
 public:
  explicit Stream(const fs::path& file) : name_(file.string()) {
    std::error_code failure;
    COPPICE_CHECK(fs::is_regular_file(file, failure), "[cifar10] ", name_, ": must be a file");
    stream_.reset(::gzopen(file.c_str(), "rb"));
    COPPICE_CHECK(stream_, "[cifar10] ", name_, ": must be a file that can be opened");
  }

  /// Up to `bytes` of what follows; fewer at the end only.
  std::int64_t read(std::uint8_t* to, std::int64_t bytes) {
    const int got = ::gzread(stream_.get(), to, static_cast<unsigned>(bytes));
    int code = Z_OK;
    const char* reason = ::gzerror(stream_.get(), &code);
    COPPICE_CHECK(got >= 0 && (code == Z_OK || code == Z_STREAM_END), "[cifar10] ", name_,
                  ": expects intact data; got ", reason);
    return got;
  }

 private:
  struct Close {
    void operator()(gzFile_s* stream) const { ::gzclose(stream); }
  };
  std::string name_;
  std::unique_ptr<gzFile_s, Close> stream_;
};

std::int64_t count_records(const fs::path& file) {
  Stream stream(file);
  std::array<std::uint8_t, 1 << 14> block{};
  std::int64_t bytes = 0;
  for (std::int64_t got = 1; got > 0 && bytes <= kMostRecords * kRecord; bytes += got) {
    got = stream.read(block.data(), std::ssize(block));
  }
  COPPICE_CHECK(bytes <= kMostRecords * kRecord, "[cifar10] ", file.string(), ": expects at most ", kMostRecords,
                " records of ", kRecord, " bytes; got more");
  COPPICE_CHECK(bytes > 0 && bytes % kRecord == 0, "[cifar10] ", file.string(), ": expects records of ", kRecord,
                " bytes, a label and 3 x 32 x 32 pixels; got ", bytes, " bytes");
  return bytes / kRecord;
}

/// Writes the records of a file from position `first` of a data set on.
void read_records(const fs::path& file, std::int64_t count, Dataset& set, std::int64_t first) {
  Stream stream(file);
  std::uint8_t* label = set.labels.data<std::uint8_t>() + first;
  std::uint8_t* pixels = set.images.data<std::uint8_t>() + first * kPixels;
  for (std::int64_t i = 0; i < count; ++i, ++label, pixels += kPixels) {
    COPPICE_CHECK(stream.read(label, 1) == 1 && stream.read(pixels, kPixels) == kPixels, "[cifar10] ", file.string(),
                  ": expects ", count, " records; the file changed while it was read");
    COPPICE_CHECK(*label <= 9, "[cifar10] ", file.string(), ": expects labels 0-9; label ", i, " is ",
                  static_cast<int>(*label));
  }
}

Dataset load_files(const std::vector<fs::path>& files) {
  std::vector<std::int64_t> counts;
  std::int64_t total = 0;
  for (const fs::path& file : files) total += counts.emplace_back(count_records(file));
  Dataset set{.name = "cifar10",
              .classes = 10,
              .images = Tensor::empty({total, 3, 32, 32}, {.dtype = kUInt8}),
              .labels = Tensor::empty({total}, {.dtype = kUInt8})};
  std::int64_t first = 0;
  for (std::size_t i = 0; i < files.size(); first += counts[i++]) {
    read_records(files[i], counts[i], set, first);
    set.files.push_back({files[i].filename().string(), sha256_file(files[i])});
  }
  return set;
}

std::optional<fs::path> named(const fs::path& folder, const std::string& name) {
  for (const char* ending : {"", ".gz"}) {
    const fs::path file = folder / (name + ending);
    if (fs::is_regular_file(file)) return file;
  }
  return {};
}

struct Files {
  std::vector<fs::path> train{};
  std::vector<fs::path> test{};
};

/// The files as published, if data_batch_1.bin is there.
std::optional<Files> published(const fs::path& folder) {
  if (!named(folder, "data_batch_1.bin")) return {};
  const auto need = [&](const std::string& name) {
    const std::optional<fs::path> file = named(folder, name);
    COPPICE_CHECK(file, "[cifar10] expects ", name, " or ", name, ".gz beside data_batch_1.bin; found neither in ",
                  folder.string());
    return *file;
  };
  Files files;
  for (const char number : {'1', '2', '3', '4', '5'}) {
    std::string name = "data_batch_";
    name += number;
    files.train.push_back(need(name += ".bin"));
  }
  files.test.push_back(need("test_batch.bin"));
  return files;
}

/// The one file of a part, if there is any.
std::optional<fs::path> part_of(const fs::path& folder, const char* part) {
  std::error_code failure;
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(folder, failure); !failure && entry != fs::directory_iterator();
       entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(part) && (name.ends_with(".bin") || name.ends_with(".bin.gz"))) found.push_back(entry->path());
  }
  COPPICE_CHECK(found.size() <= 1, "[cifar10] ", folder.string(), ": expects one file ", part, "*.bin; found ",
                found.size(), "; which of them is meant?");
  return found.empty() ? std::nullopt : std::optional(found.front());
}

std::optional<Files> find_files(const fs::path& directory) {
  for (const fs::path& folder : {directory, directory / "cifar10", directory / "cifar-10-batches-bin"}) {
    if (std::optional<Files> files = published(folder)) return files;
    const std::optional<fs::path> train = part_of(folder, "train");
    const std::optional<fs::path> test = part_of(folder, "test");
    if (train && test) return Files{.train = {*train}, .test = {*test}};
  }
  return {};
}

}  // namespace

Dataset load_cifar10_file(const fs::path& file) { return load_files({file}); }

TrainTest cifar10(const fs::path& directory) {
  const std::optional<Files> files = find_files(directory);
  COPPICE_CHECK(files,
                "[cifar10] expects data_batch_1.bin to data_batch_5.bin and test_batch.bin, or one train*.bin "
                "and one test*.bin, plain or .gz; found neither in ",
                directory.string(),
                " nor in its folders "
                "cifar10 and cifar-10-batches-bin");
  return {.train = load_files(files->train), .test = load_files(files->test)};
}

bool holds_cifar10(const fs::path& directory) { return find_files(directory).has_value(); }

bool begins_as_cifar10(const Dataset& dataset) {
  constexpr std::int64_t kCompared = 4000;
  if (dataset.images.dim() != 4 || dataset.size() < kCompared) return false;
  const Dataset start{.images = dataset.images.narrow(0, 0, kCompared).contiguous(),
                      .labels = dataset.labels.narrow(0, 0, kCompared).contiguous()};
  return digest(start) == "be67aa0ee9e48a71019310ae993c4725dbb2a39807563a56565555057c699658";
}

}  // namespace coppice::train
