#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coppice/core/flops.h>
#include <coppice/trainers/data/dataset.h>
#include <coppice/trainers/environment.h>
#include <coppice/trainers/loop.h>
#include <coppice/trainers/statistics.h>

namespace coppice::train {

/// How far one mask update went.
struct UpdateResult {
  std::int64_t step = 0;
  double fraction = 0.0;         ///< of the alive weights that the schedule exchanged
  double iou_after_prune = 1.0;  ///< overlap of the mask after the drop with the mask before the update
  double iou_after_grow = 1.0;   ///< likewise after the growth
  double ever_alive = 0.0;       ///< R_s: share of weights alive at least once outside exploration
};

/// A prunable layer of a trained network.
struct LayerResult {
  std::string name{};
  std::int64_t weights = 0;
  std::int64_t alive_at_start = 0;
  std::int64_t alive = 0;  ///< at the end
};

/// One training: a method at a sparsity with a seed.
struct RunResult {
  std::string method{};
  std::string network{};  ///< widths, `784-300-100-10`
  double sparsity = 0.0;  ///< asked for; 0 for dense
  std::uint64_t seed = 0;
  std::int64_t steps = 0;
  double accuracy = 0.0;             ///< on the test set, at the end
  double validation_accuracy = 0.0;  ///< likewise on the validation part
  double train_loss = 0.0;           ///< mean since the last but one record
  std::int64_t weights = 0;          ///< of the network when dense, biases apart
  std::int64_t nnz = 0;              ///< alive at the end
  FlopCount flops{};
  double train_flops_ratio = 0.0;  ///< to the dense network trained for the usual number of steps
  double seconds = 0.0;            ///< training, wall clock
  double cpu_seconds = 0.0;
  std::int64_t peak_bytes = 0;
  std::int64_t exploration_peak_bytes = 0;   ///< while exploring; 0 where nothing was explored, or it is not known
  std::int64_t exploitation_peak_bytes = 0;  ///< in all other steps; 0 where it is not known
  double survival = 0.0;                     ///< share of grown weights still alive an update later
  std::vector<double> survival_by_lag{};     ///< share still alive 1, 2, … updates later
  std::vector<EpochRecord> records{};
  std::vector<UpdateResult> updates{};
  std::vector<LayerResult> layers{};
  std::vector<std::int64_t> alive_per_input{};  ///< of the first layer at the end; kept for the first seed
  std::vector<std::pair<std::string, std::string>> policy{};   ///< every field, resolved
  std::vector<std::pair<std::string, std::string>> kernels{};  ///< problem and kernel, of the first step
};

/// A method at a sparsity over all its seeds: a row of results.csv.
struct ResultRow {
  std::string dataset{};
  std::string network{};
  std::string method{};
  double sparsity = 0.0;
  int seeds = 0;
  double accuracy = 0.0;     ///< mean, a fraction
  double accuracy_sd = 0.0;  ///< sample standard deviation
  double train_flops_ratio = 0.0;
  double seconds = 0.0;
  std::int64_t peak_bytes = 0;  ///< largest of the seeds
  std::int64_t nnz = 0;
  std::string device{};
  std::string isa{};
  std::string commit{};  ///< with `+` when the tree was dirty
  std::string command{};
  // Beyond what every tool's table shares:
  std::string scale{};
  double validation_accuracy = 0.0;
  double seconds_sd = 0.0;
  double cpu_seconds = 0.0;
  std::int64_t steps = 0;  ///< mean, rounded
  std::int64_t batch_size = 0;
  double survival = 0.0;
  int threads_per_run = 1;
  int jobs = 0;
  std::string cpu{};
  std::string compiler{};
  std::string source{};  ///< of a row that another tool's table brought: which; else empty

  friend bool operator==(const ResultRow&, const ResultRow&) = default;
};

/// A difference of accuracies that a paper claims to be positive (or, not claimed, only shown), from paired seeds.
struct Ordering {
  std::string statement{};  ///< `iee >= rigl`
  std::string published{};  ///< the difference that was published, in points
  double sparsity = 0.0;
  bool claimed = true;
  bool clearly = false;  ///< claimed to be more than noise: the interval must lie above 0
  int pairs = 0;
  Interval difference{};  ///< of accuracies, as fractions

  bool held() const { return clearly ? difference.low > 0.0 : difference.mean >= 0.0; }
};

/// Everything a reproduction leaves behind.
struct Results {
  static constexpr int kSchemaVersion = 2;

  std::string paper{};
  std::string scale{};
  std::string command{};
  std::string recipe{};  ///< resolved, as TOML: what the command and the files it named came to
  std::string plan{};    ///< that the runs followed, as text; empty: the cost model alone
  bool interrupted = false;
  int seeds = 0;
  int jobs = 0;
  int threads_per_run = 1;
  double wall_seconds = 0.0;
  std::vector<std::pair<std::string, std::string>> options{};  ///< of the training, resolved
  std::vector<std::pair<std::string, std::string>> methods{};  ///< name and what it does, in the order of the table
  Environment environment{};
  std::string dataset{};
  std::int64_t train_images = 0;
  std::int64_t validation_images = 0;
  std::int64_t test_images = 0;
  std::int64_t image_height = 0;  ///< 0 where it is not known
  std::int64_t image_width = 0;
  std::vector<std::pair<std::string, std::string>> checksums{};  ///< what, SHA-256
  std::vector<RunResult> runs{};
  std::vector<Ordering> orderings{};
};

/// One row for each (method, sparsity) among the runs, in the order of first appearance.
COPPICE_API std::vector<ResultRow> summarise(const Results& results);

/// Names of the columns, in order.
COPPICE_API std::vector<std::string> csv_columns();
COPPICE_API std::string to_csv(const std::vector<ResultRow>& rows);
/// Reads what to_csv wrote, also with columns left out, added or reordered. Throws `[csv] …` naming line and column.
COPPICE_API std::vector<ResultRow> rows_from_csv(std::string_view text);

COPPICE_API std::string to_json(const Results& results);
/// Reads schema versions 1 and 2. Throws `[results] …` when the text is no such file or its schema is newer.
COPPICE_API Results results_from_json(std::string_view text);

/// Writes `results.json`, `results.csv` and, where there is a recipe, `recipe.resolved.toml` into `directory`, each
/// complete or not at all.
COPPICE_API void save_results(const std::filesystem::path& directory, const Results& results);

}  // namespace coppice::train
