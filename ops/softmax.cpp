#include <coppice/ops/softmax.h>

#include <coppice/autograd/record.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/cpu/softmax.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>

namespace coppice {
namespace {

/// The dimension, wrapped.
int check_softmax(const char* op, const Tensor& input, int dim) {
  const TensorImpl& impl = detail::require_strided(input, op);
  COPPICE_CHECK(impl.dtype == kFloat32 || impl.dtype == kFloat64, "[", op, "] expects float32 or float64; got ",
                impl.dtype, " ", impl.shape, "; cast with to(kFloat32)");
  COPPICE_CHECK(impl.device.is_cpu(), "[", op, "] has no kernel for ", impl.device, "; got ", impl.shape,
                "; copy with to(kCpu)");
  return normalize_dim(dim, impl.shape.rank(), op);
}

/// The result of kernel(dtype, geometry, result) on the rows along the last dimension of tensors like `like`.
template <class Kernel>
Tensor along_rows(const Tensor& like, Kernel kernel) {
  Tensor output = Tensor::empty(like.shape(), {.dtype = like.dtype()});
  if (like.numel() == 0) return output;
  const std::int64_t columns = like.dim() == 0 ? 1 : like.size(-1);
  kernel(like.dtype(), cpu::RowGeometry{like.numel() / columns, columns}, output.raw_data());
  return output;
}

using Backward = void (*)(DType, cpu::RowGeometry, const void*, const void*, void*);

Tensor run_backward(Backward kernel, const Tensor& d_output, const Tensor& output) {
  const Tensor d = detail::raw_contiguous(d_output), y = detail::raw_contiguous(output);
  return along_rows(y, [&](DType dtype, cpu::RowGeometry geometry, void* to) {
    kernel(dtype, geometry, d.raw_data(), y.raw_data(), to);
  });
}

/// y · d − y · Σ y · d: linear in d, with itself as its transpose.
Tensor softmax_backward(const Tensor& d_output, const Tensor& output) {
  return record("softmax_backward", run_backward(cpu::softmax_backward, d_output, output), {d_output, output},
                {d_output, output}, [](const Saved& saved, const Tensor& g) {
                  const Tensor d = saved[0], y = saved[1];
                  Gradients result(2);
                  if (saved.needs(0)) result[0] = softmax_backward(g, y);
                  if (saved.needs(1)) {
                    result[1] = g * (d - sum(y * d, {-1}, true)) - d * sum(g * y, {-1}, true);
                  }
                  return result;
                });
}

/// d − e^y · Σ d
Tensor log_softmax_backward(const Tensor& d_output, const Tensor& output) {
  return record("log_softmax_backward", run_backward(cpu::log_softmax_backward, d_output, output), {d_output, output},
                {d_output, output}, [](const Saved& saved, const Tensor& g) {
                  const Tensor d = saved[0], share = exp(saved[1]);
                  Gradients result(2);
                  if (saved.needs(0)) result[0] = g - sum(g * share, {-1}, true);
                  if (saved.needs(1)) result[1] = -(g * share * sum(d, {-1}, true));
                  return result;
                });
}

}  // namespace

Tensor softmax(const Tensor& input, int dim) {
  const int along = check_softmax("softmax", input, dim);
  if (input.dim() > 0 && along != input.dim() - 1) return softmax(input.transpose(along, -1)).transpose(along, -1);
  const Tensor x = detail::raw_contiguous(input);
  Tensor output = along_rows(
      x, [&](DType dtype, cpu::RowGeometry geometry, void* to) { cpu::softmax(dtype, geometry, x.raw_data(), to); });
  return record("softmax", output, {input}, {output},
                [](const Saved& saved, const Tensor& d_output) { return softmax_backward(d_output, saved[0]); });
}

Tensor log_softmax(const Tensor& input, int dim) {
  const int along = check_softmax("log_softmax", input, dim);
  if (input.dim() > 0 && along != input.dim() - 1) return log_softmax(input.transpose(along, -1)).transpose(along, -1);
  const Tensor x = detail::raw_contiguous(input);
  Tensor output = along_rows(x, [&](DType dtype, cpu::RowGeometry geometry, void* to) {
    cpu::log_softmax(dtype, geometry, x.raw_data(), to);
  });
  return record("log_softmax", output, {input}, {output},
                [](const Saved& saved, const Tensor& d_output) { return log_softmax_backward(d_output, saved[0]); });
}

}  // namespace coppice
