#include <coppice/ops/conv2d_candidates.h>

#include <array>
#include <sstream>
#include <string>
#include <utility>

#include <coppice/core/mask.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/candidate_registry.h>
#include <coppice/ops/conv2d_costs.h>
#include <coppice/ops/conv2d_passes.h>
#include <coppice/ops/cpu/blocked_conv.h>
#include <coppice/ops/cpu/conv2d.h>
#include <coppice/ops/cpu/strips.h>
#include <coppice/ops/filter_structure.h>
#include <coppice/ops/memory_format.h>

namespace coppice {

namespace {

cpu::Conv2dGeometry geometry_of(const Conv2dProblem& p) {
  return {.batch = p.input[0],
          .channels = p.input[1],
          .height = p.input[2],
          .width = p.input[3],
          .out_channels = p.weight[0],
          .kernel_h = p.weight[2],
          .kernel_w = p.weight[3],
          .out_h = p.output[2],
          .out_w = p.output[3],
          .stride_h = p.options.stride[0],
          .stride_w = p.options.stride[1],
          .pad_h = p.options.padding[0],
          .pad_w = p.options.padding[1],
          .dilation_h = p.options.dilation[0],
          .dilation_w = p.options.dilation[1],
          .groups = p.options.groups};
}

Tensor dense_weight(const Conv2dProblem& p, const Conv2dOperands& o) {
  return p.sparse != nullptr ? p.sparse->to_dense() : o.weight;
}

/// The dense gradient as the problem wants it.
Tensor wanted_gradient(const Conv2dProblem& p, const Tensor& gradient) {
  return p.sparse != nullptr ? WeightState::gather(gradient, p.sparse->trainable()) : gradient;
}

/// The elements of a tensor that may be undefined; in whichever format it is.
template <class T>
const T* elements_or_null(const Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  return detail::is_blocked(tensor) ? detail::blocked_data<T>(tensor) : tensor.data<T>();
}

template <class T>
cpu::ConvEpilogue<T> epilogue_of(const Conv2dOperands& o) {
  return {.bias = elements_or_null<T>(o.bias), .residual = elements_or_null<T>(o.residual), .relu = o.relu};
}

Tensor run_im2col_forward(const Conv2dProblem& p, const Conv2dOperands& o) {
  const Tensor y = Tensor::empty(p.output, {.dtype = p.dtype});
  const Tensor w = dense_weight(p, o);
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    cpu::conv2d_forward(geometry_of(p), epilogue_of<T>(o), o.x.data<T>(), w.data<T>(), y.data<T>());
  });
  return y;
}

Tensor run_im2col_data_gradient(const Conv2dProblem& p, const Conv2dOperands& o) {
  const Tensor d_x = Tensor::empty(p.input, {.dtype = p.dtype});
  const Tensor w = dense_weight(p, o);
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    cpu::conv2d_data_gradient(geometry_of(p), o.y.data<T>(), w.data<T>(), d_x.data<T>());
  });
  return d_x;
}

Tensor im2col_weight_gradient(const Conv2dProblem& p, const Conv2dOperands& o) {
  const Tensor d_w = Tensor::empty(p.weight, {.dtype = p.dtype});
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    cpu::conv2d_weight_gradient(geometry_of(p), o.y.data<T>(), o.x.data<T>(), d_w.data<T>());
  });
  return d_w;
}

Tensor run_im2col_weight_gradient(const Conv2dProblem& p, const Conv2dOperands& o) {
  return wanted_gradient(p, im2col_weight_gradient(p, o));
}

cpu::DenseFilter forward_filter(const Conv2dProblem& p) {
  const std::int64_t taps = p.weight[2] * p.weight[3];
  return {.group = p.weight.numel() / p.options.groups, .row = p.weight[1] * taps, .channel = taps};
}

/// The values of the filter's entries, by slot.
template <class T>
const T* entry_values(const Conv2dProblem& p, const Conv2dOperands& o) {
  return p.sparse != nullptr ? p.sparse->values().data<T>() : o.weight.data<T>();
}
std::shared_ptr<const FilterStructure> filter_rows(const Conv2dProblem& p) {
  return p.sparse != nullptr ? alive_filter_rows(*p.sparse) : full_filter_rows(p.weight);
}

enum class ForwardKernel : std::uint8_t { Dense, Rows, Panels };

