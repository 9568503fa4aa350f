// The three passes of a linear layer with a Masked weight, every candidate, beside Eigen's dense product, one thread:
//   coppice bench --filter '^linear/' --kernel csr --masks erk --sparsity 0.9
// Timed: everything a pass does but building the structure, which happens once per mask and is a case of its own
// (`/structure`). GFLOP/s counts alive weights only; compare times. The label says how unequal the rows are, and
// `chosen` where this is what linear() would run.

#include <coppice/ops/linear_candidates.h>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

#include <coppice/core/generator.h>
#include <coppice/core/mask.h>
#include <coppice/core/parallel.h>
#include <coppice/sparsity/projection.h>

#include <coppice/trainers/measure/clock.h>
#include <coppice/trainers/measure/masks.h>

#include "bench/harness/suite.h"
#include "bench/peers/eigen_gemm.h"
#include "tests/cases/linear_cases.h"

namespace coppice {
namespace {

struct Operands {
  Operands(const cases::LinearShape& s, const Mask& mask) {
    Generator generator(1);
    weight = Tensor::masked(Tensor::randn({s.m, s.k}, generator), mask);
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

struct Case {
  cases::LinearShape shape;
  Mask mask;
  FlopPhase phase;
  const LinearCandidate* kernel;
};

void run_candidate(benchmark::State& state, const Case& c) {
  const ThreadLimit one(1);
  const Operands operands(c.shape, c.mask);
  const WeightState& weight = operands.weight.weight_state();
  const LinearOperands inputs = operands.of(c.phase);
  if (!c.kernel->can_run(weight)) return state.SkipWithError("cannot run at this density");
  c.kernel->run(weight, inputs);
  for (auto _ : state) {
    const Tensor result = c.kernel->run(weight, inputs);
    benchmark::DoNotOptimize(result.raw_data());
  }
  report(state, c.shape.n, weight.alive().count());
  const bool chosen = &choose_linear(c.phase, weight, c.shape.n) == c.kernel;
  state.SetLabel(to_text(train::measure::row_lengths(c.mask)) + (chosen ? ", chosen" : ""));
}

/// What the first pass after a change of the mask takes beyond the second.
void build_structure(benchmark::State& state, const Case& c) {
  const ThreadLimit one(1);
  for (auto _ : state) {
    const Operands operands(c.shape, c.mask);
    const WeightState& weight = operands.weight.weight_state();
    if (!c.kernel->can_run(weight)) return state.SkipWithError("cannot run at this density");
    const LinearOperands inputs = operands.of(c.phase);
    const auto pass = [&] { c.kernel->run(weight, inputs); };
    const double first = train::measure::time_calls(1, pass).cpu;
    state.SetIterationTime(std::max(0.0, first - train::measure::time_calls(1, pass).cpu));
  }
}

void run_eigen(benchmark::State& state, const cases::LinearShape& s, FlopPhase phase) {
  const Operands o(s, Mask::all({s.m, s.k}));
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

constexpr std::pair<FlopPhase, const char*> kPasses[] = {
    {FlopPhase::Forward, "forward"}, {FlopPhase::DataGradient, "data"}, {FlopPhase::WeightGradient, "weight"}};

void add_case(const std::string& name, const Case& c) {
  benchmark::RegisterBenchmark(name.c_str(), [c](benchmark::State& state) { run_candidate(state, c); });
  if (c.phase == FlopPhase::WeightGradient) return;  // shares the forward pass' structure
  benchmark::RegisterBenchmark((name + "/structure").c_str(),
                               [c](benchmark::State& state) { build_structure(state, c); })
      ->Iterations(5)
      ->UseManualTime();
}

/// Every kernel that `options` names, on one mask.
void add_mask(const bench::Options& options, const std::string& layer, std::int64_t samples, const Mask& mask) {
  const cases::LinearShape shape{mask.shape()[0], mask.shape()[1], samples};
  const auto percent = std::llround(100.0 * (1.0 - mask.density()));
  for (const auto& [phase, pass] : kPasses) {
    for (const LinearCandidate& kernel : linear_candidates(phase)) {
      if (options.kernel != "all" && options.kernel != kernel.name) continue;
      std::ostringstream name;
      name << "linear/" << layer << "/n" << samples << '/' << pass << '/' << percent << '/' << kernel.name;
      add_case(name.str(), {shape, mask, phase, &kernel});
    }
  }
}

void add_eigen(const cases::LinearShape& s, const std::string& layer) {
  for (const auto& [phase, pass] : kPasses) {
    std::ostringstream name;
    name << "linear/" << layer << "/n" << s.n << '/' << pass << "/0/eigen";
    benchmark::RegisterBenchmark(name.str().c_str(),
                                 [s, phase = phase](benchmark::State& state) { run_eigen(state, s, phase); });
  }
}

void add(const bench::Options& options) {
  if (options.masks != "uniform" && options.masks != "erk") {
    for (const auto& [layer, mask] : train::measure::masks_of_file(options.masks)) add_mask(options, layer, 64, mask);
    return;
  }
  std::vector<sparsity::LayerShape> layers;
  for (const cases::LinearShape& s : cases::linear_shapes()) {
    std::ostringstream layer;
    layer << s.k << "to" << s.m;
    layers.push_back({layer.str(), {s.m, s.k}});
    if (peers::has_eigen() && options.kernel == "all") add_eigen(s, layer.str());
    add_mask(options, layer.str(), s.n, Mask::all({s.m, s.k}));
    for (const Pattern pattern : {Pattern::nm(2, 4), Pattern::nm(1, 4), Pattern::nm(2, 8)}) {
      Generator generator(1);
      std::ostringstream name;
      name << layer.str() << '-' << pattern;
      const double density = static_cast<double>(pattern.first) / pattern.second;
      add_mask(options, name.str(), s.n, sparsity::random_mask({s.m, s.k}, pattern, density, generator));
    }
  }
  for (const double sparsity : options.sparsities) {
    const auto masks = train::measure::draw_masks(options.masks, layers, sparsity);
    for (std::size_t i = 0; i < masks.size(); ++i) {
      add_mask(options, masks[i].name, cases::linear_shapes()[i].n, masks[i].mask);
    }
  }
}

const bench::Suite kSuite(add);

}  // namespace
}  // namespace coppice
