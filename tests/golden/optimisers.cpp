#include <coppice/ops/optim/adam.h>
#include <coppice/ops/optim/adamw.h>
#include <coppice/ops/optim/clip.h>
#include <coppice/ops/optim/rmsprop.h>
#include <coppice/ops/optim/schedule.h>
#include <coppice/ops/optim/sgd.h>

#include <memory>
#include <vector>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

/// The parameter after every step, from its start and its gradients; the rate halves after half of the steps.
template <class Make>
Op trajectory(Make make) {
  return with_options([make](const Tensors& x, const Options& options) {
    Tensor parameter = x.at(0).clone().requires_grad_();
    const auto optimiser = make(parameter, options);
    Tensor visited = Tensor::empty(x.at(1).shape(), {.dtype = parameter.dtype()});
    const std::int64_t steps = visited.size(0);
    for (std::int64_t step = 0; step < steps; ++step) {
      if (step == steps / 2) optimiser->set_lr(optimiser->lr() / 2);
      parameter.set_grad(x.at(1).select(0, step).clone());
      optimiser->step();
      visited.select(0, step).copy_(parameter.detach());
    }
    return visited;
  });
}

/// The factors of steps 0, 1, ….
template <class Make>
Op factors(Make make) {
  return with_options([make](const Tensors&, const Options& options) {
    const optim::schedule::Schedule schedule = make(options);
    std::vector<double> visited;
    for (std::int64_t step = 0; step < options.integer("steps"); ++step) visited.push_back(schedule(step));
    return Tensor::of(visited);
  });
}

/// The norm of all gradients and the clipped ones.
Tensors clip(const Tensors& gradients, const Options& options) {
  Tensors parameters;
  for (const Tensor& gradient : gradients) {
    parameters.push_back(Tensor::zeros_like(gradient).requires_grad_());
    parameters.back().set_grad(gradient.clone());
  }
  const double norm_type = options.number("norm_type");
  const double norm = optim::clip_grad_norm_(parameters, options.number("max_norm"), {.norm_type = norm_type});
  Tensors results{Tensor::full({}, norm, {.dtype = gradients.at(0).dtype()})};
  for (const Tensor& parameter : parameters) results.push_back(parameter.grad());
  return results;
}

}  // namespace

Table optimisers() {
  namespace schedule = optim::schedule;
  return {
      {"sgd", trajectory([](const Tensor& parameter, const Options& options) {
         return std::make_unique<optim::SGD>(std::vector{parameter},
                                             optim::SgdOptions{.lr = options.number("lr"),
                                                               .momentum = options.number("momentum"),
                                                               .dampening = options.number("dampening"),
                                                               .weight_decay = options.number("weight_decay"),
                                                               .nesterov = options.flag("nesterov")});
       })},
      {"adamw", trajectory([](const Tensor& parameter, const Options& options) {
         const std::vector<double> betas = options.numbers("betas");
         return std::make_unique<optim::AdamW>(std::vector{parameter},
                                               optim::AdamWOptions{.lr = options.number("lr"),
                                                                   .betas = {betas.at(0), betas.at(1)},
                                                                   .eps = options.number("eps"),
                                                                   .weight_decay = options.number("weight_decay")});
       })},
      {"adam", trajectory([](const Tensor& parameter, const Options& options) {
         const std::vector<double> betas = options.numbers("betas");
         return std::make_unique<optim::Adam>(std::vector{parameter},
                                              optim::AdamOptions{.lr = options.number("lr"),
                                                                 .betas = {betas.at(0), betas.at(1)},
                                                                 .eps = options.number("eps"),
                                                                 .weight_decay = options.number("weight_decay")});
       })},
      {"rmsprop", trajectory([](const Tensor& parameter, const Options& options) {
         return std::make_unique<optim::RMSprop>(std::vector{parameter},
                                                 optim::RmsPropOptions{.lr = options.number("lr"),
                                                                       .alpha = options.number("alpha"),
                                                                       .eps = options.number("eps"),
                                                                       .weight_decay = options.number("weight_decay"),
                                                                       .momentum = options.number("momentum"),
                                                                       .centered = options.flag("centered")});
       })},
      {"clip_grad_norm_", {clip}},
      {"exponential", factors([](const Options& options) { return schedule::exponential(options.number("gamma")); })},
      {"polynomial", factors([](const Options& options) {
         return schedule::polynomial(options.integer("total_iters"), options.number("power"));
       })},
      {"one_cycle", factors([](const Options& options) {
         return schedule::one_cycle(options.integer("total_steps"),
                                    {.pct_start = options.number("pct_start"),
                                     .div_factor = options.number("div_factor"),
                                     .final_div_factor = options.number("final_div_factor"),
                                     .linear = options.flag("linear")});
       })},
      {"cosine", factors([](const Options& options) {
         return schedule::cosine(options.integer("t_max"), options.number("end_factor"));
       })},
      {"step", factors([](const Options& options) {
         return schedule::step(options.integer("step_size"), options.number("gamma"));
       })},
      {"multi_step", factors([](const Options& options) {
         return schedule::multi_step(options.integers("milestones"), options.number("gamma"));
       })},
      {"linear_factor", factors([](const Options& options) {
         return schedule::linear(options.number("start_factor"), options.number("end_factor"),
                                 options.integer("total_iters"));
       })},
      {"warmup_cosine", factors([](const Options& options) {
         return schedule::warmup(options.integer("warm"), schedule::cosine(options.integer("t_max")),
                                 options.number("start_factor"));
       })},
  };
}

}  // namespace coppice::golden
