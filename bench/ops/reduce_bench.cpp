// Reductions of the large cases the tests check. Timed: the whole call with the allocation of its result.

#include <sstream>

#include <benchmark/benchmark.h>

#include <coppice/core/generator.h>
#include <coppice/ops/reduce.h>

#include "tests/cases/reduce_cases.h"

namespace coppice {
namespace {

/// Argument 0 is the number of the case; its shape is the label.
template <class Op>
void time(benchmark::State& state, Op op) {
  const cases::ReduceCase& c = cases::large_reduce_cases()[static_cast<std::size_t>(state.range(0))];
  Generator generator(1);
  const Tensor x = Tensor::randn(c.shape, generator);
  for (auto _ : state) benchmark::DoNotOptimize(op(x, c.dims).impl());
  std::ostringstream label;
  label << c.shape << " along " << c.dims;
  state.SetLabel(label.str());
  state.SetBytesProcessed(state.iterations() * x.nbytes());
}

void reduce_sum(benchmark::State& state) {
  time(state, [](const Tensor& x, const Dims& dims) { return sum(x, dims); });
}
void reduce_amax(benchmark::State& state) {
  time(state, [](const Tensor& x, const Dims& dims) { return amax(x, dims); });
}
void each_case(benchmark::internal::Benchmark* bench) {
  bench->DenseRange(0, static_cast<int>(cases::large_reduce_cases().size()) - 1)->UseRealTime();
}
BENCHMARK(reduce_sum)->Apply(each_case);
BENCHMARK(reduce_amax)->Apply(each_case);

}  // namespace
}  // namespace coppice
