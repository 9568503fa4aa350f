// Optimiser steps on 25 million f32 weights, as many as ResNet-50 has: dense, masked at several densities, and with
// part of the alive weights frozen. Timed: step() with gradients in place. Bytes: what a step has to read and write of
// values, gradient and state.

#include <benchmark/benchmark.h>

#include <coppice/core/generator.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/optim/adamw.h>
#include <coppice/ops/optim/sgd.h>

namespace coppice {
namespace {

constexpr std::int64_t kWeights = 25'000'000;
const Shape kShape{5000, 5000};

Tensor half(const Shape& shape) { return Tensor::full(shape, 0.5); }

template <class Optimizer>
Optimizer make(const Tensor& parameter);
template <>
optim::SGD make(const Tensor& parameter) {
  return optim::SGD(std::vector<Tensor>{parameter}, {.lr = 0.1, .momentum = 0.9, .weight_decay = 1e-4});
}
template <>
optim::AdamW make(const Tensor& parameter) {
  return optim::AdamW(std::vector<Tensor>{parameter}, {.lr = 1e-3, .weight_decay = 1e-2});
}

/// Steps a parameter with a gradient of `trained` elements, each of which has `states` numbers of state.
template <class Optimizer>
void time_steps(benchmark::State& state, Tensor& parameter, std::int64_t trained, std::int64_t states) {
  parameter.requires_grad_();
  Optimizer optimizer = make<Optimizer>(parameter);
  parameter.set_grad(half(parameter.is_masked() ? Shape{trained} : kShape));
  for (auto _ : state) optimizer.step();
  state.SetBytesProcessed(state.iterations() * trained * 4 * (3 + 2 * states));
}

template <class Optimizer, int states>
void step_dense(benchmark::State& state) {
  Tensor parameter = half(kShape);
  time_steps<Optimizer>(state, parameter, kWeights, states);
}

/// The argument: percent alive.
template <class Optimizer, int states>
void step_masked(benchmark::State& state) {
  Generator generator(1);
  const std::int64_t alive = kWeights / 100 * state.range(0);
  Tensor parameter = Tensor::masked(half(kShape), Mask::random(kShape, alive, generator));
  time_steps<Optimizer>(state, parameter, alive, states);
}

/// All weights alive, as in an exploration; the argument: percent that is trained, the rest frozen.
template <class Optimizer, int states>
void step_partial(benchmark::State& state) {
  Generator generator(1);
  const std::int64_t trained = kWeights / 100 * state.range(0);
  Tensor parameter = Tensor::masked(half(kShape), Mask::all(kShape));
  parameter.weight_state().set_trainable(Mask::random(kShape, trained, generator));
  time_steps<Optimizer>(state, parameter, trained, states);
}

BENCHMARK(step_dense<optim::SGD, 1>)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(step_dense<optim::AdamW, 2>)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(step_masked<optim::SGD, 1>)->Arg(10)->Arg(50)->Arg(70)->Arg(90)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(step_masked<optim::AdamW, 2>)->Arg(10)->Arg(90)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(step_partial<optim::SGD, 1>)->Arg(10)->Arg(90)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(step_partial<optim::AdamW, 2>)->Arg(90)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace coppice
