// Softmax and cross-entropy at (rows, classes): a small classifier, CIFAR-100, ImageNet, a vocabulary.
// Timed: the whole call with the allocation of its result; cross_entropy_step is forward and backward.

#include <benchmark/benchmark.h>

#include <coppice/core/generator.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/softmax.h>

namespace coppice {
namespace {

Tensor logits(const benchmark::State& state) {
  Generator generator(1);
  return Tensor::randn({state.range(0), state.range(1)}, generator);
}

Tensor labels(const benchmark::State& state) {
  Generator generator(2);
  return Tensor::randint(0, state.range(1), {state.range(0)}, generator);
}

void count_elements(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * state.range(0) * state.range(1));
}

void softmax_rows(benchmark::State& state) {
  const Tensor x = logits(state);
  for (auto _ : state) benchmark::DoNotOptimize(softmax(x).impl());
  count_elements(state);
}
void softmax_log_rows(benchmark::State& state) {
  const Tensor x = logits(state);
  for (auto _ : state) benchmark::DoNotOptimize(log_softmax(x).impl());
  count_elements(state);
}
void softmax_cross_entropy_step(benchmark::State& state) {
  const Tensor x = logits(state).requires_grad_();
  const Tensor target = labels(state);
  for (auto _ : state) {
    x.set_grad({});
    cross_entropy(x, target).backward();
  }
  count_elements(state);
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->Args({128, 10})->Args({128, 100})->Args({256, 1000})->Args({64, 32000})->UseRealTime();
}
BENCHMARK(softmax_rows)->Apply(sizes);
BENCHMARK(softmax_log_rows)->Apply(sizes);
BENCHMARK(softmax_cross_entropy_step)->Apply(sizes);

}  // namespace
}  // namespace coppice
