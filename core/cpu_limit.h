#pragma once

#include <filesystem>
#include <optional>

namespace coppice::detail {

/// The processors' worth of time that the cgroups of a process allow, rounded up, or nothing where they set no limit.
/// Reads version 2 (cpu.max) and version 1 (cpu.cfs_quota_us) under `mount`, for the groups that `membership` (the
/// text of /proc/self/cgroup) names and all above them.
std::optional<int> cgroup_cpu_limit(const std::filesystem::path& mount, const std::filesystem::path& membership);

/// Processors this process may use: the calling thread's affinity, cut to the cgroup limit; at least 1.
int usable_processors();

}  // namespace coppice::detail
