#include <coppice/ops/linear_candidates.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string>

#include <coppice/ops/candidate_registry.h>
#include <coppice/ops/cpu/gemm.h>
#include <coppice/ops/cpu/nm.h>
#include <coppice/ops/cpu/row_blocks.h>
#include <coppice/ops/cpu/sparse_linear.h>
#include <coppice/ops/nm_structure.h>
#include <coppice/ops/sparse_structure.h>

namespace coppice {

using cpu::Transpose;

Tensor dense_product(const Tensor& x, const Tensor& weight, std::int64_t m, const Tensor& bias) {
  const std::int64_t n = x.size(0), k = x.size(1);
  const Tensor y = Tensor::empty({n, m}, {.dtype = x.dtype()});
  dispatch_floating(x.dtype(), "linear", [&]<class T>() {
    cpu::gemm(Transpose::No, Transpose::Yes, n, m, k, x.data<T>(), k, weight.data<T>(), k, false, y.data<T>(), m,
              {.column_bias = bias.defined() ? bias.data<T>() : nullptr});
  });
  return y;
}

Tensor dense_weight_gradient(const Tensor& d_y, const Tensor& x) {
  const std::int64_t n = x.size(0), k = x.size(1), m = d_y.size(1);
  const Tensor gradient = Tensor::empty({m, k}, {.dtype = x.dtype()});
  dispatch_floating(x.dtype(), "linear", [&]<class T>() {
    cpu::gemm(Transpose::Yes, Transpose::No, m, k, n, d_y.data<T>(), m, x.data<T>(), k, false, gradient.data<T>(), k);
  });
  return gradient;
}

namespace {

// Costs in multiply-adds of a large dense product, about 22 ps each on the machine they were measured on (one Zen 3
// core, f32, AVX2; coppice-bench --benchmark_filter=linear). They make sparse products win up to the density at which
// WeightState stores everything, 0.5, and sampled ones up to about 0.6.
constexpr double kSparseProduct = 1.45;  ///< one alive weight × one sample
constexpr double kSlotProduct = 1.6;     ///< the same, the value found through its slot
constexpr double kSampledProduct = 1.6;  ///< one trainable weight × one sample
constexpr double kGroupProduct = 1.2;    ///< as kSparseProduct, where rows share their columns
constexpr double kNmProduct = 1.35;      ///< one alive weight of N:4 × one sample
constexpr double kNmSampled = 1.5;       ///< one trainable weight of N:4 × one sample
constexpr double kNmWide = 2.4;          ///< either of N:8, which takes two shuffles
constexpr double kNmSpread = 1.3;        ///< as kSlotProduct, where many rows of 2:4 have the same places
constexpr double kNmScattered = 2.0;     ///< the same where few do, or one line of dY serves one weight
constexpr double kNmPacked = 20.0;       ///< one weight and its shuffle packed, and its part in listing the places
constexpr double kTransposed = 10.0;     ///< one activation moved into or out of a panel
constexpr double kPacked = 8.0;          ///< one dense weight packed, expanded or gathered
constexpr double kListed = 24.0;         ///< one weight's part in building a structure, spread over the steps it serves

double rows(const WeightState& weight) { return static_cast<double>(weight.shape()[0]); }
double columns(const WeightState& weight) { return static_cast<double>(weight.shape()[1]); }

double dense_cost(const WeightState& weight, std::int64_t samples) {
  return rows(weight) * columns(weight) * (static_cast<double>(samples) + kPacked);
}
double expanded_cost(const WeightState& weight, std::int64_t samples) {
  return dense_cost(weight, samples) + rows(weight) * columns(weight) * kPacked;
}
double sparse_cost(const WeightState& weight, std::int64_t samples, const Mask& mask, double product) {
  const double n = static_cast<double>(samples);
  const double entries = static_cast<double>(mask.count());
  return n * (entries * product + (rows(weight) + columns(weight)) * kTransposed) + entries * kListed;
}

double nm_cost(const WeightState& weight, std::int64_t samples, double product) {
  const double each = weight.alive().pattern().second == 4 ? product : kNmWide;
  return static_cast<double>(weight.alive().count()) * (static_cast<double>(samples) * each + kNmPacked);
}
double nm_spread_cost(const WeightState& weight, std::int64_t samples) {
  const bool pairs = weight.alive().pattern() == Pattern::nm(2, 4);
  return sparse_cost(weight, samples, weight.alive(), pairs ? kNmSpread : kNmScattered);
}

bool always(const WeightState&) { return true; }
bool stores_everything(const WeightState& weight) { return weight.stored().count() == weight.stored().numel(); }
bool stores_alive(const WeightState& weight) { return weight.stored().count() == weight.alive().count(); }
bool stores_alive_groups(const WeightState& weight) {
  return stores_alive(weight) && weight.alive().count() > 0 && has_row_groups(weight.alive());
}
bool stores_full_groups(const WeightState& weight) {
  return weight.dtype() == kFloat32 && stores_alive(weight) && has_full_groups(weight.alive());
}
bool trains_full_groups(const WeightState& weight) {
  return stores_full_groups(weight) && weight.trainable().count() == weight.alive().count();
}
bool trains_groups(const WeightState& weight) {
  return weight.trainable().count() > 0 && has_row_groups(weight.trainable());
}

Tensor empty(std::int64_t size0, std::int64_t size1, const WeightState& weight) {
  return Tensor::empty({size0, size1}, {.dtype = weight.dtype()});
}

template <bool kExpand>
Tensor dense_values(const WeightState& weight) {
  return kExpand ? weight.to_dense() : weight.values();
}

template <bool kExpand>
Tensor run_dense_forward(const WeightState& weight, const LinearOperands& o) {
  return dense_product(o.x, dense_values<kExpand>(weight), weight.shape()[0], o.bias);
}

template <bool kGroups>
Tensor run_csr_forward(const WeightState& weight, const LinearOperands& o) {
  const auto structure = alive_rows(weight);
  const std::int64_t n = o.x.size(0), m = weight.shape()[0], k = weight.shape()[1];
  const Tensor y = empty(n, m, weight);
  dispatch_floating(weight.dtype(), "linear", [&]<class T>() {
    const auto multiply = kGroups ? &cpu::row_blocks_product<T> : &cpu::spmm<T>;
    multiply(structure->view(), weight.values().data<T>(), n, o.x.data<T>(), k,
             o.bias.defined() ? o.bias.data<T>() : nullptr, y.data<T>(), m);
  });
  return y;
}

template <bool kExpand>
Tensor run_dense_data_gradient(const WeightState& weight, const LinearOperands& o) {
  const Tensor values = dense_values<kExpand>(weight);
  const std::int64_t n = o.y.size(0), m = weight.shape()[0], k = weight.shape()[1];
  const Tensor d_x = empty(n, k, weight);
  dispatch_floating(weight.dtype(), "linear", [&]<class T>() {
    cpu::gemm(Transpose::No, Transpose::No, n, k, m, o.y.data<T>(), m, values.data<T>(), k, false, d_x.data<T>(), k);
  });
  return d_x;
}

Tensor run_csc_data_gradient(const WeightState& weight, const LinearOperands& o) {
  const auto structure = alive_columns(weight);
  const std::int64_t n = o.y.size(0), m = weight.shape()[0], k = weight.shape()[1];
  const Tensor d_x = empty(n, k, weight);
  dispatch_floating(weight.dtype(), "linear", [&]<class T>() {
    cpu::spmm<T>(structure->view(), weight.values().data<T>(), n, o.y.data<T>(), m, nullptr, d_x.data<T>(), k);
  });
  return d_x;
}

Tensor run_grouped_data_gradient(const WeightState& weight, const LinearOperands& o) {
  const auto structure = alive_rows(weight);
  const std::int64_t n = o.y.size(0), m = weight.shape()[0], k = weight.shape()[1];
  const Tensor d_x = empty(n, k, weight);
  dispatch_floating(weight.dtype(), "linear", [&]<class T>() {
    cpu::row_blocks_data_gradient(structure->view(), weight.values().data<T>(), n, o.y.data<T>(), m, d_x.data<T>(), k);
  });
  return d_x;
}

template <bool kGroups>
Tensor run_sampled_weight_gradient(const WeightState& weight, const LinearOperands& o) {
  const auto structure = trainable_rows(weight);
  const std::int64_t n = o.x.size(0), m = weight.shape()[0], k = weight.shape()[1];
  const Tensor gradient = Tensor::empty({weight.trainable().count()}, {.dtype = weight.dtype()});
  dispatch_floating(weight.dtype(), "linear", [&]<class T>() {
    const auto sample = kGroups ? &cpu::row_blocks_weight_gradient<T> : &cpu::sampled_product<T>;
    sample(structure->view(), n, o.y.data<T>(), m, o.x.data<T>(), k, gradient.data<T>());
  });
  return gradient;
}

Tensor run_gathered_weight_gradient(const WeightState& weight, const LinearOperands& o) {
  return WeightState::gather(dense_weight_gradient(o.y, o.x), weight.trainable());
}

Tensor run_nm_forward(const WeightState& weight, const LinearOperands& o) {
  const auto structure = alive_places(weight);
  const std::int64_t n = o.x.size(0), m = weight.shape()[0], k = weight.shape()[1];
  const Tensor y = empty(n, m, weight);
  cpu::nm_product(structure->view(), weight.values().data<float>(), n, o.x.data<float>(), k,
                  o.bias.defined() ? o.bias.data<float>() : nullptr, y.data<float>(), m);
  return y;
}

Tensor run_nm_data_gradient(const WeightState& weight, const LinearOperands& o) {
  const auto structure = alive_order(weight);
  const std::int64_t n = o.y.size(0), m = weight.shape()[0], k = weight.shape()[1];
  const Tensor d_x = empty(n, k, weight);
  cpu::nm_data_gradient(structure->view(), weight.values().data<float>(), n, o.y.data<float>(), m, d_x.data<float>(),
                        k);
  return d_x;
}

Tensor run_nm_weight_gradient(const WeightState& weight, const LinearOperands& o) {
  const auto structure = alive_places(weight);
  const std::int64_t n = o.x.size(0), m = weight.shape()[0], k = weight.shape()[1];
  const Tensor gradient = Tensor::empty({weight.trainable().count()}, {.dtype = weight.dtype()});
  cpu::nm_weight_gradient(structure->view(), n, o.y.data<float>(), m, o.x.data<float>(), k, gradient.data<float>());
  return gradient;
}

constexpr std::array<LinearCandidate, 5> kForward = {{
    {"dense", stores_everything, dense_cost, run_dense_forward<false>},
    {"dense/expanded", always, expanded_cost, run_dense_forward<true>},
    {"csr/panel", stores_alive,
     [](const WeightState& weight, std::int64_t n) { return sparse_cost(weight, n, weight.alive(), kSparseProduct); },
     run_csr_forward<false>},
    {"csr/groups", stores_alive_groups,
     [](const WeightState& weight, std::int64_t n) { return sparse_cost(weight, n, weight.alive(), kGroupProduct); },
     run_csr_forward<true>},
    {"nm", stores_full_groups, [](const WeightState& weight, std::int64_t n) { return nm_cost(weight, n, kNmProduct); },
     run_nm_forward},
}};

constexpr std::array<LinearCandidate, 5> kDataGradient = {{
    {"dense", stores_everything, dense_cost, run_dense_data_gradient<false>},
    {"dense/expanded", always, expanded_cost, run_dense_data_gradient<true>},
    {"csc/panel", stores_alive,
     [](const WeightState& weight, std::int64_t n) { return sparse_cost(weight, n, weight.alive(), kSlotProduct); },
     run_csc_data_gradient},
    {"csr/groups", stores_alive_groups,
     [](const WeightState& weight, std::int64_t n) { return sparse_cost(weight, n, weight.alive(), kGroupProduct); },
     run_grouped_data_gradient},
    {"nm", stores_full_groups, nm_spread_cost, run_nm_data_gradient},
}};

constexpr std::array<LinearCandidate, 4> kWeightGradient = {{
    {"dense/gathered", always, expanded_cost, run_gathered_weight_gradient},
    {"sampled", always,
     [](const WeightState& weight, std::int64_t n) {
       return sparse_cost(weight, n, weight.trainable(), kSampledProduct);
     },
     run_sampled_weight_gradient<false>},
    {"sampled/groups", trains_groups,
     [](const WeightState& weight, std::int64_t n) {
       return sparse_cost(weight, n, weight.trainable(), kGroupProduct);
     },
     run_sampled_weight_gradient<true>},
    {"sampled/nm", trains_full_groups,
     [](const WeightState& weight, std::int64_t n) { return nm_cost(weight, n, kNmSampled); }, run_nm_weight_gradient},
}};

PassRegistries<LinearCandidate>& registries() {
  static PassRegistries<LinearCandidate> all(kForward, kDataGradient, kWeightGradient);
  return all;
}

std::string key_of(FlopPhase phase, const WeightState& weight, std::int64_t samples) {
  const bool trained = phase == FlopPhase::WeightGradient;
  std::ostringstream text;
  text << "linear/" << pass_name(phase) << ' ' << samples << " * " << weight.shape()[0] << 'x' << weight.shape()[1]
       << ' ' << weight.dtype() << ' ' << (trained ? weight.trainable() : weight.alive()).count()
       << (trained ? " trainable" : " alive");
  return text.str();
}

}  // namespace

std::span<const LinearCandidate> linear_candidates(FlopPhase phase) { return registries().of(phase).all(); }

void register_linear_candidate(FlopPhase phase, const LinearCandidate& candidate) {
  registries().of(phase).add("linear", candidate);
}

const LinearCandidate& choose_linear(FlopPhase phase, const WeightState& weight, std::int64_t samples) {
  return choose_candidate(
      "linear", linear_candidates(phase), [&](const LinearCandidate& candidate) { return candidate.can_run(weight); },
      [&](const LinearCandidate& candidate) { return candidate.cost(weight, samples); },
      [&] { return key_of(phase, weight, samples); }, [](std::string_view name) { return registries().knows(name); });
}

Tensor run_linear(FlopPhase phase, const WeightState& weight, const LinearOperands& operands) {
  const std::int64_t samples = operands.x.defined() ? operands.x.size(0) : operands.y.size(0);
  if (is_tried()) {
    try_candidates(
        linear_candidates(phase), [&](const LinearCandidate& candidate) { return candidate.can_run(weight); },
        [&](const LinearCandidate& candidate) { return candidate.cost(weight, samples); },
        key_of(phase, weight, samples), [&](const LinearCandidate& candidate) { candidate.run(weight, operands); });
  }
  return choose_linear(phase, weight, samples).run(weight, operands);
}

}  // namespace coppice
