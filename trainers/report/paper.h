#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coppice/trainers/results.h>

namespace coppice::train::report {

/// What a reader has to know about a paper whose table is re-created.
struct Paper {
  std::string title{};                                         ///< of the page
  std::string citation{};                                      ///< authors, title, where and when
  std::string question{};                                      ///< what was asked, for someone who has not read it
  std::string reference{};                                     ///< the row others are compared with seed by seed
  std::string published{};                                     ///< the setting of the published differences
  std::vector<std::pair<std::string, std::string>> methods{};  ///< name of a row and what it does
  /// The orderings it claims among runs.
  std::vector<Ordering> (*compare)(const std::vector<RunResult>& runs) = nullptr;
};

/// The paper of that name as `results.json` has it; for a name that is none, a Paper without claims.
const Paper& find_paper(std::string_view name);

}  // namespace coppice::train::report
