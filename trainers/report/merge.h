#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <coppice/trainers/results.h>

namespace coppice::train::report {

/// A results.json, and what to call it.
struct Part {
  std::string name{};
  Results results{};
};

/// Rows of a table that another program wrote, and what to call it.
struct ForeignTable {
  std::string name{};
  std::vector<ResultRow> rows{};
};

/// What there is to report on.
struct Inputs {
  std::vector<Part> parts{};
  std::vector<ForeignTable> tables{};
};

/// Reads each path: a `.csv` with columns of results.h (at least `method` and `accuracy`), a results.json, or a
/// directory that holds one. Throws `[report] …` naming the file.
COPPICE_API Inputs read_inputs(const std::vector<std::filesystem::path>& paths);

/// Runs that may be compared: the same paper, data and scale, from one file or several.
struct Comparison {
  std::string paper{};
  std::string dataset{};
  std::string scale{};
  std::vector<Part> parts{};  ///< without their runs: the conditions
  std::vector<RunResult> runs{};
  std::vector<Ordering> orderings{};                           ///< over all runs
  std::vector<ResultRow> rows{};                               ///< of the runs, then those of other tools
  std::vector<std::pair<std::string, std::string>> methods{};  ///< name and what it does
  std::vector<std::string> differences{};  ///< conditions that are not the same in all parts, as sentences
};

/// Groups the inputs by paper, data and scale, in order of first appearance. Rows of other tools join the comparison of
/// their `dataset` and `scale` (a missing one fits where that is unambiguous) and keep the name of their source. Throws
/// `[report] …` where two inputs hold the same method, sparsity and seed, naming both.
COPPICE_API std::vector<Comparison> merge(Inputs inputs);

/// What the report calls a row: its method, and its source where that is another tool.
COPPICE_API std::string label_of(const ResultRow& row);

}  // namespace coppice::train::report
