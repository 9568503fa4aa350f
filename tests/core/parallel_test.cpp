#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include <coppice/core/error.h>
#include <coppice/core/parallel.h>

namespace coppice {
namespace {

/// Restores the process's thread count.
struct ThreadCount {
  explicit ThreadCount(int n) { set_num_threads(n); }
  ~ThreadCount() { set_num_threads(previous); }
  int previous = num_threads();
};

TEST(ParallelFor, CoversEveryElementOnceInPartsOfAtLeastTheGrain) {
  for (const int threads : {1, 2, 3, 8}) {
    const ThreadCount count(threads);
    for (const std::int64_t size : {0, 1, 2, 7, 64, 1000}) {
      for (const std::int64_t grain : {1, 6, 100}) {
        std::vector<std::atomic<int>> visits(static_cast<std::size_t>(size));
        std::atomic<int> short_parts{0};
        std::atomic<int> parts{0};
        parallel_for(5, 5 + size, grain, [&](std::int64_t first, std::int64_t last) {
          ++parts;
          if (last - first < grain && last != 5 + size) ++short_parts;
          for (std::int64_t i = first; i < last; ++i) ++visits[static_cast<std::size_t>(i - 5)];
        });
        for (const auto& visit : visits) ASSERT_EQ(visit.load(), 1);
        EXPECT_EQ(short_parts.load(), 0);
        EXPECT_LE(parts.load(), threads);
      }
    }
  }
}

TEST(ParallelFor, UsesTheThreadsItWasGiven) {
  const ThreadCount count(3);
  std::atomic<int> arrived{0};
  parallel_for(0, 3, 1, [&](std::int64_t, std::int64_t) {
    ++arrived;
    while (arrived.load() < 3) std::this_thread::yield();  // returns only if three threads are in here at once
  });
  EXPECT_EQ(arrived.load(), 3);
}

TEST(ParallelFor, NestedCallsRunOnTheCaller) {
  const ThreadCount count(4);
  std::atomic<int> elsewhere{0};
  parallel_for(0, 4, 1, [&](std::int64_t, std::int64_t) {
    const std::thread::id self = std::this_thread::get_id();
    parallel_for(0, 100, 1, [&](std::int64_t first, std::int64_t last) {
      if (std::this_thread::get_id() != self || last - first != 100) ++elsewhere;
    });
  });
  EXPECT_EQ(elsewhere.load(), 0);
}

TEST(ParallelFor, RethrowsTheFirstExceptionAfterAllPartsEnded) {
  const ThreadCount count(4);
  std::atomic<int> ended{0};
  for (int round = 0; round < 20; ++round) {
    ended = 0;
    try {
      parallel_for(0, 4, 1, [&](std::int64_t first, std::int64_t) {
        ++ended;
        if (first == 2) throw std::runtime_error("part 2");
        if (first == 3) throw std::runtime_error("part 3");
      });
      FAIL() << "expected an exception";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "part 2");
    }
    EXPECT_EQ(ended.load(), 4);
  }
  EXPECT_THROW(parallel_for(0, 4, 1, [](std::int64_t, std::int64_t) { throw Error("all"); }), Error);
  std::atomic<int> after{0};
  parallel_for(0, 4, 1, [&](std::int64_t, std::int64_t) { ++after; });
  EXPECT_EQ(after.load(), 4);
}

TEST(ParallelFor, ServesSeveralHostThreads) {
  const ThreadCount count(2);
  std::vector<std::thread> hosts;
  std::atomic<std::int64_t> total{0};
  for (int host = 0; host < 4; ++host) {
    hosts.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        std::atomic<std::int64_t> sum{0};
        parallel_for(0, 100, 10, [&](std::int64_t first, std::int64_t last) {
          for (std::int64_t i = first; i < last; ++i) sum += i;
        });
        total += sum.load();
      }
    });
  }
  for (std::thread& host : hosts) host.join();
  EXPECT_EQ(total.load(), 4 * 200 * 4950);
}

TEST(ParallelFor, WorksInAForkedChild) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer does not allow threads after a fork of a threaded process";
#else
  const ThreadCount count(2);
  std::atomic<int> sum{0};
  const auto add = [&](std::int64_t first, std::int64_t last) { sum += static_cast<int>(last - first); };
  parallel_for(0, 10, 1, add);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    parallel_for(0, 10, 1, add);
    ::_exit(sum.load() == 20 ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#endif
}

TEST(ParallelChunks, BordersDoNotDependOnThreads) {
  std::vector<std::vector<std::int64_t>> seen;
  for (const int threads : {1, 4}) {
    const ThreadCount count(threads);
    std::vector<std::int64_t> borders(6);
    parallel_chunks(23, 10, [&](std::int64_t chunk, std::int64_t first, std::int64_t last) {
      borders[static_cast<std::size_t>(2 * chunk)] = first;
      borders[static_cast<std::size_t>(2 * chunk + 1)] = last;
    });
    seen.push_back(borders);
  }
  EXPECT_EQ(seen[0], (std::vector<std::int64_t>{0, 10, 10, 20, 20, 23}));
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_THROW(parallel_chunks(1, 0, [](std::int64_t, std::int64_t, std::int64_t) {}), Error);
}

TEST(ThreadLimit, LowersAndNests) {
  const ThreadCount count(4);
  EXPECT_EQ(num_threads(), 4);
  {
    const ThreadLimit two(2);
    EXPECT_EQ(num_threads(), 2);
    {
      const ThreadLimit more(3);
      EXPECT_EQ(num_threads(), 2);
    }
    std::thread([] { EXPECT_EQ(num_threads(), 4); }).join();
  }
  EXPECT_EQ(num_threads(), 4);
  EXPECT_THROW(set_num_threads(0), Error);
  EXPECT_THROW(ThreadLimit(0), Error);
}

}  // namespace
}  // namespace coppice
