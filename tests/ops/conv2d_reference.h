#pragma once

#include <vector>

#include <coppice/core/generator.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/conv2d.h>

namespace coppice::testing {

inline Tensor integers(const Shape& shape, DType dtype, Generator& generator) {
  return Tensor::randint(-3, 4, shape, generator, {.dtype = dtype});
}

struct ConvResults {
  Tensor output, d_input, d_weight, d_bias;
};

/// Output and gradients by the definition: every product of an input and a weight, one by one.
inline ConvResults naive(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& d_output,
                         const Conv2dOptions& o) {
  const Shape y = d_output.shape();
  const std::vector<double> x = input.to_vector<double>(), w = weight.to_vector<double>();
  const std::vector<double> b = bias.to_vector<double>(), dy = d_output.to_vector<double>();
  std::vector<double> out(dy.size()), dx(x.size()), dw(w.size()), db(b.size());
  const std::int64_t per_group = weight.size(1), outputs_per_group = weight.size(0) / o.groups;
  std::size_t at = 0;
  for (std::int64_t n = 0; n < y[0]; ++n)
    for (std::int64_t m = 0; m < y[1]; ++m)
      for (std::int64_t oy = 0; oy < y[2]; ++oy)
        for (std::int64_t ox = 0; ox < y[3]; ++ox, ++at) {
          out[at] = b[static_cast<std::size_t>(m)];
          db[static_cast<std::size_t>(m)] += dy[at];
          for (std::int64_t c = 0; c < per_group; ++c)
            for (std::int64_t ky = 0; ky < weight.size(2); ++ky)
              for (std::int64_t kx = 0; kx < weight.size(3); ++kx) {
                const std::int64_t iy = oy * o.stride[0] + ky * o.dilation[0] - o.padding[0];
                const std::int64_t ix = ox * o.stride[1] + kx * o.dilation[1] - o.padding[1];
                if (iy < 0 || iy >= input.size(2) || ix < 0 || ix >= input.size(3)) continue;
                const std::int64_t channel = m / outputs_per_group * per_group + c;
                const auto i =
                    static_cast<std::size_t>(((n * input.size(1) + channel) * input.size(2) + iy) * input.size(3) + ix);
                const auto k =
                    static_cast<std::size_t>(((m * per_group + c) * weight.size(2) + ky) * weight.size(3) + kx);
                out[at] += x[i] * w[k];
                dx[i] += dy[at] * w[k];
                dw[k] += dy[at] * x[i];
              }
        }
  const auto tensor = [&](const std::vector<double>& values, const Shape& shape) {
    return detail::raw_cast(Tensor::of(values, shape), input.dtype());
  };
  return {tensor(out, y), tensor(dx, input.shape()), tensor(dw, weight.shape()), tensor(db, bias.shape())};
}

}  // namespace coppice::testing
