// What an operation costs beside its arithmetic: chains of additions of (1 × 32) tensors, time per operation.
//
// Forward      makes the tensors, with or without a record, and frees them.
// Backward     forward, backward, and freeing the graph: all that one operation of a training step costs.
// Measure      coppice-bench --benchmark_filter=SmallOp
// For scale    LibTorch 1.13, one thread of another CPU: 529 ns recorded forward, 1851 ns forward and backward

#include <benchmark/benchmark.h>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/parallel.h>
#include <coppice/ops/elementwise.h>

namespace coppice {
namespace {

Tensor chain(const Tensor& x, const Tensor& step, std::int64_t length) {
  Tensor y = x;
  for (std::int64_t i = 0; i < length; ++i) y = add(y, step);
  return y;
}

void report(benchmark::State& state) {
  const double operations = static_cast<double>(state.iterations()) * static_cast<double>(state.range(0));
  state.counters["per_op"] = benchmark::Counter(operations, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void SmallOpForwardUnrecorded(benchmark::State& state) {
  const ThreadLimit one(1);
  const NoGrad no_grad;
  const Tensor x = Tensor::ones({1, 32});
  const Tensor step = Tensor::ones({1, 32});
  for (auto _ : state) benchmark::DoNotOptimize(chain(x, step, state.range(0)).impl());
  report(state);
}

void SmallOpForwardRecorded(benchmark::State& state) {
  const ThreadLimit one(1);
  const Tensor x = Tensor::ones({1, 32}, {.requires_grad = true});
  const Tensor step = Tensor::ones({1, 32});
  for (auto _ : state) benchmark::DoNotOptimize(chain(x, step, state.range(0)).impl());
  report(state);
}

/// The second operand requires a gradient too: every operation adds to a leaf.
void forward_backward(benchmark::State& state, bool both) {
  const ThreadLimit one(1);
  const Tensor x = Tensor::ones({1, 32}, {.requires_grad = true});
  const Tensor step = Tensor::ones({1, 32}, {.requires_grad = both});
  const Tensor seed = Tensor::ones({1, 32});
  for (auto _ : state) {
    chain(x, step, state.range(0)).backward(seed);
    benchmark::DoNotOptimize(x.grad().impl());
    x.set_grad({});
    step.set_grad({});
  }
  report(state);
}

void SmallOpForwardBackward(benchmark::State& state) { forward_backward(state, false); }
void SmallOpForwardBackwardBoth(benchmark::State& state) { forward_backward(state, true); }

BENCHMARK(SmallOpForwardUnrecorded)->Arg(100)->Arg(1000);
BENCHMARK(SmallOpForwardRecorded)->Arg(100)->Arg(1000);
BENCHMARK(SmallOpForwardBackward)->Arg(100)->Arg(1000);
BENCHMARK(SmallOpForwardBackwardBoth)->Arg(100)->Arg(1000);

}  // namespace
}  // namespace coppice