template <ForwardKernel kKernel, class T>
std::unique_ptr<const cpu::PackedConv<T>> pack_conv(const cpu::BlockedConv& conv, const Conv2dProblem& p,
                                                    const Conv2dOperands& o) {
  if constexpr (kKernel == ForwardKernel::Dense) {
    return cpu::pack_conv_dense<T>(conv, forward_filter(p), dense_weight(p, o).data<T>());
  } else {
    const auto pack = kKernel == ForwardKernel::Panels ? &cpu::pack_conv_panels<T> : &cpu::pack_conv_rows<T>;
    return pack(conv, filter_rows(p)->view(), entry_values<T>(p, o));
  }
}

template <class T>
struct PackedBlocked final : PackedFilter {
  std::unique_ptr<const cpu::PackedConv<T>> conv;
};

template <ForwardKernel kKernel>
std::shared_ptr<const PackedFilter> pack_blocked(const Conv2dProblem& p, const Conv2dOperands& o) {
  std::shared_ptr<const PackedFilter> packed;
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    auto made = std::make_shared<PackedBlocked<T>>();
    made->conv = pack_conv<kKernel, T>(forward_pass(p), p, o);
    packed = std::move(made);
  });
  return packed;
}

template <ForwardKernel kKernel>
Tensor run_blocked(const Conv2dProblem& p, const Conv2dOperands& o) {
  const auto own = o.packed == nullptr ? pack_blocked<kKernel>(p, o) : nullptr;
  const PackedFilter& packed = own != nullptr ? *own : *o.packed;
  const Tensor y = detail::empty_blocked(p.output, p.dtype);
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    static_cast<const PackedBlocked<T>&>(packed).conv->run(epilogue_of<T>(o), detail::blocked_data<T>(o.x),
                                                           detail::blocked_data<T>(y));
  });
  return y;
}

template <class T>
struct PackedStrips final : PackedFilter {
  StripPass pass;
  std::unique_ptr<const cpu::PackedConv<T>> conv;
};

template <ForwardKernel kKernel>
std::shared_ptr<const PackedFilter> pack_strips(const Conv2dProblem& p, const Conv2dOperands& o) {
  std::shared_ptr<const PackedFilter> packed;
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    auto made = std::make_shared<PackedStrips<T>>();
    made->pass = strip_pass(p);
    made->conv = pack_conv<kKernel, T>(made->pass.conv, p, o);
    packed = std::move(made);
  });
  return packed;
}

template <ForwardKernel kKernel>
Tensor run_strips(const Conv2dProblem& p, const Conv2dOperands& o) {
  const auto own = o.packed == nullptr ? pack_strips<kKernel>(p, o) : nullptr;
  const Tensor output = Tensor::empty(p.output, {.dtype = p.dtype});
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    const auto& packed = static_cast<const PackedStrips<T>&>(own != nullptr ? *own : *o.packed);
    const auto block_of = [&](const cpu::Strips& s) {
      return Buffer<T>(s.strip_h * s.channels * s.strip_w * packed.pass.lanes);
    };
    const Buffer<T> x = block_of(packed.pass.input), y = block_of(packed.pass.output);
    cpu::gather_strips(packed.pass.input, o.x.data<T>(), x.data());
    cpu::ConvEpilogue<T> in_strips = epilogue_of<T>(o);
    const T* const residual = std::exchange(in_strips.residual, nullptr);
    const bool relu_after = residual != nullptr && std::exchange(in_strips.relu, false);
    packed.conv->run(in_strips, x.data(), y.data());
    cpu::scatter_strips(packed.pass.output, y.data(), residual, relu_after, output.data<T>());
  });
  return output;
}

Tensor run_blocked_dense_data_gradient(const Conv2dProblem& p, const Conv2dOperands& o) {
  const Tensor d_x = detail::empty_blocked(p.input, p.dtype);
  const Tensor w = dense_weight(p, o);
  const std::int64_t taps = p.weight[2] * p.weight[3];
  const cpu::DenseFilter filter{
      .group = p.weight.numel() / p.options.groups, .row = taps, .channel = p.weight[1] * taps};
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    for (const cpu::BlockedConv& pass : data_gradient_passes(p)) {
      cpu::pack_conv_dense<T>(pass, filter, w.data<T>())
          ->run({}, detail::blocked_data<T>(o.y), detail::blocked_data<T>(d_x));
    }
  });
  return d_x;
}

