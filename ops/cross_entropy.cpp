#include <coppice/ops/cross_entropy.h>

#include <coppice/autograd/record.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/cpu/softmax.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/softmax.h>

namespace coppice {
namespace {

cpu::RowGeometry check_cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  const TensorImpl& x = detail::require_strided(logits, "cross_entropy");
  const TensorImpl& t = detail::require_strided(target, "cross_entropy");
  COPPICE_CHECK(x.shape.rank() == 2 && t.shape.rank() == 1 && x.shape[0] == t.shape[0],
                "[cross_entropy] expects logits (n, c) and target (n); got logits ", x.shape, ", target ", t.shape);
  COPPICE_CHECK(x.dtype == kFloat32 || x.dtype == kFloat64, "[cross_entropy] expects float32 or float64 logits; got ",
                x.dtype, " ", x.shape, "; cast with to(kFloat32)");
  COPPICE_CHECK(t.dtype == kInt64, "[cross_entropy] expects an int64 target; got ", t.dtype, " ", t.shape,
                "; cast with to(kInt64)");
  COPPICE_CHECK(x.device.is_cpu() && t.device.is_cpu(), "[cross_entropy] has no kernel for ", x.device, " and ",
                t.device, "; copy with to(kCpu)");
  COPPICE_CHECK(options.label_smoothing >= 0.0 && options.label_smoothing <= 1.0,
                "[cross_entropy] label_smoothing must lie in [0, 1]; got ", options.label_smoothing);
  const std::int64_t* element = target.data<std::int64_t>();
  for (std::int64_t row = 0; row < t.numel; ++row) {
    const std::int64_t label = element[row * t.strides[0]];
    COPPICE_CHECK(label >= 0 && label < x.shape[1], "[cross_entropy] targets must lie in [0, ", x.shape[1], "); got ",
                  label, " in row ", row, " of ", t.shape, " for logits ", x.shape);
  }
  return {x.shape[0], x.shape[1]};
}

/// (softmax(logits) − q) · d_losses row by row, in one pass; differentiable by its parts.
Tensor cross_entropy_backward(const Tensor& logits, const Tensor& target, const Tensor& d_losses, double smoothing) {
  Tensor output = Tensor::empty(logits.shape(), {.dtype = logits.dtype()});
  const Tensor scale = detail::raw_contiguous(d_losses);
  cpu::cross_entropy_backward(
      logits.dtype(), {logits.size(0), logits.size(1)}, detail::raw_contiguous(logits).raw_data(),
      detail::raw_contiguous(target).data<std::int64_t>(), smoothing, scale.raw_data(), output.raw_data());
  return record("cross_entropy_backward", output, {logits, d_losses}, {logits, target, d_losses},
                [smoothing](const Saved& saved, const Tensor& dd_logits) {
                  const Tensor probability = softmax(saved[0]);
                  Gradients gradients(2);
                  if (saved.needs(0)) {
                    const Tensor weighted = dd_logits * probability * saved[2].unsqueeze(1);
                    gradients[0] = weighted - probability * sum(weighted, {1}, true);
                  }
                  if (saved.needs(1)) {
                    const Tensor one = Tensor::ones({saved[2].size(0)}, {.dtype = dd_logits.dtype()});
                    const Tensor unit = cross_entropy_backward(saved[0], saved[1], one, smoothing);
                    gradients[1] = sum(dd_logits * unit, {1});
                  }
                  return gradients;
                });
}

Tensor reduce_losses(const Tensor& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::Mean: return mean(losses);
    case Reduction::Sum: return sum(losses);
    default: return losses;
  }
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& target, CrossEntropyOptions options) {
  const cpu::RowGeometry geometry = check_cross_entropy(logits, target, options);
  const double smoothing = options.label_smoothing;
  Tensor losses = Tensor::empty({geometry.rows}, {.dtype = logits.dtype()});
  cpu::cross_entropy(logits.dtype(), geometry, detail::raw_contiguous(logits).raw_data(),
                     detail::raw_contiguous(target).data<std::int64_t>(), smoothing, losses.raw_data());
  losses = record("cross_entropy", losses, {logits}, {logits, target},
                  [smoothing](const Saved& saved, const Tensor& d_losses) {
                    return cross_entropy_backward(saved[0], saved[1], d_losses, smoothing);
                  });
  return reduce_losses(losses, options.reduction);
}

}  // namespace coppice
