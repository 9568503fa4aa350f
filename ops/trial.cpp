#include <coppice/ops/trial.h>

#include <utility>

#include <coppice/ops/candidate_registry.h>

namespace coppice {

namespace {

thread_local TrialScope* innermost_trials = nullptr;

}  // namespace

TrialScope::TrialScope(std::function<void(const Trial&)> on_problem)
    : on_problem_(std::move(on_problem)), outer_(innermost_trials) {
  innermost_trials = this;
}
TrialScope::~TrialScope() { innermost_trials = outer_; }

bool is_tried() { return innermost_trials != nullptr; }

void show_trial(const Trial& trial) { innermost_trials->on_problem_(trial); }

}  // namespace coppice
