#include <coppice/ops/similarity.h>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/norm.h>
#include <coppice/ops/reduce.h>

namespace coppice {

Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, int dim, double eps) {
  COPPICE_CHECK(x1.dtype() == x2.dtype() && is_floating(x1.dtype()),
                "[cosine_similarity] expects one floating dtype; got ", x1.dtype(), " ", x1.shape(), " and ",
                x2.dtype(), " ", x2.shape(), "; cast with to(…)");
  const Shape shape = broadcast_shapes(x1.shape(), x2.shape(), "cosine_similarity");
  COPPICE_CHECK(dim >= -shape.rank() && dim < shape.rank(), "[cosine_similarity] expects a dimension of ", shape,
                "; got ", dim, " for ", x1.shape(), " and ", x2.shape());
  COPPICE_CHECK(eps >= 0.0, "[cosine_similarity] expects eps >= 0; got ", eps);
  const Tensor a = x1.expand(shape), b = x2.expand(shape);
  return sum(a * b, {dim}) / (clamp(norm(a, 2.0, {dim}), eps) * clamp(norm(b, 2.0, {dim}), eps));
}

Tensor normalize(const Tensor& input, double p, int dim, double eps) {
  COPPICE_CHECK(is_floating(input.dtype()), "[normalize] expects a floating dtype; got ", input.dtype(), " ",
                input.shape(), "; cast with to(kFloat32)");
  COPPICE_CHECK(dim >= -input.dim() && dim < input.dim(), "[normalize] expects a dimension of ", input.shape(),
                "; got ", dim);
  COPPICE_CHECK(eps >= 0.0, "[normalize] expects eps >= 0; got ", eps);
  return input / clamp(norm(input, p, {dim}, true), eps);
}

}  // namespace coppice
