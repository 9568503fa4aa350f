#include <coppice/core/flops.h>

namespace coppice {

namespace {
thread_local FlopScope* innermost_scope = nullptr;
}  // namespace

void count_flops(FlopPhase phase, double dense, double effective) {
  const auto index = static_cast<std::size_t>(phase);
  for (FlopScope* scope = innermost_scope; scope != nullptr; scope = scope->outer_) {
    scope->count_.dense[index] += dense;
    scope->count_.effective[index] += effective;
  }
}

FlopScope::FlopScope() : outer_(innermost_scope) { innermost_scope = this; }

FlopScope::~FlopScope() { innermost_scope = outer_; }

}  // namespace coppice
