// Trains a sparse network on the caller's own memory.

#include <cstdio>
#include <vector>

#include <coppice/coppice.h>

using namespace coppice;

int main() {
  // The program's buffers: points in the plane, and whether they lie within a circle.
  std::vector<float> points;
  std::vector<std::int64_t> inside;
  Generator generator(1);
  for (int i = 0; i < 512; ++i) {
    const float x = 2 * generator.uniform() - 1, y = 2 * generator.uniform() - 1;
    points.insert(points.end(), {x, y});
    inside.push_back(x * x + y * y < 0.5F ? 1 : 0);
  }
  const Tensor input = Tensor::from_blob(points.data(), {512, 2}, kFloat32);
  const Tensor target = Tensor::from_blob(inside.data(), {512}, kInt64);
  if (input.raw_data() != points.data()) return std::puts("the buffer was copied"), 1;

  const auto model = models::mlp({2, 64, 64, 2});
  sparsity::make_sparse(*model, {1.0, 0.125, 1.0}, /*seed=*/1);
  optim::AdamW optimizer(model->parameters(), {.lr = 0.01});
  double loss = 0;
  for (int step = 0; step < 150; ++step) {
    const Tensor value = cross_entropy((*model)(input), target);
    optimizer.zero_grad();
    value.backward();
    optimizer.step();
    loss = value.item<double>();
  }
  const std::int64_t alive = count_nonzero(model->parameter("fc2.weight").to_dense()).item<std::int64_t>();
  std::printf("loss %.3f with %lld of 4096 weights alive\n", loss, static_cast<long long>(alive));
  return loss < 0.25 && alive <= 512 ? 0 : 1;
}
