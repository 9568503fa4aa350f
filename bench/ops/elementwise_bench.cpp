// Elementwise ops: from what a call costs (32 elements) to what memory gives (10 million).
// Timed: the whole call with the allocation of its result, nothing recorded unless the name says so.

#include <benchmark/benchmark.h>

#include <coppice/core/generator.h>
#include <coppice/ops/activation.h>
#include <coppice/ops/elementwise.h>

namespace coppice {
namespace {

Tensor input(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return Tensor::randn(shape, generator);
}

/// Times op(), which touches `bytes` bytes of operands and result.
template <class Op>
void time(benchmark::State& state, std::int64_t bytes, Op op) {
  for (auto _ : state) benchmark::DoNotOptimize(op().impl());
  state.SetBytesProcessed(state.iterations() * bytes);
}

void elementwise_add(benchmark::State& state) {
  const Tensor a = input({state.range(0)}, 1), b = input({state.range(0)}, 2);
  time(state, 12 * a.numel(), [&] { return a + b; });
}
void elementwise_add_recorded(benchmark::State& state) {
  const Tensor a = input({state.range(0)}, 1).requires_grad_(), b = input({state.range(0)}, 2);
  time(state, 12 * a.numel(), [&] { return a + b; });
}
void elementwise_mul_number(benchmark::State& state) {
  const Tensor a = input({state.range(0)}, 1);
  time(state, 8 * a.numel(), [&] { return a * 0.5; });
}
void elementwise_relu(benchmark::State& state) {
  const Tensor a = input({state.range(0)}, 1);
  time(state, 8 * a.numel(), [&] { return relu(a); });
}
void elementwise_exp(benchmark::State& state) {
  const Tensor a = input({state.range(0)}, 1);
  time(state, 8 * a.numel(), [&] { return exp(a); });
}
void elementwise_less(benchmark::State& state) {
  const Tensor a = input({state.range(0)}, 1), b = input({state.range(0)}, 2);
  time(state, 9 * a.numel(), [&] { return a < b; });
}
BENCHMARK(elementwise_add)->Arg(32)->Arg(1024)->Arg(100'000)->Arg(10'000'000)->UseRealTime();
BENCHMARK(elementwise_add_recorded)->Arg(32)->Arg(1024)->UseRealTime();
BENCHMARK(elementwise_mul_number)->Arg(32)->Arg(100'000)->Arg(10'000'000)->UseRealTime();
BENCHMARK(elementwise_relu)->Arg(32)->Arg(100'000)->Arg(10'000'000)->UseRealTime();
BENCHMARK(elementwise_exp)->Arg(32)->Arg(100'000)->Arg(10'000'000)->UseRealTime();
BENCHMARK(elementwise_less)->Arg(32)->Arg(100'000)->Arg(10'000'000)->UseRealTime();

/// (1000, 1000) + b, for the ways in which b can be broadcast or lie in memory.
void add_to_matrix(benchmark::State& state, const Tensor& b) {
  const Tensor a = input({1000, 1000}, 1);
  time(state, 12 * a.numel(), [&] { return a + b; });
}
void elementwise_add_row(benchmark::State& state) { add_to_matrix(state, input({1000}, 2)); }
void elementwise_add_column(benchmark::State& state) { add_to_matrix(state, input({1000, 1}, 2)); }
void elementwise_add_transposed(benchmark::State& state) { add_to_matrix(state, input({1000, 1000}, 2).t()); }
BENCHMARK(elementwise_add_row)->UseRealTime();
BENCHMARK(elementwise_add_column)->UseRealTime();
BENCHMARK(elementwise_add_transposed)->UseRealTime();

}  // namespace
}  // namespace coppice
