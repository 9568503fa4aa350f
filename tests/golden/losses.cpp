#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/loss.h>

#include <string>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

using X = const Tensors&;
using O = const Options&;

Reduction reduction_of(const Options& options) {
  const std::string name = options.text("reduction");
  if (name == "none") return Reduction::None;
  return name == "sum" ? Reduction::Sum : Reduction::Mean;
}

KlDivOptions kl_div_options(const Options& options, bool log_target) {
  const std::string name = options.text("reduction");
  const auto reduction = name == "mean"  ? KlDivOptions::Reduction::Mean
                         : name == "sum" ? KlDivOptions::Reduction::Sum
                                         : KlDivOptions::Reduction::None;
  return {.reduction = reduction, .log_target = log_target};
}

/// Targets are classes or probabilities.
Tensor cross_entropy_of(X x, O o) {
  CrossEntropyOptions how;
  how.reduction = reduction_of(o);
  how.label_smoothing = o.number("label_smoothing");
  if (x.size() > 2) {
    how.weight = x.at(2).detach();
    how.ignore_index = o.integer("ignore_index");
  }
  return cross_entropy(x.at(0), x.at(1), how);
}

}  // namespace

Table losses() {
  return {
      {"cross_entropy", with_options(cross_entropy_of)},
      {"weighted_cross_entropy", with_options(cross_entropy_of)},
      {"soft_cross_entropy", with_options(cross_entropy_of)},
      {"nll_loss", with_options([](X x, O o) {
         NllLossOptions how;
         how.weight = x.at(2).detach();
         how.ignore_index = o.integer("ignore_index");
         how.reduction = reduction_of(o);
         return nll_loss(x.at(0), x.at(1), how);
       })},
      {"mse_loss", with_options([](X x, O o) { return mse_loss(x.at(0), x.at(1), {.reduction = reduction_of(o)}); })},
      {"l1_loss", with_options([](X x, O o) { return l1_loss(x.at(0), x.at(1), {.reduction = reduction_of(o)}); })},
      {"smooth_l1_loss", with_options([](X x, O o) {
         return smooth_l1_loss(x.at(0), x.at(1), {.reduction = reduction_of(o), .beta = o.number("beta")});
       })},
      {"huber_loss", with_options([](X x, O o) {
         return huber_loss(x.at(0), x.at(1), {.reduction = reduction_of(o), .delta = o.number("delta")});
       })},
      {"bce", with_options([](X x, O o) {
         BinaryCrossEntropyOptions how;
         how.reduction = reduction_of(o);
         return binary_cross_entropy(x.at(0), x.at(1), how);
       })},
      {"bce_with_logits", with_options([](X x, O o) {
         BinaryCrossEntropyWithLogitsOptions how;
         how.reduction = reduction_of(o);
         if (x.size() > 2) how.pos_weight = x.at(2).detach();
         return binary_cross_entropy_with_logits(x.at(0), x.at(1), how);
       })},
      {"kl_div", with_options([](X x, O o) { return kl_div(x.at(0), x.at(1), kl_div_options(o, false)); })},
      {"kl_div_log", with_options([](X x, O o) { return kl_div(x.at(0), x.at(1), kl_div_options(o, true)); })},
  };
}

}  // namespace coppice::golden
