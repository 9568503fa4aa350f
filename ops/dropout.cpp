#include <coppice/ops/dropout.h>

#include <coppice/core/generator.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/rearrange.h>

namespace coppice {
namespace {

void check_dropout(const char* op, const Tensor& input, double p) {
  check_dense_cpu(op, input);
  COPPICE_CHECK(is_floating(input.dtype()), "[", op, "] expects a floating dtype; got ", input.dtype(), " ",
                input.shape(), "; cast with to(kFloat32)");
  COPPICE_CHECK(p >= 0.0 && p <= 1.0, "[", op, "] expects a probability p in [0, 1]; got ", p, " for ", input.shape());
}

/// `input` · 1 / (1 − p) where a word drawn for each place of `drawn`, which broadcasts, says so, else 0.
Tensor drop(const Tensor& input, const Shape& drawn, Generator& generator, double p) {
  const Tensor kept = ge(Tensor::rand(drawn, generator), p);
  return where(kept, input * (p < 1.0 ? 1.0 / (1.0 - p) : 0.0), 0.0);
}

}  // namespace

Tensor dropout(const Tensor& input, Generator& generator, double p, bool training) {
  check_dropout("dropout", input, p);
  if (!training || p == 0.0) return input;
  return drop(input, input.shape(), generator, p);
}

Tensor dropout2d(const Tensor& input, Generator& generator, double p, bool training) {
  check_dropout("dropout2d", input, p);
  COPPICE_CHECK(input.dim() == 4, "[dropout2d] expects (n, c, h, w); got ", input.shape(),
                "; drop single elements with dropout");
  if (!training || p == 0.0) return input;
  return drop(input, {input.size(0), input.size(1), 1, 1}, generator, p);
}

}  // namespace coppice
