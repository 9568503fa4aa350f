#include <coppice/ops/pyramid_pool.h>

#include <coppice/autograd/function.h>
#include <coppice/ops/cpu/pyramid_pool.h>

namespace coppice {

namespace {

struct PyramidPlan {
  Shape shape;
  DType dtype;
  std::vector<std::int64_t> sizes;

  std::int64_t planes() const { return shape[0] * shape[1]; }
  cpu::PyramidAxis rows() const { return {shape[2], sizes}; }
  cpu::PyramidAxis columns() const { return {shape[3], sizes}; }
};

struct Pool {
  PyramidPlan plan;

  std::vector<Tensor> forward(FunctionContext&, const std::vector<Tensor>& inputs) {
    const Tensor x = detail::raw_contiguous(inputs[0]);
    std::vector<Tensor> outputs;
    for (const std::int64_t size : plan.sizes) {
      outputs.push_back(Tensor::empty({plan.shape[0], plan.shape[1], size, size}, {.dtype = plan.dtype}));
    }
    dispatch_floating(plan.dtype, "pyramid_pool", [&]<class T>() {
      std::vector<T*> elements;
      for (const Tensor& output : outputs) elements.push_back(output.data<T>());
      cpu::pyramid_pool(plan.planes(), plan.rows(), plan.columns(), x.data<T>(), elements.data());
    });
    return outputs;
  }
  std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& d_outputs);
};

/// The transpose of Pool.
struct Spread {
  PyramidPlan plan;

  std::vector<Tensor> forward(FunctionContext&, const std::vector<Tensor>& inputs) {
    const Tensor image = Tensor::empty(plan.shape, {.dtype = plan.dtype});
    dispatch_floating(plan.dtype, "pyramid_pool", [&]<class T>() {
      std::vector<Tensor> dense;
      std::vector<const T*> elements;
      for (const Tensor& input : inputs) dense.push_back(detail::raw_contiguous(input));
      for (const Tensor& input : dense) elements.push_back(input.data<T>());
      cpu::pyramid_pool_gradient(plan.planes(), plan.rows(), plan.columns(), elements.data(), image.data<T>());
    });
    return {image};
  }
  std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& d_outputs) {
    return apply_function(Pool{plan}, d_outputs);
  }
};

std::vector<Tensor> Pool::backward(FunctionContext&, const std::vector<Tensor>& d_outputs) {
  std::vector<Tensor> gradients = d_outputs;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].defined()) continue;
    gradients[i] = Tensor::zeros({plan.shape[0], plan.shape[1], plan.sizes[i], plan.sizes[i]}, {.dtype = plan.dtype});
  }
  return apply_function(Spread{plan}, gradients);
}

}  // namespace

std::vector<Tensor> pyramid_pool(const Tensor& input, const std::vector<std::int64_t>& sizes) {
  COPPICE_CHECK(input.dim() == 4 && input.size(2) >= 1 && input.size(3) >= 1 &&
                    (input.dtype() == kFloat32 || input.dtype() == kFloat64),
                "[pyramid_pool] expects a floating input (n, c, h, w) of at least one pixel; got ", input.dtype(), " ",
                input.shape());
  for (const std::int64_t size : sizes) {
    COPPICE_CHECK(size >= 1, "[pyramid_pool] expects sizes of at least 1; got ", size);
  }
  if (sizes.empty()) return {};
  return apply_function(Pool{{.shape = input.shape(), .dtype = input.dtype(), .sizes = sizes}}, {input});
}

}  // namespace coppice
