#include <coppice/core/cpu_limit.h>

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

namespace coppice::detail {

namespace fs = std::filesystem;

namespace {

std::optional<int> processors(double quota, double period) {
  if (!(quota > 0) || !(period > 0)) return std::nullopt;
  return static_cast<int>(std::clamp(std::ceil(quota / period), 1.0, 1e6));
}

/// The limit one group sets itself. A file that is missing or reads otherwise ("max", -1) sets none.
std::optional<int> group_limit(const fs::path& group, bool version2) {
  double quota = 0, period = 0;
  if (version2) {
    if (std::ifstream(group / "cpu.max") >> quota >> period) return processors(quota, period);
    return std::nullopt;
  }
  if (!(std::ifstream(group / "cpu.cfs_quota_us") >> quota)) return std::nullopt;
  if (!(std::ifstream(group / "cpu.cfs_period_us") >> period)) return std::nullopt;
  return processors(quota, period);
}

std::optional<int> smaller(std::optional<int> a, std::optional<int> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

/// The least limit of `root`/`group` and the groups above it, `root` itself included: inside a container the path in
/// /proc is the host's and does not exist, and the limit is at the root.
std::optional<int> chain_limit(const fs::path& root, const fs::path& group, bool version2) {
  std::optional<int> limit = group_limit(root, version2);
  fs::path current = root;
  for (const fs::path& part : group.relative_path()) {
    if (part == "..") break;
    current /= part;
    limit = smaller(limit, group_limit(current, version2));
  }
  return limit;
}

bool names_cpu_controller(const std::string& controllers) {
  return (',' + controllers + ',').find(",cpu,") != std::string::npos;
}

}  // namespace

std::optional<int> cgroup_cpu_limit(const fs::path& mount, const fs::path& membership) {
  std::optional<int> limit;
  std::ifstream lines(membership);
  // hierarchy-ID:controllers:path, with no controllers for version 2
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path group = line.substr(second + 1);
    if (controllers.empty()) {
      limit = smaller(limit, chain_limit(mount, group, true));
    } else if (names_cpu_controller(controllers)) {
      for (const std::string& folder : {controllers, std::string("cpu")}) {
        limit = smaller(limit, chain_limit(mount / folder, group, false));
      }
    }
  }
  return limit;
}

int usable_processors() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) count = CPU_COUNT(&allowed);
  if (const auto limit = cgroup_cpu_limit("/sys/fs/cgroup", "/proc/self/cgroup")) count = std::min(count, *limit);
  return std::max(count, 1);
}

}  // namespace coppice::detail
