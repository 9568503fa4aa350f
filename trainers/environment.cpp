#include <coppice/trainers/environment.h>

#include <fstream>

#include <hwy/targets.h>

#include <coppice/core/parallel.h>
#include <coppice_build.h>

namespace coppice::train {
namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

/// The target run-time dispatch takes: the lowest bit is the best one.
std::string dispatched_isa() {
  const std::int64_t supported = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(supported & -supported);
}

}  // namespace

Environment current_environment() {
  return {.version = build::kVersion,
          .commit = build::kCommit,
          .dirty = build::kDirty,
          .compiler = build::kCompiler,
          .build = build::kBuildType,
          .cpu = cpu_name(),
          .processors = num_threads(),
          .isa = dispatched_isa()};
}

}  // namespace coppice::train
