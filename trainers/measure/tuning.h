#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/function_ref.h>
#include <coppice/ops/plan.h>
#include <coppice/trainers/measure/conditions.h>
#include <coppice/trainers/measure/sampler.h>
#include <coppice/trainers/measure/samples.h>

namespace coppice::train::measure {

/// One of the kernels that can run a problem.
struct TunedCandidate {
  std::string name{};
  double seconds = 0.0;  ///< the median; 0 where the problem has no other candidate
};

/// A problem of what was tuned.
struct TunedProblem {
  std::string problem{};                     ///< its key in a Plan
  int calls = 0;                             ///< how often the work met it
  std::vector<TunedCandidate> candidates{};  ///< in the order of the op's list
  std::size_t chosen = 0;                    ///< by the cost model
  std::size_t fastest = 0;                   ///< by the median
  std::size_t kept = 0;       ///< what the plan gets: the fastest if it is surely faster, else the chosen
  Ratio gain{1.0, 1.0, 1.0};  ///< time of the chosen over that of the fastest
  std::string refused{};      ///< why the measurement says nothing; empty if it does
};

using Sampling = std::function<std::vector<std::vector<Sample>>(const std::vector<Timed>&, const SamplingOptions&)>;

struct TuningOptions {
  SamplingOptions sampling{.rounds = 11, .longest_seconds = 6.0};  ///< of every problem
  double least_gain = 1.02;                               ///< the low end of the gain's interval must exceed it
  Sampling sample = sample_in_turn;                       ///< the clock
  std::function<void(const TunedProblem&)> on_problem{};  ///< called as each is decided
};

/// Runs `work` twice, and in the second run times all candidates of each problem that it meets, on the work's own
/// operands: after the first, so that index structures are built and memory is there. On one thread the thread's
/// processor time counts, on several the wall's clock. In the order in which the work meets them; one that comes
/// several times is timed once. No PlanScope may be there.
COPPICE_API std::vector<TunedProblem> tune(FunctionRef<void()> work, const TuningOptions& options = {});

/// Which kernel every problem gets, those with a single candidate too, with conditions.
COPPICE_API Plan tuned_plan(std::span<const TunedProblem> problems, const Conditions& conditions);

/// A table of the problems that had a choice, and what the work takes in them: by the cost model, by the plan.
COPPICE_API std::string tuning_table(std::span<const TunedProblem> problems);

}  // namespace coppice::train::measure
