// The dense matrix product beside Eigen's, one thread: coppice-bench --benchmark_filter=gemm
// Names say m×n×k and which operands are transposed. CPU time counts.

#include <coppice/ops/cpu/gemm.h>

#include <benchmark/benchmark.h>

#include <functional>
#include <sstream>
#include <string>

#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>
#include <coppice/core/tensor.h>

#include "bench/peers/eigen_gemm.h"
#include "tests/cases/gemm_cases.h"

namespace coppice {
namespace {

struct Problem {
  cases::GemmCase size;
  bool transpose_a;
  bool transpose_b;
};

using Product = std::function<void(const Problem&, const float*, const float*, float*)>;

void ours(const Problem& p, const float* a, const float* b, float* c) {
  const auto [m, n, k] = p.size;
  cpu::gemm(cpu::Transpose{p.transpose_a}, cpu::Transpose{p.transpose_b}, m, n, k, a, p.transpose_a ? m : k, b,
            p.transpose_b ? k : n, false, c, n);
}

void eigen(const Problem& p, const float* a, const float* b, float* c) {
  peers::eigen_gemm(p.transpose_a, p.transpose_b, p.size.m, p.size.n, p.size.k, a, b, c);
}

void multiply(benchmark::State& state, const Problem& p, const Product& product) {
  const ThreadLimit one(1);
  Generator generator(1);
  const auto [m, n, k] = p.size;
  const Tensor a = Tensor::randn({m * k}, generator), b = Tensor::randn({k * n}, generator);
  const Tensor c = Tensor::empty({m * n});
  for (auto _ : state) {
    product(p, a.data<float>(), b.data<float>(), c.data<float>());
    benchmark::ClobberMemory();
  }
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(m * n * k), benchmark::Counter::kIsIterationInvariantRate);
}

const bool kRegistered = [] {
  for (const cases::GemmCase& size : cases::gemm_shapes()) {
    for (const auto& [transpose_a, transpose_b] : {std::pair{false, false}, {false, true}, {true, false}}) {
      std::ostringstream name;
      name << "gemm/" << size.m << 'x' << size.n << 'x' << size.k << '/' << (transpose_a ? 'T' : 'N')
           << (transpose_b ? 'T' : 'N');
      const Problem problem{size, transpose_a, transpose_b};
      benchmark::RegisterBenchmark((name.str() + "/coppice").c_str(),
                                   [=](benchmark::State& state) { multiply(state, problem, ours); });
      if (!peers::has_eigen()) continue;
      benchmark::RegisterBenchmark((name.str() + "/eigen").c_str(),
                                   [=](benchmark::State& state) { multiply(state, problem, eigen); });
    }
  }
  return true;
}();

}  // namespace
}  // namespace coppice
