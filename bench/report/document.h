#pragma once

#include <string>

#include "bench/harness/suite.h"

namespace coppice::bench {

/// Measures the groups that options.only names (all where it names none; `page`: none) and writes the page from every
/// group's table that is there. Returns the exit code.
int write_document(const Options& options, const std::string& command);

}  // namespace coppice::bench
