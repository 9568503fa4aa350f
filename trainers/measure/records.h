#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/trainers/measure/conditions.h>
#include <coppice/trainers/measure/samples.h>

namespace coppice::train::measure {

/// What was measured of one case.
struct Record {
  std::string name{};
  std::string label{};            ///< what else there is to say, e.g. how long the mask's rows are
  std::string clock{};            ///< `cpu`: time of the thread; `wall`
  std::vector<double> seconds{};  ///< of one call, a sample each; those rejected are not among them
  int rejected = 0;
  std::string refused{};  ///< why it says nothing; empty if it does
  double flops = 0.0;     ///< of one call; 0 where nobody counted
  double bytes = 0.0;     ///< of one call, operands and results once; likewise

  friend bool operator==(const Record&, const Record&) = default;
};

/// Records and what they were made under.
struct Measurements {
  static constexpr int kSchemaVersion = 1;
  Conditions conditions{};  ///< among them `peak.flops` and `peak.bandwidth`, measured in the same run
  std::vector<Record> records{};
};

COPPICE_API std::string to_json(const Measurements& measurements);
/// Reads what to_json wrote. Throws `[measurements] …` where the text is no such file or its schema is newer.
COPPICE_API Measurements measurements_from_json(std::string_view text);

/// A table by RFC 4180, one row a record; the conditions stand above it as lines `# key: value`.
COPPICE_API std::string to_csv(const Measurements& measurements);

/// Writes `.json` or `.csv`, by the file's ending.
COPPICE_API void save_measurements(const std::filesystem::path& file, const Measurements& measurements);
COPPICE_API Measurements load_measurements(const std::filesystem::path& file);

/// One case of two runs.
struct Comparison {
  enum class Verdict { Same, Faster, Slower, Refused, Missing };
  std::string name{};
  Ratio ratio{};  ///< base / now: above 1 is faster now
  Verdict verdict = Verdict::Same;
  std::string reason{};  ///< of Refused and Missing
};

/// Every record of `base` beside the one of that name in `now`. Slower: the whole 95 % interval lies below 1, and the
/// ratio more than `tolerance` below it; Faster likewise above. Records that only `now` has are left out. Throws
/// `[compare] …` where processor, instruction set, threads or build differ: their ratio would say something else.
COPPICE_API std::vector<Comparison> compare(const Measurements& base, const Measurements& now, double tolerance = 0.03);

}  // namespace coppice::train::measure
