// Resizing images, forward and backward: coppice-bench --benchmark_filter=interpolate
// bytes_per_second counts input and output once.

#include <benchmark/benchmark.h>

#include <coppice/autograd/engine.h>
#include <coppice/core/generator.h>
#include <coppice/ops/interpolate.h>

namespace coppice {
namespace {

void interpolate_forward(benchmark::State& state, InterpolateOptions options, Shape shape) {
  Generator generator(1);
  const Tensor input = Tensor::randn(shape, generator);
  std::int64_t bytes = 0;
  for (auto _ : state) bytes += input.nbytes() + interpolate(input, options).nbytes();
  state.SetBytesProcessed(bytes);
}

void interpolate_gradient(benchmark::State& state, InterpolateOptions options, Shape shape) {
  Generator generator(1);
  const Tensor input = Tensor::randn(shape, generator).requires_grad_();
  const Tensor output = interpolate(input, options);
  const Tensor d_output = Tensor::randn(output.shape(), generator);
  for (auto _ : state) {
    benchmark::DoNotOptimize(grad({output}, {input}, {d_output}, {.retain_graph = true})[0].impl());
  }
  state.SetBytesProcessed(state.iterations() * (input.nbytes() + output.nbytes()));
}

const bool registered = [] {
  struct Entry {
    const char* name;
    InterpolateOptions options;
    Shape shape;
  };
  const auto doubled = [](InterpolateMode mode) {
    return InterpolateOptions{.scale_factor = {{2.0, 2.0}}, .mode = mode};
  };
  const Entry entries[] = {
      {"interpolate/nearest_x2", doubled(InterpolateMode::Nearest), {1, 64, 128, 128}},
      {"interpolate/bilinear_x2", doubled(InterpolateMode::Bilinear), {1, 64, 128, 128}},
      {"interpolate/bicubic_x2", doubled(InterpolateMode::Bicubic), {1, 64, 128, 128}},
      {"interpolate/bilinear_half",
       {.scale_factor = {{0.5, 0.5}}, .mode = InterpolateMode::Bilinear},
       {1, 64, 256, 256}},
      {"interpolate/bilinear_antialias_third",
       {.size = {{85, 85}}, .mode = InterpolateMode::Bilinear, .antialias = true},
       {1, 64, 256, 256}},
      {"interpolate/area_half", {.size = {{128, 128}}, .mode = InterpolateMode::Area}, {1, 64, 256, 256}}};
  for (const Entry& e : entries) {
    std::string name = e.name;
    benchmark::RegisterBenchmark((name + "/forward").c_str(), interpolate_forward, e.options, e.shape)->UseRealTime();
    benchmark::RegisterBenchmark((name + "/gradient").c_str(), interpolate_gradient, e.options, e.shape)->UseRealTime();
  }
  return true;
}();

}  // namespace
}  // namespace coppice
