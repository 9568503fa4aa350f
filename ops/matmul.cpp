#include <coppice/ops/matmul.h>

#include <algorithm>

#include <coppice/autograd/record.h>
#include <coppice/core/strided_loop.h>
#include <coppice/ops/cpu/gemm.h>
#include <coppice/ops/reduce.h>

namespace coppice {

namespace {

/// Multiplications worth a thread of their own.
constexpr std::int64_t kGrainWork = std::int64_t{1} << 18;

/// The dimensions before the last two.
Shape batch_of(const Shape& shape) { return Shape(shape.span().first(static_cast<std::size_t>(shape.rank() - 2))); }

/// A stack of matrices as gemm takes them.
struct MatrixView {
  Tensor elements;
  cpu::Transpose transpose;
  std::int64_t leading;  ///< elements between rows as they are stored
};

/// Whether rows of `inner` elements that lie `outer` apart, `unit` between elements, are what gemm reads.
bool is_row_major(std::int64_t unit, std::int64_t inner, std::int64_t outer, std::int64_t count) {
  return (inner <= 1 || unit == 1) && (count <= 1 || outer >= std::max<std::int64_t>(1, inner));
}

MatrixView view_matrices(const Tensor& tensor) {
  if (detail::is_blocked(tensor)) return view_matrices(detail::raw_contiguous(tensor));
  const std::int64_t rows = tensor.size(-2), columns = tensor.size(-1);
  const std::int64_t row_step = tensor.strides()[-2], column_step = tensor.strides()[-1];
  if (is_row_major(column_step, columns, row_step, rows)) return {tensor, cpu::Transpose::No, row_step};
  if (is_row_major(row_step, rows, column_step, columns)) return {tensor, cpu::Transpose::Yes, column_step};
  return {detail::raw_contiguous(tensor), cpu::Transpose::No, columns};
}

/// Strides of the batch dimensions, 0 where they are broadcast.
Strides batch_strides(const Tensor& tensor, const Shape& batch) {
  Strides strides;
  const int added = batch.rank() + 2 - tensor.dim();
  for (int i = 0; i < batch.rank(); ++i) {
    strides.push_back(i < added || tensor.size(i - added) == 1 ? 0 : tensor.strides()[i - added]);
  }
  return strides;
}

Tensor raw_matmul(const Tensor& a, const Tensor& b, const Shape& shape) {
  const Tensor output = Tensor::empty(shape, {.dtype = a.dtype()});
  const std::int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  const MatrixView left = view_matrices(a), right = view_matrices(b);
  const Shape batch = batch_of(shape);
  dispatch_floating(a.dtype(), "matmul", [&]<class T>() {
    const auto multiply = [&](std::int64_t a_offset, std::int64_t b_offset, std::int64_t c_offset) {
      cpu::gemm(left.transpose, right.transpose, m, n, k, left.elements.data<T>() + a_offset, left.leading,
                right.elements.data<T>() + b_offset, right.leading, false, output.data<T>() + c_offset, n);
    };
    if (batch.numel() == 1) return multiply(0, 0, 0);  // one product: the threads share it
    const Strides a_strides = batch_strides(left.elements, batch);
    const Strides b_strides = batch_strides(right.elements, batch);
    const Strides c_strides = batch_strides(output, batch);
    const std::int64_t grain = kGrainWork / std::max<std::int64_t>(1, m * n * k) + 1;
    strided_loop<3>(
        batch, {&a_strides, &b_strides, &c_strides},
        [&](const auto& offsets, const auto& steps, std::int64_t count) {
          for (std::int64_t i = 0; i < count; ++i) {
            multiply(offsets[0] + i * steps[0], offsets[1] + i * steps[1], offsets[2] + i * steps[2]);
          }
        },
        grain);
  });
  return output;
}

/// The product of two stacks of matrices.
Tensor multiply_stacks(const Tensor& a, const Tensor& b) {
  Shape shape = broadcast_shapes(batch_of(a.shape()), batch_of(b.shape()), "matmul");
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-1));
  const Tensor none;
  return record("matmul", raw_matmul(a, b, shape), {a, b},
                {detail::has_grad(b) ? a : none, detail::has_grad(a) ? b : none},
                [a_shape = a.shape(), b_shape = b.shape()](const Saved& saved, const Tensor& d_output) {
                  Gradients result(2);
                  if (saved.needs(0)) {
                    result[0] = sum_to_shape(multiply_stacks(d_output, saved[1].transpose(-2, -1)), a_shape);
                  }
                  if (saved.needs(1)) {
                    result[1] = sum_to_shape(multiply_stacks(saved[0].transpose(-2, -1), d_output), b_shape);
                  }
                  return result;
                });
}

}  // namespace

Shape check_matmul(const Tensor& a, const Tensor& b) {
  const Shape& left = a.shape();
  const Shape& right = b.shape();
  COPPICE_CHECK(a.layout() == Layout::Strided && b.layout() == Layout::Strided, "[matmul] expects dense tensors; got ",
                a.layout(), " ", left, " and ", b.layout(), " ", right, "; use linear, or to_dense()");
  COPPICE_CHECK(left.rank() >= 1 && right.rank() >= 1, "[matmul] expects vectors or matrices; got ", left, " and ",
                right, "; multiply by a scalar with mul");
  COPPICE_CHECK(a.dtype() == b.dtype() && is_floating(a.dtype()), "[matmul] expects one floating dtype; got ",
                a.dtype(), " and ", b.dtype(), "; cast with to(…)");
  const std::int64_t depth = right.rank() == 1 ? right[0] : right[-2];
  COPPICE_CHECK(left.back() == depth, "[matmul] the last dimension of the left operand, ", left.back(), ", must equal ",
                right.rank() == 1 ? "the length" : "the rows", " of the right, ", depth, ": ", left, " and ", right);
  Shape shape = broadcast_shapes(left.rank() > 2 ? batch_of(left) : Shape{},
                                 right.rank() > 2 ? batch_of(right) : Shape{}, "matmul");
  if (left.rank() > 1) shape.push_back(left[-2]);
  if (right.rank() > 1) shape.push_back(right[-1]);
  return shape;
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  const Shape shape = check_matmul(a, b);
  if (a.dim() >= 2 && b.dim() >= 2) {
    if (a.dim() == 2 || b.dim() > 2) return multiply_stacks(a, b);
    // A stack times one matrix is one product with more rows.
    const std::int64_t rows = batch_of(a.shape()).numel() * a.size(-2);
    return multiply_stacks(a.reshape({rows, a.size(-1)}), b).reshape(shape);
  }
  const Tensor left = a.dim() == 1 ? a.unsqueeze(0) : a;
  const Tensor right = b.dim() == 1 ? b.unsqueeze(1) : b;
  return matmul(left, right).reshape(shape);
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  COPPICE_CHECK(a.dim() == 3 && b.dim() == 3 && a.size(0) == b.size(0),
                "[bmm] expects two stacks of as many matrices; got ", a.shape(), " and ", b.shape(),
                "; matmul broadcasts");
  return matmul(a, b);
}

}  // namespace coppice
