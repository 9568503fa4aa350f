#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <coppice/trainers/reactivation/run.h>

namespace coppice::train::reactivation {

/// The finished trainings of a reproduction, one file each, `<method>-<sparsity>-<seed>.json`, for the one that goes on
/// where an interrupted one ended. May be called from several threads at once.
class KeptRuns {
 public:
  /// Without a directory, nothing is kept and nothing is found. `data` says which examples the runs are trained on,
  /// and by which plan.
  KeptRuns(std::filesystem::path directory, const Training& training, const std::string& data);

  /// The result of the same training: same plan, data, program and instruction set. Empty where there is none, or its
  /// file cannot be read.
  std::optional<RunResult> find(const RunPlan& plan, std::uint64_t seed) const;
  /// Writes a result, complete or not at all. Throws `[AtomicFile] …`.
  void keep(const RunPlan& plan, const RunResult& run) const;

 private:
  std::filesystem::path file_of(const RunPlan& plan, std::uint64_t seed) const;
  /// Everything a training's result depends on, as a digest.
  std::string identity(const RunPlan& plan, std::uint64_t seed) const;

  std::filesystem::path directory_;
  std::string common_;
};

}  // namespace coppice::train::reactivation
