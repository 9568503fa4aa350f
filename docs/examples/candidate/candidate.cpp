// Adds a kernel for pointwise convolutions with sparse filters, checks it against the built-in ones, and times all.

#include <chrono>
#include <cstdio>
#include <string>

#include <coppice/coppice.h>
#include <coppice/core/mask.h>
#include <coppice/ops/conv2d_candidates.h>
#include <coppice/ops/plan.h>

using namespace coppice;

/// Only what the kernel was written for: contiguous f32 images, a sparse 1 × 1 filter, no options.
bool can_run(const Conv2dProblem& p) {
  const Conv2dOptions& o = p.options;
  return p.format == MemoryFormat::Contiguous && p.dtype == kFloat32 && p.sparse != nullptr && p.weight[2] == 1 &&
         p.weight[3] == 1 && o.stride == std::array<std::int64_t, 2>{1, 1} &&
         o.padding == std::array<std::int64_t, 2>{0, 0} && o.groups == 1 &&
         p.sparse->stored().count() == p.sparse->alive().count();
}

/// In multiply-adds of the dense kernel; a function of sizes and counts alone, so that runs repeat.
double cost(const Conv2dProblem& p) {
  return 4.0 * static_cast<double>(p.sparse->alive().count() * p.output[0] * p.output[2] * p.output[3]);
}

/// Every alive weight adds its multiple of one input plane to one output plane.
Tensor run(const Conv2dProblem& p, const Conv2dOperands& o) {
  const Tensor output = Tensor::zeros(p.output);
  const std::int64_t pixels = p.output[2] * p.output[3], inputs = p.input[1], outputs = p.output[1];
  const float* const values = p.sparse->values().data<float>();
  for (std::int64_t n = 0; n < p.input[0]; ++n) {
    p.sparse->alive().for_each([&](std::int64_t position, std::int64_t slot) {
      const float* const x = o.x.data<float>() + (n * inputs + position % inputs) * pixels;
      float* const y = output.data<float>() + (n * outputs + position / inputs) * pixels;
      for (std::int64_t i = 0; i < pixels; ++i) y[i] += values[slot] * x[i];
    });
  }
  for (std::int64_t i = 0; o.bias.defined() && i < output.numel(); ++i) {
    output.data<float>()[i] += o.bias.data<float>()[i / pixels % outputs];
  }
  return output;
}

int main() {
  register_conv2d_candidate(FlopPhase::Forward, {.name = "mine/axpy", .can_run = can_run, .cost = cost, .run = run});

  Generator generator(1);
  const Tensor images = Tensor::randint(-3, 4, {4, 64, 28, 28}, generator, {.dtype = kFloat32});
  const Tensor dense = Tensor::randint(-3, 4, {128, 64, 1, 1}, generator, {.dtype = kFloat32});
  const Tensor filter = Tensor::masked(dense, Mask::random(dense.shape(), dense.numel() / 10, generator));

  // What conv2d would take, and the problem's key in a plan.
  const NoGrad no_grad;
  const PlanRecorder recorder;
  const Tensor expected = conv2d(images, filter);
  std::printf("%s", recorder.plan().to_string().c_str());

  const std::string key = recorder.plan().entries().begin()->first;
  for (const Conv2dCandidate& candidate : conv2d_candidates(FlopPhase::Forward)) {
    Plan plan;
    plan.set(key, candidate.name);
    const PlanScope scope(plan);
    try {
      const auto begin = std::chrono::steady_clock::now();
      const Tensor output = conv2d(images, filter);
      const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
      std::printf("%-14s %6.2f ms  %s\n", candidate.name, took.count(),
                  bit_equal(output, expected) ? "exact" : "WRONG");
    } catch (const Error&) {
      std::printf("%-14s cannot run this problem\n", candidate.name);
    }
  }
}
