#include <coppice/trainers/data/digits.h>

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include <coppice/core/parallel.h>
#include <coppice/trainers/data/sha256.h>

namespace coppice::train {
namespace {

std::array<int, 10> histogram(const Dataset& set) {
  std::array<int, 10> counts{};
  for (std::int64_t i = 0; i < set.size(); ++i) ++counts[set.labels.data<std::uint8_t>()[i]];
  return counts;
}

TEST(Sha256, MatchesPublishedVectors) {
  EXPECT_EQ(sha256("", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  EXPECT_EQ(sha256(two_blocks.data(), two_blocks.size()),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Digits, AreTheSameImagesAsEver) {
  EXPECT_EQ(digest(digits(200)), "1f1a21cc8e0b3167d73ef975755f42eab8fcc126483abb884cc4c106dffbae5d");
  EXPECT_EQ(digest(digits(200, {.seed = 1}, Part::Test)),
            "71b9e2ca6441cd24cae2b62d4ea5ff8bb36a28c0e93fb0470a641c4bd073a2e3");
}

TEST(Digits, DependOnTheirIndexAlone) {
  const Dataset all = digits(120);
  const Dataset part = digits(50, {}, Part::Train, 60);
  const std::size_t bytes = 28 * 28;
  EXPECT_EQ(0, std::memcmp(part.images.data<std::uint8_t>(), all.images.data<std::uint8_t>() + 60 * bytes, 50 * bytes));
  EXPECT_EQ(0, std::memcmp(part.labels.data<std::uint8_t>(), all.labels.data<std::uint8_t>() + 60, 50));
  const ThreadLimit one(1);
  EXPECT_EQ(digest(all), digest(digits(120)));
}

TEST(Digits, AreBalancedAndDifferByPartAndSeed) {
  for (const int count : histogram(digits(500))) EXPECT_EQ(count, 50);
  const std::string train = digest(digits(20));
  EXPECT_NE(train, digest(digits(20, {}, Part::Test)));
  EXPECT_NE(train, digest(digits(20, {.seed = 1})));
}

TEST(Digits, ShowInkOnADarkGround) {
  const Dataset set = digits(300);
  const std::uint8_t* pixels = set.images.data<std::uint8_t>();
  for (std::int64_t i = 0; i < set.size(); ++i) {
    int bright = 0;
    int dark = 0;
    for (int p = 0; p < 28 * 28; ++p) {
      bright += pixels[i * 784 + p] > 128 ? 1 : 0;
      dark += pixels[i * 784 + p] < 64 ? 1 : 0;
    }
    EXPECT_GT(bright, 10) << "image " << i;
    EXPECT_GT(dark, 350) << "image " << i;
  }
}

TEST(Split, IsDisjointAndCovers) {
  const Split parts = split(1000, 150, 3);
  EXPECT_EQ(parts.validation.size(), 150U);
  EXPECT_EQ(parts.train.size(), 850U);
  std::array<int, 1000> seen{};
  for (const std::int64_t i : parts.train) ++seen[static_cast<std::size_t>(i)];
  for (const std::int64_t i : parts.validation) ++seen[static_cast<std::size_t>(i)];
  for (const int times : seen) EXPECT_EQ(times, 1);
  EXPECT_EQ(split(1000, 150, 3).validation, parts.validation);
  EXPECT_NE(split(1000, 150, 4).validation, parts.validation);
  EXPECT_THROW(split(10, 11, 0), Error);
}

}  // namespace
}  // namespace coppice::train
