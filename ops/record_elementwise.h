#pragma once

#include <initializer_list>

#include <coppice/autograd/record.h>
#include <coppice/ops/reduce.h>

// Recording elementwise ops.

namespace coppice::detail {

inline bool recording(const Tensor& input) { return needs_record({input}); }
inline bool recording(const Tensor& a, const Tensor& b) { return needs_record({a, b}); }

/// What broadcasting and promotion changed, so that a gradient can be brought back.
struct Origin {
  explicit Origin(const Tensor& operand) : shape(operand.shape()), dtype(operand.dtype()) {}
  Tensor restore(const Tensor& gradient) const { return sum_to_shape(gradient, shape).to(dtype); }

  Shape shape;
  DType dtype;
};

/// Records an op on `input` and a constant, or of `input` alone, whose gradient is backward(saved, d_output).
template <class Backward>
Tensor record_unary(const char* op, const Tensor& output, const Tensor& input, std::initializer_list<TensorRef> saves,
                    Backward backward) {
  return record(op, output, {input}, saves,
                [backward, dtype = input.dtype()](const Saved& saved, const Tensor& d_output) {
                  return backward(saved, d_output).to(dtype);
                });
}

/// Records an op on two tensors; d_a and d_b give the gradients over the output's shape.
template <class BackwardA, class BackwardB>
Tensor record_binary(const char* op, const Tensor& output, const Tensor& a, const Tensor& b,
                     std::initializer_list<TensorRef> saves, BackwardA d_a, BackwardB d_b) {
  if (a.dtype() == b.dtype() && a.shape() == b.shape()) {  // nothing to restore: a small node
    return record(op, output, {a, b}, saves, [d_a, d_b](const Saved& saved, const Tensor& d_output) {
      Gradients gradients(2);
      if (saved.needs(0)) gradients[0] = d_a(saved, d_output);
      if (saved.needs(1)) gradients[1] = d_b(saved, d_output);
      return gradients;
    });
  }
  return record(op, output, {a, b}, saves,
                [d_a, d_b, of_a = Origin(a), of_b = Origin(b)](const Saved& saved, const Tensor& d_output) {
                  Gradients gradients(2);
                  if (saved.needs(0)) gradients[0] = of_a.restore(d_a(saved, d_output));
                  if (saved.needs(1)) gradients[1] = of_b.restore(d_b(saved, d_output));
                  return gradients;
                });
}

}  // namespace coppice::detail
