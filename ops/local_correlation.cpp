#include <coppice/ops/local_correlation.h>

#include <coppice/autograd/record.h>
#include <coppice/ops/cpu/local_correlation.h>

namespace coppice {

namespace {

using cpu::LocalGeometry;
using cpu::Towards;

Tensor costs(const Tensor& a, const Tensor& b, const LocalGeometry& geometry);

/// Σ over displacements of costs · other: by `a` the pixels of `b` they lead to, by `b` those of `a` they come from.
Tensor weighted(const Tensor& cost, const Tensor& other, const LocalGeometry& geometry, Towards towards) {
  const Tensor weights = detail::raw_contiguous(cost), image = detail::raw_contiguous(other);
  const Tensor output = Tensor::empty(image.shape(), {.dtype = image.dtype()});
  dispatch_floating(image.dtype(), "local_correlation", [&]<class T>() {
    cpu::local_weighted(geometry, towards, weights.data<T>(), image.data<T>(), output.data<T>());
  });
  return record("local_correlation", output, {cost, other}, {cost, other},
                [geometry, towards](const Saved& saved, const Tensor& g) {
                  const bool forth = towards == Towards::Second;
                  Gradients gradients(2);
                  if (saved.needs(0))
                    gradients[0] = forth ? costs(g, saved[1], geometry) : costs(saved[1], g, geometry);
                  if (saved.needs(1)) {
                    gradients[1] = weighted(saved[0], g, geometry, forth ? Towards::First : Towards::Second);
                  }
                  return gradients;
                });
}

Tensor costs(const Tensor& a, const Tensor& b, const LocalGeometry& geometry) {
  const Tensor first = detail::raw_contiguous(a), second = detail::raw_contiguous(b);
  const Tensor output = Tensor::empty({geometry.batch, geometry.displacements(), geometry.height, geometry.width},
                                      {.dtype = first.dtype()});
  dispatch_floating(first.dtype(), "local_correlation", [&]<class T>() {
    cpu::local_costs(geometry, first.data<T>(), second.data<T>(), output.data<T>());
  });
  return record("local_correlation", output, {a, b}, {a, b}, [geometry](const Saved& saved, const Tensor& d_output) {
    Gradients gradients(2);
    if (saved.needs(0)) gradients[0] = weighted(d_output, saved[1], geometry, Towards::Second);
    if (saved.needs(1)) gradients[1] = weighted(d_output, saved[0], geometry, Towards::First);
    return gradients;
  });
}

}  // namespace

Tensor local_correlation(const Tensor& a, const Tensor& b, LocalCorrelationOptions options) {
  COPPICE_CHECK(a.dim() == 4 && a.shape() == b.shape() && a.size(1) >= 1,
                "[local_correlation] expects two feature maps of one shape (n, c, h, w); got ", a.shape(), " and ",
                b.shape());
  COPPICE_CHECK(a.dtype() == b.dtype() && (a.dtype() == kFloat32 || a.dtype() == kFloat64),
                "[local_correlation] expects float32 or float64, both of one dtype; got ", a.dtype(), " and ",
                b.dtype());
  COPPICE_CHECK(options.step >= 1 && options.max_displacement >= 0,
                "[local_correlation] expects a step of at least 1 and a displacement of at least 0; got ", options.step,
                " and ", options.max_displacement);
  return costs(a, b,
               {.batch = a.size(0),
                .channels = a.size(1),
                .height = a.size(2),
                .width = a.size(3),
                .reach = options.max_displacement / options.step,
                .step = options.step});
}

}  // namespace coppice
