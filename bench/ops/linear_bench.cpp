// The three passes of a linear layer with a Masked weight, every candidate, beside Eigen's dense product, one thread:
//   coppice-bench --benchmark_filter=linear
// Masks are uniformly random. Timed: everything a pass does but building the structure, which happens once per mask.
// GFLOP/s counts alive weights only; compare times. `chosen` is 1 where this is what linear() would run.

#include <coppice/ops/linear_candidates.h>

#include <benchmark/benchmark.h>

#include <cmath>
#include <memory>
#include <sstream>
#include <string>

#include <coppice/core/generator.h>
#include <coppice/core/mask.h>
#include <coppice/core/parallel.h>

#include "bench/peers/eigen_gemm.h"
#include "tests/cases/linear_cases.h"

namespace coppice {
namespace {

struct Operands {
  Operands(const cases::LinearShape& s, int percent) {
    Generator generator(1);
    const auto alive =
        static_cast<std::int64_t>(std::llround(static_cast<double>(s.m * s.k * (100 - percent)) / 100.0));
    weight = Tensor::masked(Tensor::randn({s.m, s.k}, generator), Mask::random({s.m, s.k}, alive, generator));
    x = Tensor::randn({s.n, s.k}, generator);
    y = Tensor::randn({s.n, s.m}, generator);
    bias = Tensor::randn({s.m}, generator);
  }
  LinearOperands of(FlopPhase phase) const {
    switch (phase) {
      case FlopPhase::Forward: return {.x = x, .y = {}, .bias = bias};
      case FlopPhase::DataGradient: return {.x = {}, .y = y};
      case FlopPhase::WeightGradient: break;
    }
    return {.x = x, .y = y};
  }
  Tensor weight, x, y, bias;
};

void report(benchmark::State& state, std::int64_t samples, std::int64_t weights) {
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(samples * weights), benchmark::Counter::kIsIterationInvariantRate);
}

void run_candidate(benchmark::State& state, const cases::LinearShape& s, int percent, FlopPhase phase,
                   const LinearCandidate& candidate) {
  const ThreadLimit one(1);
  const Operands operands(s, percent);
  const WeightState& weight = operands.weight.weight_state();
  const LinearOperands inputs = operands.of(phase);
  if (!candidate.can_run(weight)) return state.SkipWithError("cannot run at this density");
  candidate.run(weight, inputs);
  for (auto _ : state) {
    const Tensor result = candidate.run(weight, inputs);
    benchmark::DoNotOptimize(result.raw_data());
  }
  report(state, s.n, weight.alive().count());
  state.counters["chosen"] = &choose_linear(phase, weight, s.n) == &candidate ? 1 : 0;
}

void run_eigen(benchmark::State& state, const cases::LinearShape& s, FlopPhase phase) {
  const Operands o(s, 0);
  const float* const w = o.weight.weight_state().values().data<float>();
  const Tensor out = Tensor::empty({std::max({s.m * s.k, s.n * s.k, s.n * s.m})});
  float* const c = out.data<float>();
  for (auto _ : state) {
    switch (phase) {
      case FlopPhase::Forward: peers::eigen_gemm(false, true, s.n, s.m, s.k, o.x.data<float>(), w, c); break;
      case FlopPhase::DataGradient: peers::eigen_gemm(false, false, s.n, s.k, s.m, o.y.data<float>(), w, c); break;
      case FlopPhase::WeightGradient:
        peers::eigen_gemm(true, false, s.m, s.k, s.n, o.y.data<float>(), o.x.data<float>(), c);
        break;
    }
    benchmark::ClobberMemory();
  }
  report(state, s.n, s.m * s.k);
}

const bool kRegistered = [] {
  constexpr std::pair<FlopPhase, const char*> kPasses[] = {
      {FlopPhase::Forward, "forward"}, {FlopPhase::DataGradient, "data"}, {FlopPhase::WeightGradient, "weight"}};
  for (const cases::LinearShape& s : cases::linear_shapes()) {
    for (const auto& [phase, pass] : kPasses) {
      std::ostringstream layer;
      layer << "linear/" << s.k << "to" << s.m << "/n" << s.n << '/' << pass;
      if (peers::has_eigen()) {
        benchmark::RegisterBenchmark((layer.str() + "/0/eigen").c_str(),
                                     [s, phase = phase](benchmark::State& state) { run_eigen(state, s, phase); });
      }
      for (const int percent : {0, 50, 60, 80, 90, 95, 98, 99}) {
        for (const LinearCandidate& candidate : linear_candidates(phase)) {
          benchmark::RegisterBenchmark((layer.str() + '/' + std::to_string(percent) + '/' + candidate.name).c_str(),
                                       [s, percent, phase = phase, &candidate](benchmark::State& state) {
                                         run_candidate(state, s, percent, phase, candidate);
                                       });
        }
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace coppice