Tensor blocked_weight_gradient(const Conv2dProblem& p, const Conv2dOperands& o) {
  const Tensor d_w = Tensor::empty(p.weight, {.dtype = p.dtype});
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    cpu::blocked_conv_dense_weight_gradient<T>(forward_pass(p), detail::blocked_data<T>(o.y),
                                               detail::blocked_data<T>(o.x), d_w.data<T>());
  });
  return d_w;
}

Tensor run_blocked_dense_weight_gradient(const Conv2dProblem& p, const Conv2dOperands& o) {
  return wanted_gradient(p, blocked_weight_gradient(p, o));
}

Tensor run_blocked_rows_data_gradient(const Conv2dProblem& p, const Conv2dOperands& o) {
  const Tensor d_x = detail::empty_blocked(p.input, p.dtype);
  const auto structure = p.sparse != nullptr ? alive_filter_columns(*p.sparse, p.options.groups)
                                             : full_filter_columns(p.weight, p.options.groups);
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    for (const cpu::BlockedConv& pass : data_gradient_passes(p)) {
      cpu::pack_conv_rows<T>(pass, structure->view(), entry_values<T>(p, o))
          ->run({}, detail::blocked_data<T>(o.y), detail::blocked_data<T>(d_x));
    }
  });
  return d_x;
}

template <bool kPanels>
Tensor run_blocked_scattered(const Conv2dProblem& p, const Conv2dOperands& o) {
  const Tensor d_x = detail::empty_blocked(p.input, p.dtype);
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    const T* const d_y = detail::blocked_data<T>(o.y);
    if constexpr (kPanels) {
      cpu::blocked_conv_scattered_panels<T>(forward_pass(p), filter_rows(p)->view(), entry_values<T>(p, o), d_y,
                                            detail::blocked_data<T>(d_x));
    } else {
      cpu::blocked_conv_scattered_dense<T>(forward_pass(p), forward_filter(p), dense_weight(p, o).data<T>(), d_y,
                                           detail::blocked_data<T>(d_x));
    }
  });
  return d_x;
}

template <bool kPanels>
Tensor run_blocked_sampled(const Conv2dProblem& p, const Conv2dOperands& o) {
  const auto structure = p.sparse != nullptr ? trainable_filter_rows(*p.sparse) : full_filter_rows(p.weight);
  const Shape shape = p.sparse != nullptr ? Shape{p.sparse->trainable().count()} : p.weight;
  const Tensor gradient = Tensor::empty(shape, {.dtype = p.dtype});
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    const auto sample = kPanels ? &cpu::blocked_conv_sampled_panels<T> : &cpu::blocked_conv_sampled_rows<T>;
    sample(forward_pass(p), structure->view(), detail::blocked_data<T>(o.y), detail::blocked_data<T>(o.x),
           gradient.data<T>());
  });
  return gradient;
}

template <ForwardKernel kKernel>
constexpr Conv2dCandidate blocked_candidate(const char* name, bool (*can_run)(const Conv2dProblem&),
                                            double (*cost)(const Conv2dProblem&)) {
  return {name, can_run, cost, run_blocked<kKernel>, true, pack_blocked<kKernel>};
}
template <ForwardKernel kKernel>
constexpr Conv2dCandidate strips_candidate(const char* name, bool (*can_run)(const Conv2dProblem&),
                                           double (*cost)(const Conv2dProblem&)) {
  return {name, can_run, cost, run_strips<kKernel>, true, pack_strips<kKernel>};
}

constexpr std::array<Conv2dCandidate, 7> kForward = {{
    {"im2col", is_contiguous, im2col_cost, run_im2col_forward, true},
    blocked_candidate<ForwardKernel::Dense>("blocked/dense", is_blocked, dense_cost),
    blocked_candidate<ForwardKernel::Rows>("blocked/rows", takes_blocked_rows, rows_cost),
    blocked_candidate<ForwardKernel::Panels>("blocked/panels", takes_blocked_panels, panels_cost),
    strips_candidate<ForwardKernel::Dense>("strips/dense", fits_strips, dense_strips_cost),
    strips_candidate<ForwardKernel::Rows>("strips/rows", takes_strip_rows, row_strips_cost),
    strips_candidate<ForwardKernel::Panels>("strips/panels", takes_strip_panels, panel_strips_cost),
}};

