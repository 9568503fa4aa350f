#pragma once

#include <map>
#include <string>

#include "bench/report/row.h"

namespace coppice::bench {

/// What is there of the groups, by instruction set and key.
using Results = std::map<std::string, std::map<std::string, GroupResult>>;

/// How a row did, with the tolerance of 5 % that single measurements have.
enum class Verdict { NotMeasured, Shown, Goal, Held, Missed };
Verdict verdict_of(const Row& row);

/// The page, in Markdown. `images` is where the rooflines lie, as a link from the page.
std::string page(const Results& results, const std::string& images);

/// A picture of rows with operations and bytes: speed against operations per byte, under what the machine can do.
std::string roofline(const std::map<std::string, GroupResult>& groups, const std::string& isa);

}  // namespace coppice::bench
