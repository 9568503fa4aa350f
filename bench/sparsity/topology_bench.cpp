// Exact selection and topology updates over as many weights as ResNet-50 has.
// Timed: select(), and a whole update of one weight with SGD's momentum: scores, both selections, prune and grow.

#include <benchmark/benchmark.h>

#include <coppice/core/generator.h>
#include <coppice/core/weight_state.h>
#include <coppice/sparsity/selection.h>

namespace coppice {
namespace {

constexpr std::int64_t kWeights = 25'000'000;
const Shape kShape{5000, 5000};

Tensor normal(std::uint64_t seed) {
  Generator generator(seed);
  return Tensor::randn(kShape, generator);
}

/// The largest tenth of 25 million absolute values.
void select_dense(benchmark::State& state) {
  const Tensor scores = normal(1);
  const Mask all = Mask::all(kShape);
  for (auto _ : state) {
    benchmark::DoNotOptimize(sparsity::select({scores, all, "w"}, kWeights / 10, {.absolute = true}).words().data());
  }
  state.SetBytesProcessed(state.iterations() * kWeights * 4);
}
BENCHMARK(select_dense)->UseRealTime()->Unit(benchmark::kMillisecond);

/// The same where most are equal: the gradient of a layer behind dead units.
void select_ties(benchmark::State& state) {
  Tensor scores = normal(1);
  float* values = scores.data<float>();
  for (std::int64_t i = 0; i < kWeights; ++i) values[i] = values[i] < 1.5F ? 0.0F : values[i];
  const Mask all = Mask::all(kShape);
  for (auto _ : state) {
    benchmark::DoNotOptimize(sparsity::select({scores, all, "w"}, kWeights / 10, {.absolute = true}).words().data());
  }
  state.SetBytesProcessed(state.iterations() * kWeights * 4);
}
BENCHMARK(select_ties)->UseRealTime()->Unit(benchmark::kMillisecond);

/// RigL's update at 90 % sparsity: a third of the alive weights exchanged.
void topology_update(benchmark::State& state) {
  const Tensor gradient = normal(2);
  Generator generator(3);
  const Tensor dense = normal(1);
  const Mask first = Mask::random(kShape, kWeights / 10, generator);
  WeightState weight(dense, first);
  weight.state("momentum_buffer");
  const std::int64_t exchanged = kWeights / 30;
  for (auto _ : state) {
    const Mask drop = sparsity::select({weight.values(), weight.alive(), "w"}, exchanged,
                                       {.take = sparsity::Take::Smallest, .absolute = true});
    const Mask kept = weight.alive() - drop;
    const Mask grown = sparsity::select({gradient, ~kept, "w"}, exchanged, {.absolute = true});
    weight.prune(drop);
    weight.grow(grown, GrownValue::Zero);
  }
  state.counters["alive"] = static_cast<double>(weight.alive().count());
}
BENCHMARK(topology_update)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace coppice
