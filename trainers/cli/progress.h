#pragma once

#include <chrono>

#include <coppice/trainers/reactivation/reactivation.h>

namespace coppice::train::cli {

/// Shows how far a reproduction is on standard error: a bar with the time left on a terminal, else one line whenever a
/// run ends.
class ProgressPrinter {
 public:
  ProgressPrinter();
  void operator()(const reactivation::Progress& progress);
  /// Takes the bar away.
  void finish();

 private:
  double elapsed() const;
  void draw_bar(const reactivation::Progress& progress);

  bool terminal_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double drawn_at_ = -1.0;
};

}  // namespace coppice::train::cli
