#include <coppice/ops/pixel_shuffle.h>

namespace coppice {

namespace {

/// The dimensions before the last three, as one.
std::int64_t leading_size(const Shape& shape) {
  std::int64_t size = 1;
  for (int i = 0; i < shape.rank() - 3; ++i) size *= shape[i];
  return size;
}

Dims with_image(const Shape& shape, std::int64_t channels, std::int64_t height, std::int64_t width) {
  Dims result = shape;
  result[-3] = channels;
  result[-2] = height;
  result[-1] = width;
  return result;
}

}  // namespace

Tensor pixel_shuffle(const Tensor& input, std::int64_t upscale_factor) {
  const std::int64_t r = upscale_factor;
  COPPICE_CHECK(r >= 1 && input.dim() >= 3 && input.size(-3) % (r * r) == 0, "[pixel_shuffle] expects (…, c · ", r,
                "², h, w) and a factor of at least 1; got ", input.shape());
  const Shape& shape = input.shape();
  const std::int64_t n = leading_size(shape), c = shape[-3] / (r * r), h = shape[-2], w = shape[-1];
  return input.reshape({n, c, r, r, h, w}).permute({0, 1, 4, 2, 5, 3}).reshape(with_image(shape, c, h * r, w * r));
}

Tensor pixel_unshuffle(const Tensor& input, std::int64_t downscale_factor) {
  const std::int64_t r = downscale_factor;
  COPPICE_CHECK(r >= 1 && input.dim() >= 3 && input.size(-2) % r == 0 && input.size(-1) % r == 0,
                "[pixel_unshuffle] expects (…, c, h · ", r, ", w · ", r, ") and a factor of at least 1; got ",
                input.shape());
  const Shape& shape = input.shape();
  const std::int64_t n = leading_size(shape), c = shape[-3], h = shape[-2] / r, w = shape[-1] / r;
  return input.reshape({n, c, h, r, w, r}).permute({0, 1, 3, 5, 2, 4}).reshape(with_image(shape, c * r * r, h, w));
}

}  // namespace coppice
