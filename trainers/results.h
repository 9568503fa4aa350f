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

/// How far one mask update went: overlaps with the mask before it.
struct UpdateResult {
  std::int64_t step = 0;
  double iou_after_prune = 1.0;
  double iou_after_grow = 1.0;
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
  double survival = 0.0;  ///< share of grown weights still alive an update later
  std::vector<EpochRecord> records{};
  std::vector<UpdateResult> updates{};
  std::vector<std::pair<std::string, std::string>> policy{};  ///< every field, resolved
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
  static constexpr int kSchemaVersion = 1;

  std::string paper{};
  std::string scale{};
  std::string command{};
  bool interrupted = false;
  int seeds = 0;
  int jobs = 0;
  int threads_per_run = 1;
  double wall_seconds = 0.0;
  std::vector<std::pair<std::string, std::string>> options{};  ///< of the training, resolved
  Environment environment{};
  std::string dataset{};
  std::int64_t train_images = 0;
  std::int64_t validation_images = 0;
  std::int64_t test_images = 0;
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
/// Throws `[results] …` when the text is no such file or its schema is newer.
COPPICE_API Results results_from_json(std::string_view text);

/// Writes `results.json` and `results.csv` into `directory`, each complete or not at all.
COPPICE_API void save_results(const std::filesystem::path& directory, const Results& results);

}  // namespace coppice::train
