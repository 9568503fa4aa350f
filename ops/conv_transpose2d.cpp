#include <coppice/ops/conv_transpose2d.h>

#include <coppice/ops/conv2d_gradient.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/rearrange.h>

namespace coppice {

namespace {

/// The output's shape, of operands that fit.
Shape check_conv_transpose2d(const Tensor& input, const Tensor& weight, const Tensor& bias,
                             const ConvTranspose2dOptions& o) {
  const Shape& x = input.shape();
  const Shape& w = weight.shape();
  COPPICE_CHECK(x.rank() == 4 && w.rank() == 4,
                "[conv_transpose2d] expects input (n, c, h, w) and weight (c, m / groups, kh, kw); got ", x, " and ",
                w);
  COPPICE_CHECK(!weight.is_masked(), "[conv_transpose2d] expects a dense weight; got a Masked one; use to_dense()");
  COPPICE_CHECK(o.groups >= 1 && x[1] % o.groups == 0 && w[0] == x[1], "[conv_transpose2d] input has ", x[1],
                " channels but weight expects ", w[0], " (groups=", o.groups, "): input ", x, ", weight ", w);
  COPPICE_CHECK(w[2] >= 1 && w[3] >= 1, "[conv_transpose2d] expects a kernel of at least 1 × 1; got weight ", w);
  COPPICE_CHECK(is_floating(input.dtype()) && input.dtype() == weight.dtype(),
                "[conv_transpose2d] expects input and weight of one floating dtype; got ", input.dtype(), " and ",
                weight.dtype());
  Shape output{x[0], w[1] * o.groups, 0, 0};
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const int d = static_cast<int>(axis) + 2;
    COPPICE_CHECK(
        o.stride[axis] >= 1 && o.dilation[axis] >= 1 && o.padding[axis] >= 0,
        "[conv_transpose2d] expects stride and dilation of at least 1 and padding of at least 0; got stride (",
        o.stride[0], ", ", o.stride[1], "), dilation (", o.dilation[0], ", ", o.dilation[1], "), padding (",
        o.padding[0], ", ", o.padding[1], ")");
    COPPICE_CHECK(o.output_padding[axis] >= 0 && o.output_padding[axis] < o.stride[axis],
                  "[conv_transpose2d] expects an output padding below the stride (", o.stride[0], ", ", o.stride[1],
                  "); got (", o.output_padding[0], ", ", o.output_padding[1], ")");
    output[d] =
        (x[d] - 1) * o.stride[axis] - 2 * o.padding[axis] + o.dilation[axis] * (w[d] - 1) + o.output_padding[axis] + 1;
  }
  COPPICE_CHECK(output[2] > 0 && output[3] > 0, "[conv_transpose2d] the output would be (", output[2], ", ", output[3],
                ") pixels: input ", x, ", weight ", w);
  COPPICE_CHECK(!bias.defined() || (bias.shape() == Shape{output[1]} && bias.dtype() == input.dtype()),
                "[conv_transpose2d] expects a bias (", output[1], ") of ", input.dtype(), "; got ",
                bias.defined() ? bias.dtype() : input.dtype(), " ", bias.defined() ? bias.shape() : Shape{},
                " for weight ", w);
  return output;
}

}  // namespace

Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const Tensor& bias,
                        const ConvTranspose2dOptions& options) {
  check_dense_cpu("conv_transpose2d", input);
  const Shape output_shape = check_conv_transpose2d(input, weight, bias, options);
  const Tensor output = detail::conv2d_data_gradient(
      input, weight, output_shape,
      {.stride = options.stride, .padding = options.padding, .dilation = options.dilation, .groups = options.groups});
  return bias.defined() ? output + bias.reshape({1, output_shape[1], 1, 1}) : output;
}

}  // namespace coppice
