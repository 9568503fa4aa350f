#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coppice/core/error.h>
#include <coppice/core/flops.h>
#include <coppice/ops/plan.h>
#include <coppice/ops/trial.h>

// How the candidates of an op are kept and chosen from.

namespace coppice {

/// Whether a PlanScope is there.
bool has_plan();
/// The candidate that the innermost PlanScope's plan names for a problem, or null.
const std::string* planned_candidate(const std::string& key);
bool is_recording_plan();
/// Tells the recorders of this thread.
void note_choice(const std::string& key, const char* candidate);
/// The candidate that COPPICE_KERNEL forces on an op; empty if none.
std::string_view forced_candidate(std::string_view op);
/// Whether a TrialScope is there.
bool is_tried();
/// Tells the innermost one.
void show_trial(const Trial& trial);

/// The candidates of one pass of an op: the built-in ones, and those registered at run time. They never move, so
/// readers need no lock.
template <class Candidate>
class CandidateRegistry {
 public:
  template <std::size_t kCount>
  explicit CandidateRegistry(const std::array<Candidate, kCount>& built_in) : count_(kCount) {
    static_assert(kCount <= kCapacity);
    std::copy(built_in.begin(), built_in.end(), candidates_.begin());
  }

  std::span<const Candidate> all() const { return {candidates_.data(), count_.load(std::memory_order_acquire)}; }

  void add(const char* op, const Candidate& candidate) {
    const std::lock_guard lock(mutex_);
    const std::size_t count = count_.load(std::memory_order_relaxed);
    for (const Candidate& present : all()) {
      COPPICE_CHECK(std::string_view(present.name) != candidate.name, "[", op, "] has a candidate ", candidate.name,
                    " already; give another name");
    }
    COPPICE_CHECK(count < kCapacity, "[", op, "] takes at most ", kCapacity, " candidates; got ", candidate.name);
    candidates_[count] = candidate;
    count_.store(count + 1, std::memory_order_release);
  }

 private:
  static constexpr std::size_t kCapacity = 64;
  std::array<Candidate, kCapacity> candidates_{};
  std::atomic<std::size_t> count_;
  std::mutex mutex_;
};

template <class Candidate>
const Candidate* find_candidate(std::span<const Candidate> candidates, std::string_view name) {
  for (const Candidate& candidate : candidates) {
    if (name == candidate.name) return &candidate;
  }
  return nullptr;
}

template <class Candidate>
std::string names_of(std::span<const Candidate> candidates) {
  std::string names;
  for (const Candidate& candidate : candidates) {
    if (!names.empty()) names += ", ";
    names += candidate.name;
  }
  return names;
}

/// The cheapest candidate that can run; null if none can.
template <class Candidate, class CanRun, class Cost>
const Candidate* cheapest_candidate(std::span<const Candidate> candidates, CanRun can_run, Cost cost) {
  const Candidate* best = nullptr;
  double best_cost = 0.0;
  for (const Candidate& candidate : candidates) {
    if (!can_run(candidate)) continue;
    const double estimate = cost(candidate);
    if (best != nullptr && estimate >= best_cost) continue;
    best = &candidate;
    best_cost = estimate;
  }
  return best;
}

/// Shows a problem to the TrialScope; run(candidate) runs it.
template <class Candidate, class CanRun, class Cost, class Run>
void try_candidates(std::span<const Candidate> candidates, CanRun can_run, Cost cost, std::string key, Run run) {
  const Candidate* const cheapest = cheapest_candidate(candidates, can_run, cost);
  std::vector<const Candidate*> able;
  const auto run_at = [&](std::size_t at) { run(*able[at]); };
  Trial trial{.problem = std::move(key), .run = run_at};
  for (const Candidate& candidate : candidates) {
    if (!can_run(candidate)) continue;
    if (&candidate == cheapest) trial.chosen = able.size();
    able.push_back(&candidate);
    trial.candidates.emplace_back(candidate.name);
  }
  show_trial(trial);
}

/// The candidate that the plan names, else the one that is forced if it can run, else the cheapest that can.
///
/// can_run(candidate) and cost(candidate) are about the problem at hand, whose key in a plan is key(); knows(name) says
/// whether any pass of the op has a candidate of that name.
template <class Candidate, class CanRun, class Cost, class Key, class Knows>
const Candidate& choose_candidate(const char* op, std::span<const Candidate> candidates, CanRun can_run, Cost cost,
                                  Key key, Knows knows) {
  const Candidate* best = nullptr;
  if (has_plan()) {
    if (const std::string* name = planned_candidate(key())) {
      best = find_candidate(candidates, *name);
      COPPICE_CHECK(best != nullptr, "[Plan] ", op, " has no candidate ", *name, " for ", key(), "; it has ",
                    names_of(candidates));
      COPPICE_CHECK(can_run(*best), "[Plan] ", *name, " cannot run ", key());
    }
  }
  if (best == nullptr) {
    if (const std::string_view forced = forced_candidate(op); !forced.empty()) {
      COPPICE_CHECK(knows(forced), "[", op, "] COPPICE_KERNEL names no candidate of it; got ", forced,
                    "; this pass has ", names_of(candidates));
      const Candidate* const candidate = find_candidate(candidates, forced);
      if (candidate != nullptr && can_run(*candidate)) best = candidate;
    }
  }
  if (best == nullptr) best = cheapest_candidate(candidates, can_run, cost);
  if (is_recording_plan()) note_choice(key(), best->name);
  return *best;
}

/// The registries of an op's three passes.
template <class Candidate>
class PassRegistries {
 public:
  template <std::size_t kForward, std::size_t kData, std::size_t kWeight>
  PassRegistries(const std::array<Candidate, kForward>& forward, const std::array<Candidate, kData>& data_gradient,
                 const std::array<Candidate, kWeight>& weight_gradient)
      : forward_(forward), data_gradient_(data_gradient), weight_gradient_(weight_gradient) {}

  CandidateRegistry<Candidate>& of(FlopPhase phase) {
    switch (phase) {
      case FlopPhase::Forward: return forward_;
      case FlopPhase::DataGradient: return data_gradient_;
      case FlopPhase::WeightGradient: break;
    }
    return weight_gradient_;
  }
  bool knows(std::string_view name) {
    for (CandidateRegistry<Candidate>* registry : {&forward_, &data_gradient_, &weight_gradient_}) {
      if (find_candidate(registry->all(), name) != nullptr) return true;
    }
    return false;
  }

 private:
  CandidateRegistry<Candidate> forward_, data_gradient_, weight_gradient_;
};

/// `forward`, `data_gradient` or `weight_gradient`: how keys name a pass.
const char* pass_name(FlopPhase phase);

}  // namespace coppice
