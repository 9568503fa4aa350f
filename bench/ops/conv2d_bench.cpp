// The three products of convolution on layers of the papers' networks: coppice-bench --benchmark_filter=Conv2d
// GFLOP/s counts dense work; a Masked weight is expanded inside the timed region.

#include <benchmark/benchmark.h>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/grad_mode.h>
#include <coppice/core/generator.h>
#include <coppice/core/mask.h>
#include <coppice/core/parallel.h>

#include "tests/cases/conv2d_cases.h"

namespace coppice {
namespace {

struct Operands {
  Operands(const cases::Conv2dCase& c, double density) : options(c.options) {
    Generator generator(1);
    input = Tensor::randn(c.input, generator);
    weight = Tensor::randn(c.weight, generator);
    d_output = Tensor::randn(check_conv2d(input, weight, {}, options), generator);
    flops = 2.0 * static_cast<double>(d_output.numel() / c.weight[0] * c.weight.numel());
    if (density < 1.0) {
      const auto alive = static_cast<std::int64_t>(density * static_cast<double>(c.weight.numel()));
      weight = Tensor::masked(weight, Mask::random(c.weight, alive, generator));
    }
  }
  Tensor input, weight, d_output;
  Conv2dOptions options;
  double flops;
};

void report(benchmark::State& state, double flops) {
  state.counters["GFLOP/s"] =
      benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
  state.counters["threads"] = num_threads();
}

void forward(benchmark::State& state, const cases::Conv2dCase& c, double density) {
  const Operands o(c, density);
  const NoGrad no_grad;
  for (auto _ : state) {
    const Tensor output = conv2d(o.input, o.weight, {}, o.options);
    benchmark::DoNotOptimize(output.raw_data());
  }
  report(state, o.flops);
}

/// Backward alone, of the input or of the weight, through one graph that is kept.
void gradient(benchmark::State& state, const cases::Conv2dCase& c, double density, bool of_weight) {
  Operands o(c, density);
  Tensor& leaf = of_weight ? o.weight : o.input;
  leaf.requires_grad_();
  const Tensor output = conv2d(o.input, o.weight, {}, o.options);
  for (auto _ : state) {
    const std::vector<Tensor> gradients = grad({output}, {leaf}, {o.d_output}, {.retain_graph = true});
    benchmark::DoNotOptimize(gradients[0].raw_data());
  }
  report(state, o.flops);
}

const bool registered = [] {
  for (const cases::Conv2dCase& c : cases::conv2d_network_cases()) {
    for (const double density : {1.0, 0.1}) {
      const std::string suffix = "/" + c.name + (density < 1.0 ? "/density:0.1" : "/dense");
      benchmark::RegisterBenchmark(("Conv2d/forward" + suffix).c_str(), forward, c, density)->UseRealTime();
      benchmark::RegisterBenchmark(("Conv2d/data_gradient" + suffix).c_str(), gradient, c, density, false)
          ->UseRealTime();
      benchmark::RegisterBenchmark(("Conv2d/weight_gradient" + suffix).c_str(), gradient, c, density, true)
          ->UseRealTime();
    }
  }
  return true;
}();

}  // namespace
}  // namespace coppice
