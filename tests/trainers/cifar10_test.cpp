#include <coppice/trainers/data/cifar10.h>

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <numeric>

#include <coppice/core/generator.h>
#include <coppice/trainers/data/loader.h>
#include <coppice/trainers/recipe/recipe_data.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"
#include "tests/fuzz/gzip.h"

namespace coppice::train {
namespace {

constexpr std::size_t kRecord = 3073;

/// Records whose labels go round from `first`, with red, green and blue apart.
std::string records(int count, int first = 0) {
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    bytes += static_cast<char>((first + i) % 10);
    for (const int base : {10, 100, 200}) {
      for (int pixel = 0; pixel < 1024; ++pixel) bytes += static_cast<char>(base + (pixel + first + i) % 40);
    }
  }
  return bytes;
}

class Cifar10 : public testing::Test {
 protected:
  TemporaryFolder folder_;

  void write_published(const std::filesystem::path& directory) const {
    std::filesystem::create_directories(directory);
    for (int i = 1; i <= 5; ++i) {
      std::string name = "data_batch_";
      name += std::to_string(i);
      write_bytes(directory / (name += ".bin"), records(i, i));
    }
    write_bytes(directory / "test_batch.bin", records(4, 9));
  }
};

TEST_F(Cifar10, ReadsTheFilesAsPublishedInTheirOrder) {
  for (const char* place : {"a", "b/cifar10", "c/cifar-10-batches-bin"}) write_published(folder_ / place);
  for (const char* place : {"a", "b", "c"}) {
    EXPECT_TRUE(holds_cifar10(folder_ / place));
    const TrainTest data = cifar10(folder_ / place);
    EXPECT_EQ(data.train.name, "cifar10");
    EXPECT_EQ(data.train.images.shape(), (Shape{15, 3, 32, 32}));
    EXPECT_EQ(data.train.labels.to_vector<std::uint8_t>(),
              (std::vector<std::uint8_t>{1, 2, 3, 3, 4, 5, 4, 5, 6, 7, 5, 6, 7, 8, 9}));
    EXPECT_EQ(data.test.labels.to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{9, 0, 1, 2}));
    const std::uint8_t* last = data.train.images.data<std::uint8_t>() + 14 * 3072;
    EXPECT_EQ(last[0], 10 + 9);
    EXPECT_EQ(last[1024 + 33], 100 + (33 + 9) % 40);
    EXPECT_EQ(last[3071], 200 + (1023 + 9) % 40);
    ASSERT_EQ(data.train.files.size(), 5U);
    EXPECT_EQ(data.train.files[4].name, "data_batch_5.bin");
    EXPECT_EQ(data.train.files[4].sha256.size(), 64U);
    EXPECT_FALSE(begins_as_cifar10(data.train));
  }
}

TEST_F(Cifar10, ReadsPartsPlainOrCompressed) {
  write_bytes(folder_ / "train_some.bin", records(25));
  write_bytes(folder_ / "test_some.bin.gz", fuzz::deflate(records(7, 3), fuzz::Wrapper::Gzip));
  const TrainTest data = cifar10(folder_.path());
  EXPECT_EQ(data.train.size(), 25);
  EXPECT_EQ(data.test.size(), 7);
  EXPECT_EQ(data.test.images.data<std::uint8_t>()[3072], 10 + 4);
  write_bytes(folder_ / "train_others.bin", records(5));
  EXPECT_NE(error_of([&] { cifar10(folder_.path()); }).find("one file train*.bin; found 2"), std::string::npos);
}

