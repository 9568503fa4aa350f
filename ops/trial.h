#pragma once

#include <functional>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/function_ref.h>

namespace coppice {

/// A problem that an op is about to run, and the kernels that could.
struct Trial {
  std::string problem{};                  ///< its key in a Plan
  std::vector<std::string> candidates{};  ///< that can run it, in the order of the op's list
  std::size_t chosen = 0;                 ///< which of them the cost model takes
  /// Runs one of them on the problem's own operands. The result is dropped.
  FunctionRef<void(std::size_t candidate)> run;
};

/// Shows every problem that ops of this thread meet while it lives, before it is run as usual. The innermost scope
/// counts. What tuning is made of.
class COPPICE_API TrialScope {
 public:
  explicit TrialScope(std::function<void(const Trial&)> on_problem);
  ~TrialScope();
  TrialScope(const TrialScope&) = delete;
  TrialScope& operator=(const TrialScope&) = delete;

 private:
  friend bool is_tried();
  friend void show_trial(const Trial& trial);
  std::function<void(const Trial&)> on_problem_;
  TrialScope* outer_;
};

}  // namespace coppice
