#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include <coppice/core/error.h>
#include <coppice/core/generator.h>

namespace coppice {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Source: kat_vectors of Random123 1.14, philox4x32 10.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}));
  EXPECT_EQ(philox({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, {0xFFFFFFFF, 0xFFFFFFFF}),
            (Words{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}));
  EXPECT_EQ(philox({0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}, {0xA4093822, 0x299F31D0}),
            (Words{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}));
}

TEST(Generator, WordDependsOnSeedStreamAndIndexAlone) {
  Generator generator(42, 7);
  for (std::uint64_t i = 0; i < 11; ++i) EXPECT_EQ(generator.next_u32(), Generator(42, 7).word(i));
  Generator resumed(42, 7);
  resumed.set_offset(5);
  EXPECT_EQ(resumed.next_u32(), generator.word(5));
  generator.set_offset(5);
  EXPECT_EQ(generator.next_u32(), generator.word(5));
  EXPECT_NE(Generator(42, 8).word(0), generator.word(0));
  EXPECT_NE(Generator(43, 7).word(0), generator.word(0));
  EXPECT_EQ(Generator(1, 2).word(0), philox({0, 0, 2, 0}, {1, 0})[0]);
}

TEST(Generator, KeyedStreamsAreDistinctAndFixed) {
  std::set<std::uint64_t> streams;
  for (const char* name : {"fc1.weight", "fc2.weight", "", "conv.weight"}) {
    for (std::uint64_t number = 0; number < 100; ++number) streams.insert(Generator::keyed(1, name, number).stream());
  }
  EXPECT_EQ(streams.size(), 400U);
  // Fixed for ever: masks of finished runs depend on it.
  EXPECT_EQ(Generator::keyed(1, "fc1.weight", 3).stream(), 0x01A62A5A0761E6A3U);
}

TEST(Generator, UniformsAreInRangeAndSpread) {
  Generator generator(3);
  double sum = 0;
  for (int i = 0; i < 20000; ++i) {
    const float single = generator.uniform();
    const double wide = generator.uniform_double();
    ASSERT_TRUE(single >= 0 && single < 1 && wide >= 0 && wide < 1);
    sum += static_cast<double>(single) + wide;
  }
  EXPECT_NEAR(sum / 40000, 0.5, 0.01);
}

TEST(Generator, BelowIsUniform) {
  Generator generator(5);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70000; ++i) ++counts[generator.below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
  // Just over half the range: a plain product would give the even values twice as often.
  const std::uint64_t bound = (std::uint64_t{1} << 63) + 1;
  int small = 0;
  for (int i = 0; i < 20000; ++i) small += generator.below(bound) < bound / 2 ? 1 : 0;
  EXPECT_NEAR(small, 10000, 500);
  EXPECT_EQ(generator.below(1), 0U);
  EXPECT_THROW(generator.below(0), Error);
}

TEST(Generator, NormalHasTheRightMoments) {
  Generator generator(9);
  double sum = 0, squares = 0;
  constexpr int kDraws = 50000;
  for (int i = 0; i < kDraws; ++i) {
    const double value = generator.normal();
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.02);
  EXPECT_NEAR(squares / kDraws, 1, 0.03);
  EXPECT_EQ(generator.offset(), 4U * kDraws);
}

TEST(Generator, PermutationHoldsEachOnceInEveryOrder) {
  Generator generator(11);
  std::vector<std::int64_t> order = generator.permutation(1000);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::int64_t i = 0; i < 1000; ++i) ASSERT_EQ(order[static_cast<std::size_t>(i)], i);
  std::map<std::vector<std::int64_t>, int> orders;
  for (int i = 0; i < 6000; ++i) ++orders[generator.permutation(3)];
  EXPECT_EQ(orders.size(), 6U);
  for (const auto& [unused, count] : orders) EXPECT_NEAR(count, 1000, 150);
  EXPECT_TRUE(generator.permutation(0).empty());
  EXPECT_THROW(generator.permutation(-1), Error);
}

}  // namespace
}  // namespace coppice
