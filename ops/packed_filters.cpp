#include <coppice/ops/packed_filters.h>

#include <coppice/core/weight_state.h>

namespace coppice {

namespace {

thread_local PackedFilters* current_filters = nullptr;

std::uint64_t version_of(const Tensor& weight) {
  return weight.is_masked() ? weight.weight_state().value_version() + (weight.weight_state().mask_version() << 32)
                            : weight.version();
}

bool is_same(const Tensor& a, const Tensor& b) { return a.impl() == b.impl(); }

}  // namespace

PackedFilters::Choice PackedFilters::find(const Conv2dProblem& problem, const Tensor& weight,
                                          const Conv2dOperands& operands) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t version = version_of(weight);
  Entry* stale = nullptr;
  for (Entry& entry : entries_) {
    if (!is_same(entry.weight, weight) || entry.input != problem.input || entry.format != problem.format ||
        entry.options != problem.options) {
      continue;
    }
    if (entry.version == version) return entry.choice;
    stale = &entry;
  }
  const Conv2dCandidate& candidate = choose_conv2d(problem);
  const Choice choice{&candidate, candidate.pack != nullptr ? candidate.pack(problem, operands) : nullptr};
  if (stale != nullptr) {
    stale->version = version;
    stale->choice = choice;
  } else {
    entries_.push_back({weight, version, problem.input, problem.options, problem.format, choice});
  }
  return choice;
}

PackedFiltersScope::PackedFiltersScope(PackedFilters& filters) : previous_(current_filters) {
  current_filters = &filters;
}
PackedFiltersScope::~PackedFiltersScope() { current_filters = previous_; }
PackedFilters* PackedFiltersScope::current() { return current_filters; }

}  // namespace coppice
