#include <coppice/models/nn/init.h>

#include <cmath>

#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>

namespace coppice::nn {

namespace {

/// What Generator::normal takes of the stream.
constexpr std::uint64_t kWordsOfNormal = 4;

}  // namespace

std::int64_t fan_in(const Shape& weight) {
  COPPICE_CHECK(weight.rank() >= 2, "[fan_in] expects a weight (out, in, …); got ", weight);
  std::int64_t inputs = 1;
  for (int d = 1; d < weight.rank(); ++d) inputs *= weight[d];
  return inputs;
}

void assign_parameter(const Tensor& parameter, const Tensor& dense) {
  if (parameter.is_masked()) {
    parameter.weight_state().assign(detail::raw_cast(dense, parameter.dtype()));
  } else {
    detail::copy_into(parameter, dense);
  }
}

void draw_uniform(const Tensor& parameter, double bound, std::uint64_t seed, const std::string& name) {
  Generator generator = Generator::keyed(seed, name);
  const Tensor drawn = Tensor::empty(parameter.shape());
  float* element = drawn.data<float>();
  const auto high = static_cast<float>(bound);
  for (std::int64_t i = 0; i < drawn.numel(); ++i) element[i] = (2.0F * generator.uniform() - 1.0F) * high;
  assign_parameter(parameter, drawn);
}

void draw_normal(const Tensor& parameter, double stddev, std::uint64_t seed, const std::string& name) {
  const Tensor drawn = Tensor::empty(parameter.shape());
  float* element = drawn.data<float>();
  parallel_for(0, drawn.numel(), 4096, [&](std::int64_t first, std::int64_t last) {
    Generator generator = Generator::keyed(seed, name);
    generator.set_offset(static_cast<std::uint64_t>(first) * kWordsOfNormal);
    for (std::int64_t i = first; i < last; ++i) element[i] = static_cast<float>(stddev * generator.normal());
  });
  assign_parameter(parameter, drawn);
}

void draw_default(const Tensor& weight, const Tensor& bias, std::uint64_t seed, const std::string& prefix) {
  const std::int64_t inputs = fan_in(weight.shape());
  const double bound = inputs > 0 ? 1.0 / std::sqrt(static_cast<double>(inputs)) : 0.0;
  draw_uniform(weight, bound, seed, prefix + "weight");
  if (bias.defined()) draw_uniform(bias, bound, seed, prefix + "bias");
}

}  // namespace coppice::nn
