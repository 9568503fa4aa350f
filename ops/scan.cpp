#include <coppice/ops/scan.h>

#include <coppice/autograd/record.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/cat.h>
#include <coppice/ops/cpu/scan.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce_dims.h>

namespace coppice {
namespace {

using cpu::ScanDirection;

ScanDirection opposite(ScanDirection direction) {
  return direction == ScanDirection::Forward ? ScanDirection::Reverse : ScanDirection::Forward;
}

/// `input` in the dtype it is folded in; `dim` becomes that from the front. Dimensions 0 count as one of size 1.
Tensor check_scan(const char* op, const Tensor& input, int& dim) {
  detail::check_reduce(op, input, {dim});
  const DType dtype = is_floating(input.dtype()) ? input.dtype() : kInt64;
  COPPICE_CHECK(dtype == kFloat32 || dtype == kFloat64 || dtype == kInt64, "[", op, "] has no kernel for ", dtype,
                "; cast with to(kFloat32)");
  dim = normalize_dim(dim, input.dim(), op);
  return input.to(dtype);
}

Tensor run_scan(cpu::ScanOp op, ScanDirection direction, const Tensor& terms, const Tensor& factors, int dim) {
  Tensor output = Tensor::empty(terms.shape(), {.dtype = terms.dtype()});
  const Tensor first = detail::raw_contiguous(terms);
  const Tensor second = factors.defined() ? detail::raw_contiguous(factors) : first;
  cpu::scan(op, direction, terms.dtype(), detail::geometry_along(terms.shape(), dim), first.raw_data(),
            second.raw_data(), output.raw_data());
  return output;
}

Tensor sum_from(ScanDirection direction, const Tensor& input, int dim) {
  return record(
      "cumsum", run_scan(cpu::ScanOp::Sum, direction, input, Tensor(), dim), {input}, {},
      [direction, dim](const Saved&, const Tensor& d_output) { return sum_from(opposite(direction), d_output, dim); });
}

/// Elements moved by one towards the end, `value` entering at the front.
Tensor moved(const Tensor& input, double value, int dim) {
  Dims first = input.shape();
  first[dim] = 1;
  return cat(
      {Tensor::full(Shape(first), value, {.dtype = input.dtype()}), input.narrow(dim, 0, input.shape()[dim] - 1)}, dim);
}

/// S_k = terms_k + factors_k · S_{k−1}; in reverse S_k = terms_k + factors_{k+1} · S_{k+1}: each the other's adjoint.
Tensor recurrence(ScanDirection direction, const Tensor& terms, const Tensor& factors, int dim) {
  const Tensor output = run_scan(cpu::ScanOp::Recurrence, direction, terms, factors, dim);
  return record("recurrence", output, {terms, factors}, {factors, output},
                [direction, dim](const Saved& saved, const Tensor& d_output) {
                  const Tensor d_terms = recurrence(opposite(direction), d_output, saved[0], dim);
                  const bool forward = direction == ScanDirection::Forward;
                  Gradients gradients(2);
                  gradients[0] = d_terms;
                  if (saved.needs(1)) {
                    gradients[1] = forward ? d_terms * moved(saved[1], 0.0, dim) : moved(d_terms, 0.0, dim) * saved[1];
                  }
                  return gradients;
                });
}

}  // namespace

Tensor cumsum(const Tensor& input, int dim) {
  const Tensor terms = check_scan("cumsum", input, dim);
  return sum_from(ScanDirection::Forward, terms, dim);
}

Tensor cumprod(const Tensor& input, int dim) {
  const Tensor factors = check_scan("cumprod", input, dim);
  const Tensor output = run_scan(cpu::ScanOp::Product, ScanDirection::Forward, factors, Tensor(), dim);
  if (input.numel() == 0 || input.dim() == 0) {
    return record("cumprod", output, {factors}, {}, [](const Saved&, const Tensor& d_output) { return d_output; });
  }
  return record("cumprod", output, {factors}, {factors, output}, [dim](const Saved& saved, const Tensor& d_output) {
    return moved(saved[1], 1.0, dim) * recurrence(ScanDirection::Reverse, d_output, saved[0], dim);
  });
}

}  // namespace coppice
