#include <coppice/trainers/data/mnist.h>

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include <coppice/trainers/data/digits.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice::train {
namespace {

class IdxDirectory : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::filesystem::path directory_ = folder_ / "digits";
};

TEST_F(IdxDirectory, ReadsBackWhatWasWritten) {
  const TrainTest made = {.train = digits(30), .test = digits(20, {}, Part::Test)};
  save_idx_directory(directory_ / "mnist", made);
  for (const std::filesystem::path& where : {directory_, directory_ / "mnist"}) {
    const TrainTest read = load_idx_directory(where);
    EXPECT_EQ(digest(read.train), digest(made.train));
    EXPECT_EQ(digest(read.test), digest(made.test));
    ASSERT_EQ(read.train.files.size(), 2U);
    EXPECT_EQ(read.train.files[0].name, "train-images-idx3-ubyte");
    EXPECT_EQ(read.train.files[0].sha256.size(), 64U);
  }
  EXPECT_NE(error_of([&] { mnist(directory_); }).find("60000"), std::string::npos);
}

TEST_F(IdxDirectory, NamesWhatIsMissingOrWrong) {
  EXPECT_NE(error_of([&] { load_idx_directory(directory_); }).find("train-images-idx3-ubyte"), std::string::npos);
  const TrainTest uneven = {.train = digits(30), .test = digits(20)};
  save_idx_directory(directory_, uneven);
  Dataset fewer = digits(10);
  save_idx_directory(directory_ / "other", {.train = fewer, .test = fewer});
  std::filesystem::copy_file(directory_ / "other" / "t10k-labels-idx1-ubyte", directory_ / "t10k-labels-idx1-ubyte",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_NE(error_of([&] { load_idx_directory(directory_); }).find("20 uint8 labels"), std::string::npos);
}

TEST_F(IdxDirectory, RefusesLabelsThatAreNoDigits) {
  TrainTest wrong = {.train = digits(30), .test = digits(20)};
  wrong.train.labels.data<std::uint8_t>()[7] = 10;
  save_idx_directory(directory_, wrong);
  EXPECT_NE(error_of([&] { load_idx_directory(directory_); }).find("label 7 is 10"), std::string::npos);
}

TEST(Mnist, HoldsTheOriginalFiles) {
  const char* data = std::getenv("COPPICE_DATA");
  if (!data) GTEST_SKIP() << "needs COPPICE_DATA";
  const TrainTest set = mnist(data);
  EXPECT_EQ(set.train.name, "mnist");
  EXPECT_EQ(set.train.size(), 60000);
  EXPECT_EQ(set.test.size(), 10000);
  EXPECT_EQ(set.train.labels.data<std::uint8_t>()[0], 5);
  EXPECT_EQ(set.test.labels.data<std::uint8_t>()[0], 7);
  EXPECT_TRUE(is_original_mnist(set));
  EXPECT_FALSE(is_original_mnist({.train = digits(30), .test = digits(20)}));
}

}  // namespace
}  // namespace coppice::train
