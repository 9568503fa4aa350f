#include <coppice/ops/class_targets.h>

#include <coppice/core/tensor_impl.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>

namespace coppice {

Shape shape_without_classes(const Shape& scores) {
  Shape shape = scores;
  shape.erase(scores.rank() == 1 ? 0 : 1);
  return shape;
}

Tensor rows_of_classes(const Tensor& scores) {
  if (scores.dim() == 2) return scores;
  const Shape shape = shape_without_classes(scores.shape());
  if (scores.dim() == 1) return scores.unsqueeze(0);
  Dims order{0};
  for (int i = 2; i < scores.dim(); ++i) order.push_back(i);
  order.push_back(1);
  return scores.permute(order).reshape({shape.numel(), scores.size(1)});
}

ClassTargets check_class_targets(const char* op, const Tensor& scores, const Tensor& target, const Tensor& weight,
                                 std::int64_t ignore_index) {
  const Shape& x = scores.shape();
  const Shape& t = target.shape();
  COPPICE_CHECK(target.dtype() == kInt64, "[", op, "] expects an int64 target; got ", target.dtype(), " ", t,
                "; cast with to(kInt64)");
  COPPICE_CHECK(target.device().is_cpu(), "[", op, "] has no kernel for ", target.device(), "; copy with to(kCpu)");
  const std::int64_t classes = x[x.rank() == 1 ? 0 : 1];
  COPPICE_CHECK(!weight.defined() || (weight.shape() == Shape{classes} && weight.dtype() == scores.dtype()), "[", op,
                "] expects a class weight ", scores.dtype(), " (", classes, "); got ",
                weight.defined() ? weight.dtype() : scores.dtype(), " ", weight.defined() ? weight.shape() : Shape{},
                " for ", x);
  ClassTargets targets{.index = detail::raw_contiguous(target), .weight = {}, .kept = {}};
  const std::int64_t rows = t.numel();
  const std::int64_t* const label = targets.index.data<std::int64_t>();
  bool ignores = false;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (label[row] == ignore_index) {
      ignores = true;
      continue;
    }
    COPPICE_CHECK(label[row] >= 0 && label[row] < classes, "[", op, "] targets must lie in [0, ", classes, "); got ",
                  label[row], " in row ", row, " of ", t, " for logits ", x);
  }
  if (!ignores && !weight.defined()) return targets;
  const Tensor index = Tensor::empty({rows}, {.dtype = kInt64});
  targets.weight = Tensor::empty({rows}, {.dtype = scores.dtype()});
  targets.kept = Tensor::empty({rows}, {.dtype = kBool});
  const Tensor of_class = weight.defined() ? detail::raw_contiguous(weight) : Tensor();
  dispatch_floating(scores.dtype(), op, [&]<class T>() {
    const T* const class_weight = of_class.defined() ? of_class.data<T>() : nullptr;
    for (std::int64_t row = 0; row < rows; ++row) {
      const bool keep = label[row] != ignore_index;
      const std::int64_t at = keep ? label[row] : 0;
      targets.kept.data<bool>()[row] = keep;
      index.data<std::int64_t>()[row] = at;
      targets.weight.data<T>()[row] = !keep ? T{0} : class_weight != nullptr ? class_weight[at] : T{1};
    }
  });
  targets.index = index;
  return targets;
}

Tensor reduce_class_losses(const Tensor& losses, const ClassTargets& targets, Reduction reduction, const Shape& shape) {
  if (!targets.weight.defined()) {
    return reduction == Reduction::None ? losses.reshape(shape) : detail::reduce_losses(losses, reduction);
  }
  if (reduction == Reduction::None) return losses.reshape(shape);
  const Tensor total = sum(losses);
  return reduction == Reduction::Sum ? total : total / sum(targets.weight);
}

}  // namespace coppice
