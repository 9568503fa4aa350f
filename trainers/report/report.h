#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/trainers/report/merge.h>

namespace coppice::train::report {

/// One page of HTML that needs nothing else: no scripts, no other files, no network. Text of others (names of methods,
/// rows of foreign tables) is escaped.
COPPICE_API std::string to_html(const std::vector<Comparison>& comparisons);

/// A booktabs table for each comparison, to be \input; special characters are escaped.
COPPICE_API std::string to_latex(const std::vector<Comparison>& comparisons);

/// Writes `report.html`, `results.csv` and `table.tex` into `directory`, each complete or not at all.
COPPICE_API void save_report(const std::filesystem::path& directory, const std::vector<Comparison>& comparisons);

}  // namespace coppice::train::report
