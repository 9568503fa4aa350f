#include <coppice/models/nn/inference_session.h>

#include <utility>

#include <coppice/autograd/grad_mode.h>
#include <coppice/models/nn/evaluation.h>
#include <coppice/ops/packed_filters.h>

namespace coppice::nn {

InferenceSession::InferenceSession(std::shared_ptr<Module> model, const Shape& input, InferenceOptions options)
    : InferenceSession(std::move(model), input, std::move(options), std::make_shared<PackedFilters>()) {}

InferenceSession InferenceSession::share() const {
  InferenceSession other(model_, shape_, {.plan = wanted_}, filters_);
  other.plan_ = plan_;  // no kernel was chosen again
  return other;
}

InferenceSession::InferenceSession(std::shared_ptr<Module> model, const Shape& input, InferenceOptions options,
                                   std::shared_ptr<PackedFilters> filters)
    : model_(std::move(model)), shape_(input), wanted_(std::move(options.plan)), filters_(std::move(filters)) {
  COPPICE_CHECK(model_ != nullptr, "[InferenceSession] expects a network; got null");
  check_evaluation(*model_, "InferenceSession");
  dtype_ = network_dtype(*model_);
  arena_ = make_intrusive<Arena>();
  const Tensor zeros = Tensor::zeros(shape_, {.dtype = dtype_});
  {
    const PlanRecorder recorder;
    run(zeros);  // outside the arena: what it leaves in caches outlives the session
    plan_ = recorder.plan();
  }
  arena_->record();
  {
    const AllocatorScope scope(arena_);
    run(zeros);
  }
  arena_->plan();
}

Tensor InferenceSession::run(const Tensor& input) {
  const NoGrad no_grad;
  const PackedFiltersScope filters(*filters_);
  if (!wanted_) return (*model_)(input);
  const PlanScope plan(*wanted_);
  return (*model_)(input);
}

Tensor InferenceSession::operator()(const Tensor& input) {
  COPPICE_CHECK(input.shape() == shape_ && input.dtype() == dtype_, "[InferenceSession] expects an input ", dtype_, ' ',
                shape_, "; got ", input.dtype(), ' ', input.shape(), "; make a session for every shape");
  arena_->rewind();
  Tensor output;
  {
    const AllocatorScope scope(arena_);
    output = run(input);
  }
  return output.detach().clone();
}

InferenceSession::Memory InferenceSession::memory() const {
  return {.arena_bytes = arena_->bytes(),
          .tensor_bytes = arena_->requested_bytes(),
          .planned = arena_->planned(),
          .unplanned = arena_->unplanned()};
}

}  // namespace coppice::nn
