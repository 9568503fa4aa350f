#include <coppice/core/arena.h>

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include <coppice/core/storage.h>

#include "tests/error_of.h"

namespace coppice {
namespace {

using Bytes = Buffer<std::uint8_t>;

/// A chain: each buffer is made from the one before, which then goes. Says whether no buffer was overwritten.
bool run_chain(const std::vector<std::int64_t>& sizes) {
  Bytes last;
  bool intact = true;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    Bytes next(sizes[i]);
    std::memset(next.data(), static_cast<int>(i + 1), static_cast<std::size_t>(sizes[i]));
    for (std::uint8_t byte : last) intact = intact && byte == i;
    last = std::move(next);
  }
  return intact;
}

IntrusivePtr<Arena> planned_chain(const std::vector<std::int64_t>& sizes) {
  auto arena = make_intrusive<Arena>();
  const AllocatorScope scope(arena);
  arena->record();
  run_chain(sizes);
  arena->plan();
  return arena;
}

TEST(Arena, SharesBytesBetweenLivesThatDoNotOverlap) {
  const auto arena = planned_chain({1024, 2048, 1024, 2048, 1024});
  EXPECT_EQ(arena->bytes(), 1024 + 2048);
  EXPECT_EQ(arena->requested_bytes(), 3 * 1024 + 2 * 2048);
  EXPECT_EQ(arena->planned(), 5);
}

TEST(Arena, ServesRunsLikeTheRecordedOneFromItsBlock) {
  const IntrusivePtr<Allocator> parent = make_caching_allocator();
  const AllocatorScope outer(parent);
  const std::vector<std::int64_t> sizes{100, 5000, 0, 64, 70000, 100, 100, 3};
  const auto arena = planned_chain(sizes);
  const AllocatorStats before = parent->stats();
  const AllocatorScope scope(arena);
  for (int run = 0; run < 3; ++run) {
    arena->rewind();
    EXPECT_TRUE(run_chain(sizes));
  }
  EXPECT_EQ(parent->stats().allocations, before.allocations);
  EXPECT_EQ(arena->unplanned(), 0);
  EXPECT_EQ(arena->stats().current, 0);
}

TEST(Arena, ServesOtherRunsToo) {
  const auto arena = planned_chain({1000, 2000, 3000});
  const AllocatorScope scope(arena);
  arena->rewind();
  EXPECT_TRUE(run_chain({1000, 3000}));  // the place of the second is that of the first, which is still in use
  EXPECT_EQ(arena->unplanned(), 1);
  arena->rewind();
  EXPECT_TRUE(run_chain({2000, 3000}));  // the first left out
  EXPECT_EQ(arena->unplanned(), 1);
  arena->rewind();
  EXPECT_TRUE(run_chain({1000, 9000, 2000, 3000, 3000, 3000}));
  EXPECT_EQ(arena->unplanned(), 4);
}

TEST(Arena, NeverHandsOutWhatIsStillUsed) {
  const auto arena = planned_chain({1024, 2048, 1024});
  const AllocatorScope scope(arena);
  arena->rewind();
  Bytes kept(1024);
  std::memset(kept.data(), 77, 1024);
  for (int run = 0; run < 2; ++run) {
    arena->rewind();
    EXPECT_TRUE(run_chain({1024, 2048, 1024}));
  }
  for (std::uint8_t byte : kept) ASSERT_EQ(byte, 77);
  EXPECT_GT(arena->unplanned(), 0);
}

TEST(Arena, LeavesWhatOutlivesTheRecordedRunToTheOtherAllocator) {
  Bytes cache;
  auto arena = make_intrusive<Arena>();
  {
    const AllocatorScope scope(arena);
    arena->record();
    cache = Bytes(512);
    std::memset(cache.data(), 5, 512);
    run_chain({512, 512});
    arena->plan();
    arena->rewind();
    run_chain({512, 512});
  }
  for (std::uint8_t byte : cache) ASSERT_EQ(byte, 5);
  EXPECT_EQ(arena->planned(), 2);
  arena = nullptr;
  cache = {};
}

TEST(Arena, HoldsItsBlockWhileABufferIsInIt) {
  auto arena = planned_chain({4096});
  Bytes kept;
  {
    const AllocatorScope scope(arena);
    arena->rewind();
    kept = Bytes(4096);
  }
  arena = nullptr;
  std::memset(kept.data(), 1, 4096);
  EXPECT_EQ(kept[4095], 1);
}

TEST(Arena, SaysInWhichOrderItIsUsed) {
  const auto arena = make_intrusive<Arena>();
  expect_error([&] { arena->plan(); }, "[Arena] plan() expects a recorded run; call record() first");
  arena->record();
  arena->plan();
  EXPECT_EQ(arena->bytes(), 0);
  expect_error([&] { arena->record(); }, "[Arena] records one run, before plan(); it has one");
}

}  // namespace
}  // namespace coppice
