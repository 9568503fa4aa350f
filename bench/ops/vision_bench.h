#pragma once

#include <functional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/grad_mode.h>
#include <coppice/core/generator.h>
#include <coppice/core/tensor.h>

// What the benchmarks of vision ops share.

namespace coppice::bench {

using VisionOp = std::function<Tensor(const std::vector<Tensor>&)>;

inline Tensor normal(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return Tensor::randn(shape, generator);
}
inline Tensor uniform(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return Tensor::rand(shape, generator);
}

/// Registers `name`/forward and `name`/gradient: the whole call with the allocation of its results, and the gradients
/// of all inputs. `make` makes the inputs.
inline void register_vision_op(const std::string& name, VisionOp op, std::function<std::vector<Tensor>()> make) {
  benchmark::RegisterBenchmark((name + "/forward").c_str(), [op, make](benchmark::State& state) {
    const std::vector<Tensor> inputs = make();
    const NoGrad no_grad;
    for (auto _ : state) benchmark::DoNotOptimize(op(inputs).impl());
  })->UseRealTime();
  benchmark::RegisterBenchmark((name + "/gradient").c_str(), [op, make](benchmark::State& state) {
    std::vector<Tensor> inputs = make();
    for (Tensor& input : inputs) input.requires_grad_();
    const Tensor output = op(inputs);
    const Tensor d_output = normal(output.shape(), 9);
    for (auto _ : state) {
      benchmark::DoNotOptimize(grad({output}, inputs, {d_output}, {.retain_graph = true})[0].impl());
    }
  })->UseRealTime();
}

}  // namespace coppice::bench
