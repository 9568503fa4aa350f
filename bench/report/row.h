#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <coppice/trainers/measure/conditions.h>
#include <coppice/trainers/measure/samples.h>

namespace coppice::bench {

/// One line of the page. A ratio is always such that more is better: the peer's time (or a limit) over ours.
struct Row {
  std::string what{};
  int threads = 1;
  double ours = 0.0;              ///< seconds (of whatever `unit` says); 0 where it was not measured
  std::string unit = "s";         ///< `s`, `B`, or `1` for a plain number
  std::string peer{};             ///< the best one, or what the limit is
  double peers = 0.0;             ///< its seconds
  train::measure::Ratio ratio{};  ///< against the best peer
  std::string installed{};        ///< the fastest peer as users have it
  double as_installed = 0.0;      ///< its seconds over ours; 0 where there is none
  double goal = 0.0;              ///< of the ratio; 0 where there is none
  double floor = 0.0;
  double flops = 0.0;  ///< of one call, for the roofline; 0 where it is not on it
  double bytes = 0.0;
  std::string note{};  ///< why it was refused, what bounds it, which kernel ran

  bool measured() const { return ours > 0.0; }
};

/// What one command measured for one part of the page.
struct GroupResult {
  train::measure::Conditions conditions{};
  std::vector<Row> rows{};
};

std::string to_csv(const GroupResult& group);
/// Reads what to_csv wrote. Throws `[bench] …` where it is something else.
GroupResult group_from_csv(std::string_view text);

}  // namespace coppice::bench
