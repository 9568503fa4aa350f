#include <coppice/ops/regions.h>

namespace coppice {

void check_regions(const char* op, const Tensor& input, const Tensor& boxes, std::array<std::int64_t, 2> output_size) {
  COPPICE_CHECK(input.dim() == 4 && boxes.dim() == 2 && boxes.size(1) == 5, "[", op,
                "] expects features (n, c, h, w) and boxes (k, 5), rows (image, x1, y1, x2, y2); got ", input.shape(),
                " and ", boxes.shape());
  COPPICE_CHECK(input.dtype() == boxes.dtype() && (input.dtype() == kFloat32 || input.dtype() == kFloat64), "[", op,
                "] expects float32 or float64, both of one dtype; got ", input.dtype(), " and ", boxes.dtype());
  COPPICE_CHECK(output_size[0] >= 1 && output_size[1] >= 1, "[", op, "] expects an output of at least 1 × 1; got (",
                output_size[0], ", ", output_size[1], ")");
  const std::vector<double> values = boxes.to_vector<double>();
  for (std::size_t i = 0; i < values.size(); i += 5) {
    COPPICE_CHECK(values[i] >= 0.0 && values[i] < static_cast<double>(input.size(0)), "[", op, "] expects boxes in ",
                  input.size(0), " images; got image ", values[i], " in row ", i / 5);
  }
}

Tensor pool_regions(const char* op, const Tensor& input, const RegionPlan& plan) {
  const Tensor x = detail::raw_contiguous(input);
  const Tensor output = Tensor::empty(
      {static_cast<std::int64_t>(plan.regions.size()), x.size(1), plan.output_size[0], plan.output_size[1]},
      {.dtype = x.dtype()});
  dispatch_floating(x.dtype(), op,
                    [&]<class T>() { cpu::pool_regions(x.size(1), plan.regions, x.data<T>(), output.data<T>()); });
  return output;
}

Tensor spread_regions(const char* op, const Tensor& d_output, const RegionPlan& plan) {
  const Tensor dy = detail::raw_contiguous(d_output);
  const Tensor d_input = Tensor::empty(plan.images, {.dtype = dy.dtype()});
  dispatch_floating(dy.dtype(), op, [&]<class T>() {
    cpu::spread_regions(plan.images[0], plan.images[1], plan.images[2], plan.images[3], plan.regions, dy.data<T>(),
                        d_input.data<T>());
  });
  return d_input;
}

}  // namespace coppice
