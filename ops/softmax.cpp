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

using Kernel = void (*)(DType, cpu::RowGeometry, const void*, void*);

/// Runs a row kernel along the last dimension of `input`.
Tensor along_rows(Kernel kernel, const Tensor& input) {
  const Tensor source = detail::raw_contiguous(input);
  Tensor output = Tensor::empty(input.shape(), {.dtype = input.dtype()});
  if (input.numel() == 0) return output;
  const std::int64_t columns = input.dim() == 0 ? 1 : input.size(-1);
  kernel(input.dtype(), {input.numel() / columns, columns}, source.raw_data(), output.raw_data());
  return output;
}

}  // namespace

Tensor softmax(const Tensor& input, int dim) {
  const int along = check_softmax("softmax", input, dim);
  if (input.dim() > 0 && along != input.dim() - 1) return softmax(input.transpose(along, -1)).transpose(along, -1);
  Tensor output = along_rows(cpu::softmax, input);
  return record("softmax", output, {input}, {output}, [](const Saved& saved, const Tensor& d_output) {
    const Tensor output_value = saved[0];
    const Tensor weighted = d_output * output_value;
    return weighted - output_value * sum(weighted, {-1}, true);
  });
}

Tensor log_softmax(const Tensor& input, int dim) {
  const int along = check_softmax("log_softmax", input, dim);
  if (input.dim() > 0 && along != input.dim() - 1) return log_softmax(input.transpose(along, -1)).transpose(along, -1);
  Tensor output = along_rows(cpu::log_softmax, input);
  return record("log_softmax", output, {input}, {output}, [](const Saved& saved, const Tensor& d_output) {
    return d_output - exp(saved[0]) * sum(d_output, {-1}, true);
  });
}

}  // namespace coppice
