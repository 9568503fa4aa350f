#include <coppice/ops/optim/clip.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <coppice/core/parallel.h>
#include <coppice/core/tensor_impl.h>

namespace coppice::optim {

namespace {

constexpr std::int64_t kBlock = 8192;  // elements whose sum no number of threads changes

/// Calls body(gradient of T, index of the first element, of the last) for blocks of the gradient's elements.
template <class Body>
void for_each_block(const Tensor& gradient, const char* op, Body body) {
  COPPICE_CHECK(gradient.is_contiguous() && (gradient.dtype() == kFloat32 || gradient.dtype() == kFloat64), "[", op,
                "] expects contiguous gradients of float32 or float64; got ", gradient.dtype(), ' ', gradient.shape());
  const std::int64_t size = gradient.numel();
  parallel_for(0, (size + kBlock - 1) / kBlock, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) {
      const std::int64_t from = block * kBlock, to = std::min(size, from + kBlock);
      if (gradient.dtype() == kFloat64) {
        body(gradient.data<double>(), block, from, to);
      } else {
        body(gradient.data<float>(), block, from, to);
      }
    }
  });
}

/// Σ |g|^p, or max |g| for infinite p; a NaN anywhere makes it NaN.
double power_sum(const Tensor& gradient, double p) {
  std::vector<double> partial(static_cast<std::size_t>((gradient.numel() + kBlock - 1) / kBlock), 0.0);
  for_each_block(gradient, "clip_grad_norm_",
                 [&](const auto* g, std::int64_t block, std::int64_t from, std::int64_t to) {
                   double total = 0.0;
                   for (std::int64_t i = from; i < to; ++i) {
                     const double size = std::abs(static_cast<double>(g[i]));
                     if (std::isinf(p)) {
                       total = size > total || std::isnan(size) ? size : total;
                     } else {
                       total += p == 2.0 ? size * size : std::pow(size, p);
                     }
                     if (std::isnan(total)) break;
                   }
                   partial[static_cast<std::size_t>(block)] = total;
                 });
  double total = 0.0;
  for (const double part : partial) {
    total = std::isinf(p) ? (part > total || std::isnan(part) ? part : total) : total + part;
    if (std::isnan(total)) break;
  }
  return total;
}

std::vector<Tensor> gradients_of(const std::vector<Tensor>& params) {
  std::vector<Tensor> gradients;
  for (const Tensor& param : params) {
    if (const Tensor gradient = param.grad(); gradient.defined()) gradients.push_back(gradient);
  }
  return gradients;
}

}  // namespace

double clip_grad_norm_(const std::vector<Tensor>& params, double max_norm, const ClipGradNormOptions& options) {
  const double p = options.norm_type;
  COPPICE_CHECK(max_norm >= 0.0 && p > 0.0, "[clip_grad_norm_] expects max_norm >= 0 and norm_type > 0; got ", max_norm,
                " and ", p);
  const std::vector<Tensor> gradients = gradients_of(params);
  double total = 0.0;
  for (const Tensor& gradient : gradients) {
    const double part = power_sum(gradient, p);
    total = std::isinf(p) ? (part > total || std::isnan(part) ? part : total) : total + part;
    if (std::isnan(total)) break;
  }
  const double norm = std::isinf(p) ? total : std::pow(total, 1.0 / p);
  COPPICE_CHECK(!options.error_if_nonfinite || std::isfinite(norm),
                "[clip_grad_norm_] expects finite gradients; their norm is ", norm);
  const double factor = max_norm / (norm + 1e-6);
  if (!(factor >= 1.0)) {
    for (Tensor gradient : gradients) gradient.mul_(factor);
  }
  return norm;
}

void clip_grad_value_(const std::vector<Tensor>& params, double clip_value) {
  COPPICE_CHECK(clip_value >= 0.0, "[clip_grad_value_] expects clip_value >= 0; got ", clip_value);
  for (const Tensor& gradient : gradients_of(params)) {
    for_each_block(gradient, "clip_grad_value_", [&](auto* g, std::int64_t, std::int64_t from, std::int64_t to) {
      using T = std::remove_reference_t<decltype(*g)>;
      const T bound = static_cast<T>(clip_value);
      for (std::int64_t i = from; i < to; ++i) g[i] = g[i] > bound ? bound : g[i] < -bound ? -bound : g[i];
    });
  }
}

}  // namespace coppice::optim
