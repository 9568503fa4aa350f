#include <string>
#include <string_view>

#include <coppice/core/error.h>
#include <coppice/core/flops.h>
#include <coppice/ops/candidate_registry.h>
#include <coppice/ops/conv2d_candidates.h>
#include <coppice/ops/linear_candidates.h>
#include <coppice/ops/plan.h>

namespace coppice {

namespace {

/// Whether the key begins with the op's pass; throws if that has no candidate of the name.
template <class Candidate>
bool is_of(std::string_view key, const std::string& name, const char* op, FlopPhase phase,
           std::span<const Candidate> candidates) {
  std::string begin = op;
  begin += '/';
  begin += pass_name(phase);
  begin += ' ';
  if (!key.starts_with(begin)) return false;
  COPPICE_CHECK(find_candidate(candidates, name) != nullptr, "[Plan] ", op, " has no candidate ", name, " for ", key,
                "; it has ", names_of(candidates));
  return true;
}

}  // namespace

void Plan::check() const {
  for (const auto& [key, name] : entries_) {
    bool known = false;
    for (const FlopPhase phase : {FlopPhase::Forward, FlopPhase::DataGradient, FlopPhase::WeightGradient}) {
      known = known || is_of(key, name, "conv2d", phase, conv2d_candidates(phase)) ||
              is_of(key, name, "linear", phase, linear_candidates(phase));
    }
    COPPICE_CHECK(known, "[Plan] expects problems that begin with conv2d/ or linear/ and a pass, such as ",
                  "`conv2d/forward `; got ", std::string_view(key).substr(0, 80));
  }
}

}  // namespace coppice
