#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include <coppice/core/cpu_limit.h>

namespace coppice {
namespace {

namespace fs = std::filesystem;

class CpuLimit : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(root_); }
  void TearDown() override { fs::remove_all(root_); }
  void write(const fs::path& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::optional<int> limit() { return detail::cgroup_cpu_limit(root_, root_ / "membership"); }

 private:
  fs::path root_ = fs::temp_directory_path() / ("coppice_cpu_limit_" + std::to_string(::getpid()));
};

TEST_F(CpuLimit, Version2TakesTheLeastOfTheChainRoundedUp) {
  write("membership", "0::/system.slice/job\n");
  EXPECT_EQ(limit(), std::nullopt);
  write("system.slice/job/cpu.max", "max 100000\n");
  EXPECT_EQ(limit(), std::nullopt);
  write("system.slice/cpu.max", "250000 100000\n");
  EXPECT_EQ(limit(), 3);
  write("system.slice/job/cpu.max", "20000 100000\n");
  EXPECT_EQ(limit(), 1);
}

TEST_F(CpuLimit, InsideAContainerTheLimitIsAtTheRoot) {
  write("membership", "0::/docker/0123abcd\n");
  write("cpu.max", "200000 100000\n");
  EXPECT_EQ(limit(), 2);
}

TEST_F(CpuLimit, Version1) {
  write("membership", "5:memory:/other\n4:cpu,cpuacct:/job\n");
  write("cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
  write("cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(limit(), std::nullopt);
  write("cpu,cpuacct/job/cpu.cfs_quota_us", "400000\n");
  EXPECT_EQ(limit(), 4);
}

TEST_F(CpuLimit, NonsenseSetsNoLimit) {
  write("membership", "no colons\n0::/../..\n");
  write("cpu.max", "0 0\n");
  EXPECT_EQ(limit(), std::nullopt);
}

TEST(UsableProcessors, FollowsTheInheritedAffinity) {
  std::thread([] {
    cpu_set_t allowed;
    ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
    EXPECT_LE(detail::usable_processors(), CPU_COUNT(&allowed));
    int first = 0;
    while (!CPU_ISSET(first, &allowed)) ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(detail::usable_processors(), 1);
  }).join();
}

}  // namespace
}  // namespace coppice
