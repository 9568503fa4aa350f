#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include <coppice/core/allocator.h>
#include <coppice/core/backend.h>
#include <coppice/core/error.h>
#include <coppice/core/storage.h>

#include "tests/error_of.h"

namespace coppice {
namespace {

TEST(Allocator, RoundsUpToFourStepsPerPowerOfTwo) {
  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  const std::pair<std::size_t, std::int64_t> expected[] = {
      {0, 64},
      {1, 64},
      {64, 64},
      {65, 128},
      {256, 256},
      {257, 320},
      {320, 320},
      {321, 384},
      {512, 512},
      {513, 640},
      {1000, 1024},
      {1025, 1280},
      {1281, 1536},
      {2048, 2048},
      {2049, 2560},
      {100000, 114688},
      {(1U << 21) + 1, 5 << 19},
      {3U << 20, 3 << 20},
  };
  for (const auto& [bytes, rounded] : expected) {
    void* block = allocator->allocate(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0U);
    EXPECT_EQ(allocator->stats().current, rounded) << bytes;
    std::memset(block, 0xA5, bytes);
    allocator->deallocate(block, bytes);
    EXPECT_EQ(allocator->stats().current, 0) << bytes;
  }
}

TEST(Allocator, LargeBlocksStartOnAHugePage) {
  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  const std::size_t bytes = 5U << 20;
  void* block = allocator->allocate(bytes);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % (2U << 20), 0U);
  std::memset(block, 1, bytes);
  allocator->deallocate(block, bytes);
}

TEST(Allocator, ReusesABlockOfTheSameClass) {
  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  void* first = allocator->allocate(1000);
  allocator->deallocate(first, 1000);
  EXPECT_EQ(allocator->stats().cached, 1024);
  void* second = allocator->allocate(900);
  EXPECT_EQ(first, second);
  EXPECT_EQ(allocator->stats().allocations, 2);
  EXPECT_EQ(allocator->stats().system_allocations, 1);
  EXPECT_EQ(allocator->stats().cached, 0);
  allocator->deallocate(second, 900);
  allocator->release_cached();
  EXPECT_EQ(allocator->stats().cached, 0);
}

TEST(Allocator, PeakIsExact) {
  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  void* a = allocator->allocate(64);
  void* b = allocator->allocate(128);
  allocator->deallocate(a, 64);
  EXPECT_EQ(allocator->stats().peak, 192);
  allocator->reset_peak();
  EXPECT_EQ(allocator->stats().peak, 128);
  void* c = allocator->allocate(256);
  allocator->deallocate(b, 128);
  allocator->deallocate(c, 256);
  EXPECT_EQ(allocator->stats().peak, 384);
  EXPECT_EQ(allocator->stats().current, 0);
}

TEST(Allocator, RefusesTheImpossible) {
  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  EXPECT_THROW(allocator->allocate(std::size_t{1} << 62), Error);
  EXPECT_EQ(allocator->stats().current, 0);
}

TEST(Allocator, CountsEveryThread) {
  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 2000; ++i) {
        const std::size_t bytes = 64 * (i % 7 + 1);
        auto* block = static_cast<unsigned char*>(allocator->allocate(bytes));
        std::memset(block, t, bytes);
        EXPECT_EQ(block[bytes - 1], t);
        allocator->deallocate(block, bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allocator->stats().current, 0);
  EXPECT_EQ(allocator->stats().allocations, 8000);
  EXPECT_LE(allocator->stats().peak, 4 * 448);
}

TEST(AllocatorScope, ServesThisThreadAndNestsAndOutlives) {
  IntrusivePtr<Storage> kept;
  const IntrusivePtr<Allocator> outer = make_caching_allocator();
  {
    const AllocatorScope scope(outer);
    EXPECT_EQ(&cpu_allocator(), outer.get());
    {
      IntrusivePtr<Allocator> inner = make_caching_allocator();
      const AllocatorScope nested(inner);
      kept = make_intrusive<Storage>(100, kCpu);
      EXPECT_EQ(inner->stats().current, 128);
      std::thread([&] { EXPECT_NE(&cpu_allocator(), inner.get()); }).join();
    }
    EXPECT_EQ(&cpu_allocator(), outer.get());
    EXPECT_EQ(outer->stats().current, 0);
  }
  EXPECT_NE(&cpu_allocator(), outer.get());
  std::memset(kept->data(), 1, kept->bytes());  // its allocator lives as long as it does
  EXPECT_THROW(AllocatorScope(nullptr), Error);
}

TEST(Storage, GivesForeignMemoryBackOnce) {
  int values[4] = {1, 2, 3, 4};
  int calls = 0;
  {
    const auto storage = make_intrusive<Storage>(values, sizeof values, kCpu, [&](void* data) {
      EXPECT_EQ(data, values);
      ++calls;
    });
    const IntrusivePtr<Storage> other = storage;
    EXPECT_EQ(other->data(), values);
    EXPECT_EQ(storage->version(), 0U);
    storage->bump_version();
    EXPECT_EQ(other->version(), 1U);
  }
  EXPECT_EQ(calls, 1);
  make_intrusive<Storage>(values, sizeof values, kCpu, nullptr);
}

TEST(Backend, CopiesAndSaysThereIsNoCuda) {
  const int source[3] = {1, 2, 3};
  int destination[3] = {};
  Backend& cpu = backend(DeviceType::Cpu);
  cpu.copy(destination, kCpu, source, kCpu, sizeof source);
  EXPECT_EQ(destination[2], 3);
  cpu.fill_zero(destination, kCpu, sizeof destination);
  EXPECT_EQ(destination[2], 0);
  if (cuda_available()) return;
  EXPECT_EQ(error_of([] { const Storage storage(8, kCuda); }), "[cuda] built without CUDA");
}

}  // namespace
}  // namespace coppice
