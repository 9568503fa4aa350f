#pragma once

#include <string>
#include <utility>
#include <vector>

#include <coppice/core/export.h>

namespace coppice::train::measure {

/// What a number was measured under, as keys and values in a fixed order: `cpu`, `isa`, `threads`, `version`, `commit`
/// (with `+` when the tree was dirty), `compiler`, `build`, `load` (of the last minute, at the start), `date` (UTC),
/// `command`; then what a tool adds, such as `peer.oneDNN`.
using Conditions = std::vector<std::pair<std::string, std::string>>;

/// Of this process, now.
COPPICE_API Conditions current_conditions(const std::string& command);

/// The value of a key; empty where there is none.
COPPICE_API std::string condition(const Conditions& conditions, const std::string& key);

/// Keeps kernels of this process to an instruction set: `avx512`, `avx2`, `sse4`, `neon` or `generic`. Call it before
/// the first kernel. Throws `[isa] …` naming the processor's where it lacks that one.
COPPICE_API void force_isa(const std::string& name);

}  // namespace coppice::train::measure
