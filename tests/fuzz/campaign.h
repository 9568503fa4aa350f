#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <coppice/core/generator.h>

#include "tests/fuzz/target.h"

namespace coppice::fuzz {

/// Many mutated inputs for one reader.
struct Campaign {
  std::string format{};
  Target target = nullptr;
  /// The case that a generator stands for.
  std::function<std::string(Generator&)> make{};
  /// A reader may take this much memory for an input at any moment, plus `per_byte` times its size.
  std::int64_t fixed_bytes = 0;
  std::int64_t per_byte = 0;
  /// How many different errors must show up (numbers and quoted names apart): which checks the cases reach.
  int kinds_of_error = 0;
  std::int64_t cases = 100'000;
};

/// Runs the cases (a twentieth of them under a sanitizer) and expects of each: accepted or refused by an Error, within
/// the bound on memory and ten seconds of processor time; and of all: a tenth accepted, a tenth refused. With
/// COPPICE_FUZZ_CASE=<number> in the environment it runs that one and keeps it as `<format>-<number>.bin`.
void run(const Campaign& campaign);

}  // namespace coppice::fuzz
