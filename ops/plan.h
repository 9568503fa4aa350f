#pragma once

#include <iosfwd>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <coppice/core/export.h>

namespace coppice {

/// Which kernel runs which problem: by its key, the name of one of the op's candidates. A problem without an entry
/// takes the cheapest by the op's cost model, so an empty plan is the default.
///
/// As text, one entry a line, `key = candidate`; empty lines and those that begin with # are skipped. Lines that begin
/// with @ say under which conditions it was made; `isa` is one that train::foreign_plan looks at:
///
///     @isa = AVX2
///     conv2d/forward 128x64x32x32 * 64x64x3x3 stride 1x1 padding 1x1 blocked float32 3686 alive = blocked/rows
class COPPICE_API Plan {
 public:
  /// Reads the text. Throws `[Plan] file: line n …` on a line that is no entry, and on a key given twice.
  static Plan parse(std::string_view text, const std::string& file = {});
  /// The same from a file of at most 16 MiB.
  static Plan load(const std::string& path);
  void save(const std::string& path) const;
  std::string to_string() const;

  void set(const std::string& key, const std::string& candidate) { entries_[key] = candidate; }
  /// The candidate for a key; null if there is none.
  const std::string* find(const std::string& key) const;
  const std::map<std::string, std::string>& entries() const { return entries_; }
  void set_condition(const std::string& key, const std::string& value) { conditions_[key] = value; }
  const std::map<std::string, std::string>& conditions() const { return conditions_; }
  /// Throws `[Plan] …` on an entry whose key is of no op and pass, or whose candidate that pass does not have. Whether
  /// it can run the problem is seen when the problem comes.
  void check() const;
  friend bool operator==(const Plan&, const Plan&) = default;

 private:
  std::map<std::string, std::string> conditions_;
  std::map<std::string, std::string> entries_;
};

/// Lets ops of this thread follow a plan while it lives; the innermost scope counts. An op throws `[Plan] …` where its
/// entry names a candidate that does not exist or cannot run the problem.
///
/// The environment variable COPPICE_KERNEL, read once, forces one candidate of one op wherever it can run:
/// `COPPICE_KERNEL=conv2d/blocked/rows`. A scope goes before it.
class COPPICE_API PlanScope {
 public:
  explicit PlanScope(const Plan& plan);
  ~PlanScope();
  PlanScope(const PlanScope&) = delete;
  PlanScope& operator=(const PlanScope&) = delete;

  /// Problems of the plan that have not come yet, in order.
  std::vector<std::string> unmet() const;

 private:
  friend bool has_plan();
  friend const std::string* planned_candidate(const std::string& key);
  const Plan& plan_;
  std::set<std::string_view> met_;  // keys of the plan's own entries
  PlanScope* outer_;
};

/// Notes which candidate runs every problem that ops of this thread meet while it lives.
class COPPICE_API PlanRecorder {
 public:
  PlanRecorder();
  ~PlanRecorder();
  PlanRecorder(const PlanRecorder&) = delete;
  PlanRecorder& operator=(const PlanRecorder&) = delete;

  const Plan& plan() const { return plan_; }

 private:
  friend void note_choice(const std::string& key, const char* candidate);
  friend bool is_recording_plan();
  Plan plan_;
  PlanRecorder* outer_;
};

}  // namespace coppice
