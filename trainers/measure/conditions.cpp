#include <coppice/trainers/measure/conditions.h>

#include <cstdint>
#include <ctime>
#include <fstream>

#include <hwy/targets.h>

#include <coppice/core/error.h>
#include <coppice/core/parallel.h>
#include <coppice/trainers/environment.h>

namespace coppice::train::measure {
namespace {

std::string load_of_last_minute() {
  std::ifstream file("/proc/loadavg");
  std::string load;
  file >> load;
  return load.empty() ? "unknown" : load;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// The targets that count as the instruction set of that name; 0 for no such name.
std::int64_t targets_named(const std::string& name) {
  if (name == "avx512") return HWY_AVX2 - 1;
  if (name == "avx2") return HWY_AVX2;
  if (name == "sse4") return HWY_SSE4;
  if (name == "neon") return HWY_NEON;
  if (name == "generic") return HWY_EMU128 | HWY_SCALAR;
  return 0;
}

}  // namespace

Conditions current_conditions(const std::string& command) {
  const Environment environment = current_environment();
  return {{"cpu", environment.cpu},
          {"isa", environment.isa},
          {"threads", std::to_string(num_threads())},
          {"version", environment.version},
          {"commit", environment.commit + (environment.dirty ? "+" : "")},
          {"compiler", environment.compiler},
          {"build", environment.build},
          {"load", load_of_last_minute()},
          {"date", utc_now()},
          {"command", command}};
}

std::string condition(const Conditions& conditions, const std::string& key) {
  for (const auto& [name, value] : conditions) {
    if (name == key) return value;
  }
  return {};
}

void force_isa(const std::string& name) {
  const std::int64_t wanted = targets_named(name);
  COPPICE_CHECK(wanted != 0, "[isa] expects avx512, avx2, sse4, neon or generic; got '", name, "'");
  const std::int64_t there = hwy::SupportedTargets() & HWY_TARGETS;
  COPPICE_CHECK((there & wanted) != 0, "[isa] '", name,
                "' is not among what this processor and build have; the best is ", hwy::TargetName(there & -there));
  const std::int64_t best = there & wanted & -(there & wanted);
  hwy::DisableTargets(best - 1);  // a lower bit is a better target
}

}  // namespace coppice::train::measure
