#include <coppice/models/nn/batch_norm.h>

#include <sstream>

#include <coppice/core/tensor_impl.h>
#include <coppice/ops/elementwise.h>

namespace coppice::nn {

BatchNorm2d::BatchNorm2d(std::int64_t channels, BatchNorm2dOptions options)
    : options_(options),
      weight_(
          register_parameter("weight", options.affine ? Tensor::full({channels}, options.initial_weight) : Tensor())),
      bias_(register_parameter("bias", options.affine ? Tensor::zeros({channels}) : Tensor())),
      running_mean_(register_buffer("running_mean", Tensor::zeros({channels}))),
      running_var_(register_buffer("running_var", Tensor::ones({channels}))),
      num_batches_tracked_(register_buffer("num_batches_tracked", Tensor::zeros({}, {.dtype = kInt64}))) {}

BatchNorm2d::Mode BatchNorm2d::mode() const {
  if (override_) return *override_;
  return is_training() ? Mode{BatchNormStatistics::Batch, BatchNormRunning::Update}
                       : Mode{BatchNormStatistics::Running, BatchNormRunning::Hold};
}

template <class Norm>
Tensor BatchNorm2d::normalize(const Tensor& input, Norm norm) {
  COPPICE_CHECK(input.dim() == 4, "[BatchNorm2d] expects an input (n, c, h, w); got ", input.shape());
  const Mode now = mode();
  const Tensor output = norm(BatchNormOptions{
      .statistics = now.statistics, .running = now.running, .momentum = options_.momentum, .eps = options_.eps});
  if (now.running == BatchNormRunning::Update) num_batches_tracked_.add_(Tensor::ones_like(num_batches_tracked_));
  return output;
}

Tensor BatchNorm2d::forward(const Tensor& input) {
  return normalize(input, [&](const BatchNormOptions& options) {
    return batch_norm(input, weight_, bias_, running_mean_, running_var_, options);
  });
}

Tensor BatchNorm2d::forward_relu(const Tensor& input, const Tensor& residual) {
  return normalize(input, [&](const BatchNormOptions& options) {
    return batch_norm_relu(input, weight_, bias_, running_mean_, running_var_, options, residual);
  });
}

std::string BatchNorm2d::description() const {
  std::ostringstream text;
  text << "BatchNorm2d(" << running_mean_.numel() << (options_.affine ? ")" : ", affine=false)");
  return text.str();
}

void BatchNorm2d::reset_parameters(std::uint64_t, const std::string&) {
  if (weight_.defined()) {
    detail::copy_into(weight_, Tensor::full(weight_.shape(), options_.initial_weight));
    detail::copy_into(bias_, Tensor::zeros_like(bias_));
  }
  running_mean_.zero_();
  running_var_.fill_(1.0);
  num_batches_tracked_.zero_();
}

Tensor norm_relu(Module& norm, Module& relu, const Tensor& input, const Tensor& residual) {
  auto* const layer = dynamic_cast<BatchNorm2d*>(&norm);
  if (layer != nullptr && !norm.has_forward_hooks() && !relu.has_forward_hooks()) {
    return layer->forward_relu(input, residual);
  }
  const Tensor normalized = norm(input);
  return relu(residual.defined() ? normalized + residual : normalized);
}

BatchNormGuard::BatchNormGuard(Module& module, BatchNorm2d::Mode mode) {
  for (const NamedModule& entry : module.named_modules()) {
    if (auto* layer = dynamic_cast<BatchNorm2d*>(entry.module)) {
      held_.push_back({layer, layer->mode_override()});
      layer->set_mode(mode);
    }
  }
}

BatchNormGuard::BatchNormGuard(Module& module, BatchNormRunning running) {
  for (const NamedModule& entry : module.named_modules()) {
    if (auto* layer = dynamic_cast<BatchNorm2d*>(entry.module)) {
      held_.push_back({layer, layer->mode_override()});
      layer->set_mode(BatchNorm2d::Mode{layer->mode().statistics, running});
    }
  }
}

BatchNormGuard::~BatchNormGuard() {
  for (auto held = held_.rbegin(); held != held_.rend(); ++held) held->layer->set_mode(held->previous);
}

}  // namespace coppice::nn
