#include <coppice/ops/cross_entropy.h>

#include <coppice/autograd/record.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/class_targets.h>
#include <coppice/ops/cpu/softmax.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/softmax.h>

namespace coppice {
namespace {

void check_scores(const char* op, const Tensor& scores) {
  const TensorImpl& x = detail::require_strided(scores, op);
  COPPICE_CHECK(x.dtype == kFloat32 || x.dtype == kFloat64, "[", op, "] expects float32 or float64 logits; got ",
                x.dtype, " ", x.shape, "; cast with to(kFloat32)");
  COPPICE_CHECK(x.shape.rank() >= 1, "[", op, "] expects logits (n, c), (n, c, d1 …) or (c); got a scalar");
  COPPICE_CHECK(x.device.is_cpu(), "[", op, "] has no kernel for ", x.device, "; copy with to(kCpu)");
}

void check_target_shape(const char* op, const Tensor& scores, const Tensor& target) {
  const Shape wanted = shape_without_classes(scores.shape());
  COPPICE_CHECK(detail::require_strided(target, op).shape == wanted, "[", op,
                "] expects a target of classes of the shape ", wanted, "; got logits ", scores.shape(), ", target ",
                target.shape());
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

/// The losses of rows by one kernel.
Tensor row_losses(const Tensor& logits, const Tensor& target, double smoothing) {
  const cpu::RowGeometry geometry{logits.size(0), logits.size(1)};
  const Tensor losses = Tensor::empty({geometry.rows}, {.dtype = logits.dtype()});
  cpu::cross_entropy(logits.dtype(), geometry, detail::raw_contiguous(logits).raw_data(), target.data<std::int64_t>(),
                     smoothing, losses.raw_data());
  return record("cross_entropy", losses, {logits}, {logits, target},
                [smoothing](const Saved& saved, const Tensor& d_losses) {
                  return cross_entropy_backward(saved[0], saved[1], d_losses, smoothing);
                });
}

/// −Σ target · weight · log softmax(logits) of each row.
Tensor expected_losses(const Tensor& logits, const Tensor& target, const Tensor& weight) {
  const Tensor weighted = weight.defined() ? target * weight.detach() : target;
  return -sum(weighted * log_softmax(logits, -1), {-1});
}

Tensor cross_entropy_of_probabilities(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  COPPICE_CHECK(target.dtype() == logits.dtype(), "[cross_entropy] expects probabilities of the logits' dtype; got ",
                target.dtype(), " ", target.shape(), " for ", logits.dtype(), " ", logits.shape());
  const auto classes = static_cast<double>(logits.size(logits.dim() == 1 ? 0 : 1));
  const double smoothing = options.label_smoothing;
  COPPICE_CHECK(!options.weight.defined() || options.weight.numel() == static_cast<std::int64_t>(classes),
                "[cross_entropy] expects a class weight (", static_cast<std::int64_t>(classes), "); got ",
                options.weight.shape(), " for ", logits.shape());
  Tensor probability = rows_of_classes(target);
  if (smoothing > 0.0) probability = probability * (1.0 - smoothing) + smoothing / classes;
  const Tensor losses = expected_losses(rows_of_classes(logits), probability, options.weight);
  if (options.reduction == Reduction::None) return losses.reshape(shape_without_classes(logits.shape()));
  return detail::reduce_losses(losses, options.reduction);
}

/// The losses of rows, weighted, the ignored being 0.
Tensor weighted_losses(const Tensor& rows, const ClassTargets& targets, const CrossEntropyOptions& options) {
  const double smoothing = options.label_smoothing;
  if (!targets.weight.defined()) return row_losses(rows, targets.index, smoothing);
  if (!options.weight.defined() || smoothing == 0.0) {
    return where(targets.kept, row_losses(rows, targets.index, smoothing) * targets.weight, 0.0);
  }
  // Of a smoothed target every class has its own weight, the ignored rows none.
  const Tensor even = Tensor::full({rows.size(1)}, 1.0 / static_cast<double>(rows.size(1)), {.dtype = rows.dtype()});
  const Tensor spread = expected_losses(rows, even, options.weight);
  const Tensor hit = row_losses(rows, targets.index, 0.0) * targets.weight;
  return where(targets.kept, hit * (1.0 - smoothing) + spread * smoothing, 0.0);
}

Tensor put_classes(const Tensor& values, const Tensor& index, std::int64_t classes);

/// rows[r][index[r]]
Tensor pick_classes(const Tensor& rows, const Tensor& index) {
  const Tensor source = detail::raw_contiguous(rows);
  const Tensor output = Tensor::empty({rows.size(0)}, {.dtype = rows.dtype()});
  const std::int64_t classes = rows.size(1);
  dispatch_floating(rows.dtype(), "nll_loss", [&]<class T>() {
    for (std::int64_t r = 0; r < output.numel(); ++r) {
      output.data<T>()[r] = source.data<T>()[r * classes + index.data<std::int64_t>()[r]];
    }
  });
  return record("nll_loss", output, {rows}, {index}, [classes](const Saved& saved, const Tensor& d_output) {
    return put_classes(d_output, saved[0], classes);
  });
}

/// Zeros (rows, classes) with values[r] at index[r]: the gradient of pick_classes.
Tensor put_classes(const Tensor& values, const Tensor& index, std::int64_t classes) {
  const Tensor source = detail::raw_contiguous(values);
  const Tensor output = Tensor::zeros({values.numel(), classes}, {.dtype = values.dtype()});
  dispatch_floating(values.dtype(), "nll_loss", [&]<class T>() {
    for (std::int64_t r = 0; r < values.numel(); ++r) {
      output.data<T>()[r * classes + index.data<std::int64_t>()[r]] = source.data<T>()[r];
    }
  });
  return record("nll_loss_backward", output, {values}, {index},
                [](const Saved& saved, const Tensor& d_output) { return pick_classes(d_output, saved[0]); });
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  check_scores("cross_entropy", logits);
  COPPICE_CHECK(options.label_smoothing >= 0.0 && options.label_smoothing <= 1.0,
                "[cross_entropy] label_smoothing must lie in [0, 1]; got ", options.label_smoothing);
  if (is_floating(target.dtype()) && target.shape() == logits.shape()) {
    return cross_entropy_of_probabilities(logits, target, options);
  }
  check_target_shape("cross_entropy", logits, target);
  const ClassTargets targets =
      check_class_targets("cross_entropy", logits, target, options.weight, options.ignore_index);
  const Tensor losses = weighted_losses(rows_of_classes(logits), targets, options);
  return reduce_class_losses(losses, targets, options.reduction, target.shape());
}

Tensor nll_loss(const Tensor& input, const Tensor& target, const NllLossOptions& options) {
  check_scores("nll_loss", input);
  check_target_shape("nll_loss", input, target);
  const ClassTargets targets = check_class_targets("nll_loss", input, target, options.weight, options.ignore_index);
  Tensor losses = -pick_classes(rows_of_classes(input), targets.index);
  if (targets.weight.defined()) losses = where(targets.kept, losses * targets.weight, 0.0);
  return reduce_class_losses(losses, targets, options.reduction, target.shape());
}

}  // namespace coppice
