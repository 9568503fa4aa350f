#pragma once

#include <chrono>
#include <string>

#include <coppice/trainers/reactivation/reactivation.h>

namespace coppice::train::cli {

/// A bar with the time left on standard error, where that is a terminal; nothing elsewhere.
class ProgressBar {
 public:
  ProgressBar();
  bool on_terminal() const { return terminal_; }
  /// Says where the work begins, when part of it was done before: the time left is reckoned from there.
  void start_at(double fraction) { begun_at_ = fraction; }
  /// Draws at most a few times a second unless `now`.
  void draw(double fraction, const std::string& what, bool now = false);
  /// Takes the bar away.
  void finish();

 private:
  double elapsed() const;

  bool terminal_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double begun_at_ = 0.0;
  double drawn_at_ = -1.0;
};

/// Shows how far a reproduction is on standard error: a bar on a terminal, else one line whenever a run ends.
class ProgressPrinter {
 public:
  void operator()(const reactivation::Progress& progress);
  /// Takes the bar away.
  void finish() { bar_.finish(); }

 private:
  ProgressBar bar_;
};

}  // namespace coppice::train::cli