TEST_F(Cifar10, NamesWhatIsMissingOrWrong) {
  EXPECT_FALSE(holds_cifar10(folder_.path()));
  EXPECT_NE(error_of([&] { cifar10(folder_.path()); }).find("found neither in " + folder_.path().string()),
            std::string::npos);
  write_published(folder_.path());
  std::filesystem::remove(folder_ / "data_batch_3.bin");
  EXPECT_NE(error_of([&] { cifar10(folder_.path()); }).find("expects data_batch_3.bin or"), std::string::npos);

  const auto expect = [&](const std::string& bytes, const char* message) {
    write_bytes(folder_ / "file.bin", bytes);
    const std::string error = error_of([&] { load_cifar10_file(folder_ / "file.bin"); });
    EXPECT_NE(error.find(message), std::string::npos) << error;
  };
  expect({}, "got 0 bytes");
  expect(records(2).substr(1), "expects records of 3073 bytes, a label and 3 x 32 x 32 pixels; got 6145 bytes");
  std::string wrong = records(3);
  wrong[2 * kRecord] = 10;
  expect(wrong, "label 2 is 10");
  const std::string compressed = fuzz::deflate(records(3), fuzz::Wrapper::Gzip);
  expect(compressed.substr(0, compressed.size() - 9), "expects intact data");
  expect(fuzz::deflate(std::string(kRecord * 100'001, '\0'), fuzz::Wrapper::Gzip), "at most 100000 records");
}

TEST_F(Cifar10, IsDataOfARecipe) {
  write_bytes(folder_ / "train.bin", records(40));
  write_bytes(folder_ / "test.bin", records(10));
  Recipe recipe;
  recipe.data = {.set = "cifar10", .path = folder_.path().string(), .validation_images = 10};
  const RecipeData data = load_data(recipe);
  EXPECT_EQ(data.train->image_shape(), (Shape{3, 32, 32}));
  EXPECT_EQ(data.test_positions.size(), 10U);
  const Normalisation expected = measure_normalisation(*data.validation, data.split.train);
  EXPECT_EQ(data.normalisation.mean, expected.mean);  // of the images as they are, each channel apart
  ASSERT_EQ(expected.mean.size(), 3U);
  EXPECT_LT(expected.mean[0] + 0.3, expected.mean[1]);

  const auto load = [](const ExampleSource& source, std::uint64_t seed) {
    std::vector<std::uint8_t> pixels(3072);
    Generator generator(seed);
    source.load(7, generator, pixels);
    return pixels;
  };
  EXPECT_EQ(load(*data.validation, 1), load(*data.validation, 2));
  EXPECT_NE(load(*data.train, 1), load(*data.train, 2));
  recipe.data.augment = false;
  EXPECT_EQ(load(*load_data(recipe).train, 1), load(*data.validation, 1));
  recipe.data.path.clear();
  expect_error([&] { load_data(recipe); },
               "[recipe] data.set cifar10 expects data.path, the directory of its binary files; got none");
}

TEST(Cifar10Data, HoldsRealImages) {
  const char* data = std::getenv("COPPICE_DATA");
  if (!data || !holds_cifar10(data)) GTEST_SKIP() << "needs COPPICE_DATA with cifar10";
  const TrainTest set = cifar10(data);
  std::array<int, 10> counts{};
  const std::uint8_t* labels = set.train.labels.data<std::uint8_t>();
  for (std::int64_t i = 0; i < set.train.size(); ++i) ++counts.at(labels[i]);
  for (const int count : counts) EXPECT_EQ(count, set.train.size() / 10);
  // What is published of CIFAR-10's means, within what other compression and another choice of images change.
  std::vector<std::int64_t> all(static_cast<std::size_t>(set.train.size()));
  std::iota(all.begin(), all.end(), 0);
  const Normalisation normalisation = measure_normalisation(set.train, all);
  const std::array<double, 3> published = {0.4914, 0.4822, 0.4465};
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(normalisation.mean[c], published[c], 0.01);
  const std::filesystem::path start = std::filesystem::path(data) / "cifar10/data_batch_1_first4000.bin.gz";
  if (!std::filesystem::exists(start)) return;
  const Dataset original = load_cifar10_file(start);
  EXPECT_TRUE(begins_as_cifar10(original));
  ++original.images.data<std::uint8_t>()[5];
  EXPECT_FALSE(begins_as_cifar10(original));
}

}  // namespace
}  // namespace coppice::train