constexpr std::array<Conv2dCandidate, 5> kDataGradient = {{
    {"im2col", is_contiguous, im2col_cost, run_im2col_data_gradient},
    {"blocked/dense", is_blocked, gridded_cost, run_blocked_dense_data_gradient},
    {"blocked/scattered", is_blocked, scattered_cost, run_blocked_scattered<false>},
    {"blocked/rows", takes_blocked_rows, rows_cost, run_blocked_rows_data_gradient},
    {"blocked/scattered_panels", takes_blocked_panels, scattered_panels_cost, run_blocked_scattered<true>},
}};

constexpr std::array<Conv2dCandidate, 4> kWeightGradient = {{
    {"im2col", is_contiguous, im2col_cost, run_im2col_weight_gradient},
    {"blocked/dense", is_blocked, dense_cost, run_blocked_dense_weight_gradient},
    {"blocked/sampled_rows", takes_blocked_rows, sampled_rows_cost, run_blocked_sampled<false>},
    {"blocked/sampled_panels", takes_blocked_panels, panels_cost, run_blocked_sampled<true>},
}};

PassRegistries<Conv2dCandidate>& registries() {
  static PassRegistries<Conv2dCandidate> all(kForward, kDataGradient, kWeightGradient);
  return all;
}

}  // namespace

std::string Conv2dProblem::key() const {
  const auto sizes = [](std::ostream& out, const auto& values, const char* separator) {
    for (std::size_t i = 0; i < values.size(); ++i) out << (i == 0 ? "" : separator) << values[i];
  };
  std::ostringstream text;
  text << "conv2d/" << pass_name(phase) << ' ';
  sizes(text, input.span(), "x");
  text << " * ";
  sizes(text, weight.span(), "x");
  const auto pair = [&](const char* name, const std::array<std::int64_t, 2>& values, std::int64_t usual) {
    if (values[0] == usual && values[1] == usual) return;
    text << ' ' << name << ' ' << values[0] << 'x' << values[1];
  };
  pair("stride", options.stride, 1);
  pair("padding", options.padding, 0);
  pair("dilation", options.dilation, 1);
  if (options.groups != 1) text << " groups " << options.groups;
  text << ' ' << format << ' ' << dtype;
  if (sparse == nullptr) return text.str();
  text << ' ' << (phase == FlopPhase::WeightGradient ? sparse->trainable() : sparse->alive()).count()
       << (phase == FlopPhase::WeightGradient ? " trainable" : " alive");
  return text.str();
}

PackedFilter::~PackedFilter() = default;

std::span<const Conv2dCandidate> conv2d_candidates(FlopPhase phase) { return registries().of(phase).all(); }

void register_conv2d_candidate(FlopPhase phase, const Conv2dCandidate& candidate) {
  registries().of(phase).add("conv2d", candidate);
}

const Conv2dCandidate& choose_conv2d(const Conv2dProblem& problem) {
  return choose_candidate(
      "conv2d", conv2d_candidates(problem.phase),
      [&](const Conv2dCandidate& candidate) { return candidate.can_run(problem); },
      [&](const Conv2dCandidate& candidate) { return candidate.cost(problem); }, [&] { return problem.key(); },
      [](std::string_view name) { return registries().knows(name); });
}

Tensor run_conv2d(const Conv2dProblem& problem, FunctionRef<Tensor(const Conv2dCandidate& candidate)> run) {
  if (is_tried()) {
    try_candidates(
        conv2d_candidates(problem.phase), [&](const Conv2dCandidate& candidate) { return candidate.can_run(problem); },
        [&](const Conv2dCandidate& candidate) { return candidate.cost(problem); }, problem.key(), run);
  }
  return run(choose_conv2d(problem));
}

Tensor run_conv2d(const Conv2dProblem& problem, const Conv2dOperands& operands) {
  return run_conv2d(problem, [&](const Conv2dCandidate& candidate) { return candidate.run(problem, operands); });
}

Tensor conv2d_dense_weight_gradient(const Conv2dProblem& problem, const Conv2dOperands& operands) {
  return is_blocked(problem) ? blocked_weight_gradient(problem, operands) : im2col_weight_gradient(problem, operands);
}

}  // namespace coppice
