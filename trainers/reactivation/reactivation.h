#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <coppice/trainers/reactivation/recipe.h>
#include <coppice/trainers/results.h>

namespace coppice::train::reactivation {

/// How far a reproduction is.
struct Progress {
  double fraction = 0.0;  ///< of the estimated work
  int finished = 0;       ///< runs
  int planned = 0;
  const RunResult* run = nullptr;  ///< the run that just ended; null between
};

/// What to reproduce, and how. Zero or empty: the scale's own setting.
struct Options {
  std::string scale = "quick";
  std::filesystem::path data{};  ///< where MNIST lies, for `small`
  int seeds = 0;
  std::uint64_t first_seed = 0;
  int jobs = 0;                        ///< trainings side by side; 0: as many as there are threads
  std::vector<std::string> methods{};  ///< of the table's own rows
  std::vector<Method> added{};         ///< a user's rows, in the table after its own
  /// What all rows share, in place of the scale's; the fields here that say otherwise come on top.
  std::optional<Training> training{};
  std::vector<double> sparsities{};
  std::int64_t steps = 0;
  std::int64_t epochs = 0;  ///< instead of steps
  /// Fields of the mask policies: `policy.<field>` of every method that has one, or `<method>.<field>` of one. A row's
  /// density follows from its sparsity and cannot be set.
  std::vector<std::pair<std::string, std::string>> set{};
  Plan plan{};            ///< which kernels run; empty: the cost model's
  std::string command{};  ///< for the record
  /// What a run counts as having taken, for EqualSeconds rows; empty: its cpu_seconds. Where it does not depend on
  /// time, neither do those rows.
  std::function<double(const RunResult&)> seconds_of{};
  const std::atomic<bool>* stop = nullptr;
  std::filesystem::path runs{};  ///< where every finished training is kept; empty: nowhere
  /// Take trainings from there that the same program finished before. Their times count as they were.
  bool resume = false;
  /// Called from the threads that train, one at a time.
  std::function<void(const Progress&)> on_progress{};
};

/// Trains every method at every sparsity with every seed and compares them, as Sun et al. (WACV 2025) do, on a
/// multilayer perceptron. Results but for times, and EqualSeconds rows, which depend on them, do not depend on the
/// number of jobs.
COPPICE_API Results reproduce(const Options& options);

/// The claimed orderings (recipe.h) among the runs, by paired seeds; rows that are not the table's own are held against
/// rigl and iee, unclaimed.
COPPICE_API std::vector<Ordering> compare(const std::vector<RunResult>& runs);

/// The table and the orderings, for a reader who has not seen either before.
COPPICE_API std::string report(const Results& results);

}  // namespace coppice::train::reactivation
