#include <coppice/trainers/reactivation/kept_runs.h>

#include <cctype>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <utility>

#include <coppice/core/error.h>
#include <coppice/core/io/atomic_file.h>
#include <coppice/trainers/data/sha256.h>
#include <coppice/trainers/environment.h>

namespace coppice::train::reactivation {
namespace {

constexpr const char* kIdentity = "training";

}  // namespace

KeptRuns::KeptRuns(std::filesystem::path directory, const Training& training, const std::string& data)
    : directory_(std::move(directory)) {
  if (directory_.empty()) return;
  std::filesystem::create_directories(directory_);
  const Environment environment = current_environment();
  std::ostringstream text;
  text.precision(std::numeric_limits<double>::max_digits10);
  text << environment.version << ' ' << environment.commit << (environment.dirty ? "+ " : " ") << environment.compiler
       << ' ' << environment.isa << '\n'
       << data << '\n'
       << training.network() << ' ' << training.batch_size << ' ' << training.learning_rate << ' ' << training.momentum
       << ' ' << training.weight_decay << ' ' << training.validation_images << '\n';
  common_ = text.str();
}

std::filesystem::path KeptRuns::file_of(const RunPlan& plan, std::uint64_t seed) const {
  std::ostringstream name;
  for (const char c : plan.method.name) name << (std::isalnum(static_cast<unsigned char>(c)) || c == '_' ? c : '_');
  name << '-' << plan.sparsity << '-' << seed << ".json";
  return directory_ / name.str();
}

std::string KeptRuns::identity(const RunPlan& plan, std::uint64_t seed) const {
  std::ostringstream text;
  text.precision(std::numeric_limits<double>::max_digits10);
  text << common_ << plan.method.name << ' ' << static_cast<int>(plan.method.kind) << ' ' << plan.sparsity << ' '
       << plan.steps << ' ' << seed << ' ' << plan.keep_picture << '\n';
  for (const auto& [key, value] : plan.policy.to_pairs()) text << key << " = " << value << '\n';
  return sha256(text.str().data(), text.str().size());
}

std::optional<RunResult> KeptRuns::find(const RunPlan& plan, std::uint64_t seed) const {
  if (directory_.empty()) return {};
  std::ifstream file(file_of(plan, seed), std::ios::binary);
  if (!file) return {};
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  try {
    Results kept = results_from_json(text);
    const std::pair<std::string, std::string> wanted{kIdentity, identity(plan, seed)};
    if (kept.runs.size() != 1 || kept.checksums.size() != 1 || kept.checksums.front() != wanted) return {};
    return std::move(kept.runs.front());
  } catch (const Error&) {
    return {};  // trained anew
  }
}

void KeptRuns::keep(const RunPlan& plan, const RunResult& run) const {
  if (directory_.empty()) return;
  Results results{.paper = "reactivation"};
  results.environment = current_environment();
  results.checksums.emplace_back(kIdentity, identity(plan, run.seed));
  results.runs.push_back(run);
  save_text(file_of(plan, run.seed), to_json(results));
}

}  // namespace coppice::train::reactivation
