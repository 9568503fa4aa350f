#include <coppice/trainers/data/image_folder.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

#include <coppice/core/generator.h>
#include <coppice/trainers/data/loader.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"
#include "tests/trainers/image_files.h"

namespace coppice::train {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

/// A file of one colour.
void paint(const fs::path& file, int level, const Shape& shape = {3, 20, 24}) {
  fs::create_directories(file.parent_path());
  if (file.extension() == ".png" || file.extension() == ".PNG") {
    write_png(file, Tensor::full(shape, level, {.dtype = kUInt8}));
    return;
  }
  const auto height = static_cast<std::uint32_t>(shape[1]), width = static_cast<std::uint32_t>(shape[2]);
  const Bytes bytes =
      make_jpeg(std::vector<std::uint8_t>(3UL * height * width, static_cast<std::uint8_t>(level)), height, width, {});
  write_bytes(file, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void paint_two_classes(const TemporaryFolder& folder) {
  paint(folder / "b/2.JPG", 120);
  paint(folder / "b/10.png", 100);
  paint(folder / "a/x.jpeg", 30, {3, 31, 9});
  paint(folder / "a/y.PNG", 60, {1, 8, 8});
  write_bytes(folder / "a/notes.txt", "no image");
  write_bytes(folder / "a/.hidden.png", "nor this");
  write_bytes(folder / "README", "nor this");
  fs::create_directories(folder / ".cache");
}

TEST(ImageFolder, ListsClassesAndFilesInOrder) {
  const TemporaryFolder folder;
  paint_two_classes(folder);
  const ImageFolder images(folder.path(), evaluation_transform(7));
  EXPECT_EQ(images.class_names(), (Strings{"a", "b"}));
  EXPECT_EQ(images.classes(), 2);
  ASSERT_EQ(images.size(), 4);
  EXPECT_EQ(images.image_shape(), (Shape{3, 7, 7}));
  EXPECT_EQ(images.name(), folder.path().string());
  const Strings names = {"a/x.jpeg", "a/y.PNG", "b/10.png", "b/2.JPG"};
  const int levels[] = {30, 60, 100, 120};
  for (std::size_t i = 0; i < 4; ++i) {
    const auto index = static_cast<std::int64_t>(i);
    EXPECT_EQ(images.file(index), folder / names[i]);
    EXPECT_EQ(images.label(index), i < 2 ? 0 : 1);
    std::vector<std::uint8_t> pixels(3 * 7 * 7);
    Generator generator(1);
    images.load(index, generator, pixels);
    for (const std::uint8_t pixel : pixels) ASSERT_NEAR(pixel, levels[i], 1) << names[i];
  }
  const ImageFolder grey(images, {.size = 4, .shorter_side = 4, .channels = 1});
  EXPECT_EQ(grey.size(), 4);
  EXPECT_EQ(grey.image_shape(), (Shape{1, 4, 4}));
}

TEST(ImageFolder, DigestTellsListingsApart) {
  const TemporaryFolder folder;
  paint_two_classes(folder);
  const std::string before = digest(ImageFolder(folder.path()));
  write_bytes(folder / "a/notes.txt", "still no image");
  EXPECT_EQ(digest(ImageFolder(folder.path())), before);
  fs::rename(folder / "b/2.JPG", folder / "b/3.JPG");
  EXPECT_NE(digest(ImageFolder(folder.path())), before);
}

TEST(ImageFolder, SaysWhatIsMissing) {
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { ImageFolder images(folder.path()); }),
            "[ImageFolder] " + folder.path().string() + ": expects one folder for each class; got none");
  fs::create_directories(folder / "a");
  EXPECT_EQ(error_of([&] { ImageFolder images(folder.path()); }),
            "[ImageFolder] " + (folder / "a").string() + ": expects PNG or JPEG files of a class; got none");
  EXPECT_EQ(
      error_of([&] { ImageFolder images(folder / "none"); }),
      "[ImageFolder] " + (folder / "none").string() + ": expects a folder that can be read; No such file or directory");
  paint(folder / "a/1.png", 5);
  EXPECT_EQ(error_of([&] { ImageFolder images(folder.path(), {.size = 0}); }),
            "[ImageTransform] expects 0 < size <= shorter_side; got size 0, shorter_side 256");
}

TEST(ImageFolder, NamesTheBrokenFileWhereItsBatchIsServed) {
  const TemporaryFolder folder;
  for (const char* name : {"a/1.png", "a/2.png", "a/3.png", "b/4.png"}) paint(folder / name, 50);
  write_bytes(folder / "a/3.png", read_bytes(folder / "a/3.png").substr(0, 60));
  const auto images = std::make_shared<const ImageFolder>(folder.path(), evaluation_transform(8));
  for (const int workers : {0, 2}) {
    DataLoader loader(images, {0, 1, 2, 3}, {.batch_size = 1, .shuffle = false, .workers = workers});
    loader.start(0);
    EXPECT_TRUE(loader.next());
    EXPECT_TRUE(loader.next());
    const std::string error = error_of([&] { loader.next(); });
    EXPECT_TRUE(error.starts_with("[png] " + (folder / "a/3.png").string() + ": ")) << error;
    EXPECT_TRUE(loader.next());
  }
}

TEST(ImageFolder, AugmentsTheSameForAnyNumberOfWorkers) {
  const TemporaryFolder folder;
  Generator generator(3);
  for (const char* name : {"a/1.png", "a/2.png", "a/3.png", "b/4.png", "b/5.png"}) {
    fs::create_directories((folder / name).parent_path());
    write_png(folder / name, Tensor::randint(0, 256, {3, 18, 21}, generator, {.dtype = kUInt8}));
  }
  const auto images = std::make_shared<const ImageFolder>(folder.path(), training_transform(12));
  const auto pixels_of = [&](int workers, std::int64_t epoch) {
    DataLoader loader(images, {0, 1, 2, 3, 4},
                      {.batch_size = 2, .workers = workers, .seed = 1, .normalisation = imagenet_normalisation()});
    std::vector<float> all;
    loader.start(epoch);
    while (const auto batch = loader.next()) {
      const std::vector<float> some = batch->images.to_vector<float>();
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  };
  EXPECT_EQ(pixels_of(0, 1), pixels_of(3, 1));
  EXPECT_NE(pixels_of(0, 1), pixels_of(0, 2));
}

}  // namespace
}  // namespace coppice::train
