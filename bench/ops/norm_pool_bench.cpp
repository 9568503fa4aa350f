// Batch norm and pooling, forward and backward, in both memory formats:
// coppice-bench --benchmark_filter='BatchNorm|Pool2d'
// bytes_per_second counts each operand once: input and output, and in backward the two gradients.

#include <array>
#include <string>

#include <benchmark/benchmark.h>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/grad_mode.h>
#include <coppice/core/generator.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/batch_norm.h>
#include <coppice/ops/pool2d.h>

namespace coppice {
namespace {

using Op = Tensor (*)(const Tensor& input);

Tensor norm_batch(const Tensor& input) { return batch_norm(input, {}, {}, {}, {}); }
Tensor norm_relu(const Tensor& input) { return batch_norm_relu(input, {}, {}, {}, {}); }
Tensor norm_running(const Tensor& input) {
  const Tensor ones = Tensor::ones({input.size(1)});
  return batch_norm(input, {}, {}, ones, ones,
                    {.statistics = BatchNormStatistics::Running, .running = BatchNormRunning::Hold});
}
Tensor max_2x2(const Tensor& input) { return max_pool2d(input, {2, 2}); }
Tensor max_3x3_2(const Tensor& input) {
  return max_pool2d(input, {3, 3}, {.stride = std::array<std::int64_t, 2>{2, 2}, .padding = {1, 1}});
}
Tensor avg_2x2(const Tensor& input) { return avg_pool2d(input, {2, 2}); }
Tensor avg_global(const Tensor& input) { return adaptive_avg_pool2d(input, {1, 1}); }

void forward(benchmark::State& state, Op op, const Shape& shape, MemoryFormat format) {
  Generator generator(1);
  const Tensor input = Tensor::randn(shape, generator).to(format);
  const NoGrad no_grad;
  std::int64_t bytes = 0;
  for (auto _ : state) {
    const Tensor output = op(input);
    bytes += input.nbytes() + output.nbytes();
    benchmark::DoNotOptimize(output.impl());
  }
  state.SetBytesProcessed(bytes);
}

void gradient(benchmark::State& state, Op op, const Shape& shape, MemoryFormat format) {
  Generator generator(1);
  const Tensor input = Tensor::randn(shape, generator).to(format).requires_grad_();
  const Tensor output = op(input);
  const Tensor d_output = Tensor::randn(output.shape(), generator).to(output.memory_format());
  std::int64_t bytes = 0;
  for (auto _ : state) {
    const std::vector<Tensor> gradients = grad({output}, {input}, {d_output}, {.retain_graph = true});
    bytes += d_output.nbytes() + input.nbytes();
    benchmark::DoNotOptimize(gradients[0].impl());
  }
  state.SetBytesProcessed(bytes);
}

const bool registered = [] {
  struct Entry {
    const char* name;
    Op op;
    Shape shape;
  };
  const Entry entries[] = {{"BatchNorm/batch", norm_batch, {16, 64, 56, 56}},
                           {"BatchNorm/relu", norm_relu, {16, 64, 56, 56}},
                           {"BatchNorm/batch_small_planes", norm_batch, {16, 512, 7, 7}},
                           {"BatchNorm/running", norm_running, {16, 64, 56, 56}},
                           {"MaxPool2d/2x2", max_2x2, {32, 32, 28, 28}},
                           {"MaxPool2d/3x3_stride2", max_3x3_2, {16, 64, 112, 112}},
                           {"AvgPool2d/2x2", avg_2x2, {16, 64, 56, 56}},
                           {"AdaptiveAvgPool2d/global", avg_global, {16, 512, 7, 7}}};
  for (const Entry& entry : entries) {
    for (const MemoryFormat format : {MemoryFormat::Contiguous, MemoryFormat::Blocked}) {
      std::string name = entry.name;
      name += format == MemoryFormat::Blocked ? "/blocked" : "";
      benchmark::RegisterBenchmark((name + "/forward").c_str(), forward, entry.op, entry.shape, format)->UseRealTime();
      benchmark::RegisterBenchmark((name + "/gradient").c_str(), gradient, entry.op, entry.shape, format)
          ->UseRealTime();
    }
  }
  return true;
}();

}  // namespace
}  // namespace coppice
