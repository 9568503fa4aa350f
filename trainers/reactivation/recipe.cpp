#include <coppice/trainers/reactivation/recipe.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include <coppice/core/error.h>
#include <coppice/sparsity/nearest.h>

namespace coppice::train::reactivation {

const std::vector<Method>& methods() {
  static const std::vector<Method> rows = {
      {"dense", Kind::Dense, "", "every weight trained: what the sparse rows are measured against"},
      {"small_dense", Kind::SmallDense, "", "a dense network narrowed to as many weights as the sparse ones keep"},
      {"static", Kind::Sparse, "static", "a random mask, kept for the whole training"},
      {"set", Kind::Sparse, "set", "drops the smallest weights and grows random ones (Mocanu et al. 2018)"},
      {"rigl", Kind::Sparse, "rigl", "grows where the dense gradient is largest (Evci et al. 2020)"},
      {"iee", Kind::Sparse, "iee",
       "explores: trains what is pruned with the rest frozen, grows what became largest (Sun et al. 2025)"},
      {"iee_no_exploration", Kind::Sparse, "iee_no_exploration",
       "the ablation: grows by the magnitude weights had when they were pruned"},
      {"rigl_equal_flops", Kind::EqualFlops, "rigl",
       "RigL with its schedules stretched until it has used the training FLOPs of iee"},
      {"rigl_equal_seconds", Kind::EqualSeconds, "rigl",
       "RigL stretched until it has used the processor seconds of iee in this run: its steps depend on the machine"},
  };
  return rows;
}

std::vector<Method> methods_with(const std::vector<Method>& added) {
  std::vector<Method> rows = methods();
  for (const Method& method : added) {
    for (const Method& row : rows) {
      COPPICE_CHECK(row.name != method.name, "[reactivation] the table has a row '", row.name,
                    "' already; give the added method another name");
    }
    rows.push_back(method);
  }
  return rows;
}

const Method& method(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Method& row : methods()) {
    if (row.name == name) return row;
    names.push_back(row.name);
  }
  detail::fail("[reactivation] there is no method '", name, "'; did you mean '", sparsity::detail::nearest(name, names),
               "'? There are ", sparsity::detail::join(names));
}

const std::vector<Claim>& claims() {
  static const std::vector<Claim> all = {
      {"iee", "rigl", ">=", "+1.3"},         {"rigl", "set", ">", "+3.4"},
      {"set", "static", ">", "+1.9"},        {"iee", "iee_no_exploration", ">>", "+1.2"},
      {"iee", "rigl_equal_flops", "vs", ""}, {"iee", "rigl_equal_seconds", "vs", ""},
  };
  return all;
}

std::string Training::network() const {
  std::string text;
  for (const std::int64_t width : widths) {
    if (!text.empty()) text += '-';
    text += std::to_string(width);
  }
  return text;
}

std::vector<std::pair<std::string, std::string>> Training::to_pairs() const {
  const auto text = [](auto value) {
    std::ostringstream out;
    out << value;
    return out.str();
  };
  return {{"network", network()},
          {"steps", text(steps)},
          {"batch_size", text(batch_size)},
          {"optimizer", "sgd"},
          {"learning_rate", text(learning_rate)},
          {"learning_rate_schedule", "cosine"},
          {"momentum", text(momentum)},
          {"weight_decay", text(weight_decay)},
          {"weight_decay_on_biases", "0"},
          {"phase_steps", text(phase_steps(steps))}};
}

Training training(std::string_view scale) {
  if (scale == "quick") {
    return {.dataset = "digits",
            .steps = 2000,
            .batch_size = 64,
            .train_images = 9000,
            .test_images = 4000,
            .validation_images = 1000,
            .seeds = 3};
  }
  if (scale == "small") {
    return {.dataset = "mnist", .steps = 4000, .batch_size = 128, .validation_images = 6000, .seeds = 5};
  }
  detail::fail("[reactivation] there is no scale '", scale, "'; there are quick and small");
}

std::int64_t phase_steps(std::int64_t steps) {
  const std::int64_t least = std::max((steps + 99) / 100, std::min<std::int64_t>(50, steps / 40));
  return std::max({steps / 60, least, std::int64_t{1}});
}

sparsity::MaskPolicy policy(const Method& method, double density, std::int64_t steps) {
  sparsity::MaskPolicy policy = method.preset == "custom" ? sparsity::MaskPolicy{} : sparsity::preset(method.preset);
  policy.density = density;
  policy.distribution = sparsity::Distribution::Erk;
  if (policy.accuracy_steps > 0) {
    policy.interval = phase_steps(steps);
    policy.accuracy_steps = policy.interval;
    if (policy.exploration_steps > 0) policy.exploration_steps = policy.interval;
  } else if (policy.updates()) {
    policy.interval = std::max<std::int64_t>(1, steps / 50);
  }
  if (method.kind == Kind::Sparse) policy.name = method.name;
  for (const auto& [key, value] : method.settings) policy.set(key, value);
  return policy;
}

std::int64_t count_weights(const std::vector<std::int64_t>& widths) {
  std::int64_t count = 0;
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) count += widths[l] * widths[l + 1];
  return count;
}

std::vector<std::int64_t> narrowed(const std::vector<std::int64_t>& widths, std::int64_t weights) {
  COPPICE_CHECK(widths.size() == 4, "[narrowed] expects two hidden layers; got ", widths.size(), " widths");
  const std::int64_t inputs = widths.front();
  const std::int64_t outputs = widths.back();
  COPPICE_CHECK(weights > inputs + outputs, "[narrowed] expects more than ", inputs + outputs,
                " weights, one unit a layer; got ", weights);
  const double proportion = std::log(static_cast<double>(widths[1]) / static_cast<double>(widths[2]));
  std::vector<std::int64_t> best;
  double best_badness = std::numeric_limits<double>::infinity();
  for (std::int64_t first = 1; first * (inputs + 1) + outputs <= weights; ++first) {
    const std::int64_t second = (weights - first * inputs) / (first + outputs);
    const std::vector<std::int64_t> candidate = {inputs, first, second, outputs};
    const double missing = 1.0 - static_cast<double>(count_weights(candidate)) / static_cast<double>(weights);
    const double skew = std::abs(std::log(static_cast<double>(first) / static_cast<double>(second)) - proportion);
    const double badness = skew + (missing > 0.02 ? 100.0 * (1.0 + missing) : 0.0);
    if (badness < best_badness) {
      best_badness = badness;
      best = candidate;
    }
  }
  return best;
}

}  // namespace coppice::train::reactivation
