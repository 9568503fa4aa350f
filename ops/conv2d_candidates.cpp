#include <coppice/ops/conv2d_candidates.h>

#include <array>
#include <sstream>
#include <string>

#include <coppice/core/mask.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/candidate_registry.h>
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

// Costs in multiply-adds of the blocked dense kernel, about 30 ps each on the machine they were measured on (one Zen 3
// core, f32, AVX2; coppice-bench --benchmark_filter=Conv2d).
constexpr double kIm2col = 1.0;        ///< one weight × one output pixel
constexpr double kColumn = 12.0;       ///< one element of the column matrix, written and read
constexpr double kEntryProduct = 1.2;  ///< one alive weight × one output pixel, vectors counted
constexpr double kRowVisit = 13.0;     ///< one row of the filter × 144 of its positions × one output pixel
constexpr double kPanelProduct = 1.1;  ///< as kEntryProduct, where rows share their entries
constexpr double kPanelVisit = 2.0;
constexpr double kSampledProduct = 1.1;
constexpr double kSampledVisit = 10.0;
constexpr double kScatteredProduct = 1.2;
constexpr double kManyGrids = 1.4;      ///< the dense data gradient at a stride: a grid for every remainder
constexpr double kPacked = 4.0;         ///< one dense weight packed, expanded or gathered
constexpr std::int64_t kPanelRows = 4;  ///< rows of the filter that dense kernels hold in registers

double pixels(const Conv2dProblem& p) { return static_cast<double>(p.output[0] * p.output[2] * p.output[3]); }
double weights(const Conv2dProblem& p) { return static_cast<double>(p.weight.numel()); }
std::int64_t group_outputs(const Conv2dProblem& p) { return p.weight[0] / p.options.groups; }

/// What dense kernels multiply by: weights, where rows of a group do not fill a panel more than there are.
double panel_weights(const Conv2dProblem& p) {
  const bool columns = p.phase == FlopPhase::DataGradient;
  const std::int64_t rows = std::max<std::int64_t>(1, columns ? p.weight[1] : group_outputs(p));
  const std::int64_t padded = (rows + kPanelRows - 1) / kPanelRows * kPanelRows;
  return weights(p) * static_cast<double>(padded) / static_cast<double>(rows);
}
double dense_cost(const Conv2dProblem& p) {
  return panel_weights(p) * pixels(p) + weights(p) * (p.sparse != nullptr ? 2.0 : 1.0) * kPacked;
}
double im2col_cost(const Conv2dProblem& p) {
  const double columns = pixels(p) * weights(p) / static_cast<double>(p.weight[0]);
  return weights(p) * pixels(p) * kIm2col + columns * kColumn + (p.sparse != nullptr ? weights(p) * kPacked : 0.0);
}

/// The filter's entries that a pass multiplies by.
double entries(const Conv2dProblem& p) {
  if (p.sparse == nullptr) return weights(p);
  const Mask& mask = p.phase == FlopPhase::WeightGradient ? p.sparse->trainable() : p.sparse->alive();
  return static_cast<double>(mask.count());
}
/// Per output pixel.
double entries_product(const Conv2dProblem& p, double product, double visit) {
  return entries(p) * product + weights(p) / 144.0 * visit;
}
template <const double& kProduct, const double& kVisit>
double entries_cost(const Conv2dProblem& p) {
  return pixels(p) * entries_product(p, kProduct, kVisit) + entries(p) * kPacked;
}

/// Of a product that costs `product` per output pixel, on strips: idle lanes count.
double strips_cost(const Conv2dProblem& p, double product) {
  constexpr double kMoved = 20.0;  // one element into or out of a strip
  const StripPass pass = strip_pass(p);
  const auto vectors = [](const cpu::Strips& s) { return static_cast<double>(s.channels * s.strip_h * s.strip_w); };
  const auto lanes = static_cast<double>(pass.lanes);
  return lanes * (static_cast<double>(pass.output.strip_h * pass.output.strip_w) * product +
                  kMoved * (vectors(pass.input) + vectors(pass.output)));
}

bool is_blocked(const Conv2dProblem& p) { return p.format == MemoryFormat::Blocked; }
bool is_contiguous(const Conv2dProblem& p) { return p.format == MemoryFormat::Contiguous; }
bool fits_strips(const Conv2dProblem& p) {
  return is_contiguous(p) && p.input[0] > 0 && 2 * p.input[0] <= image_block(p.dtype);
}

/// Whether the kernels for lists of entries can take the weight: where its values are those of its entries, and dense
/// ones whose groups (depthwise: one row and one channel) leave a panel mostly empty.
bool has_entries(const Conv2dProblem& p) {
  if (p.sparse == nullptr) return group_outputs(p) < kPanelRows && p.weight[1] < kPanelRows;
  return p.phase == FlopPhase::WeightGradient || p.sparse->stored().count() == p.sparse->alive().count();
}
/// Whether, besides, the rows of a group share their entries.
bool has_panels(const Conv2dProblem& p) {
  if (p.sparse == nullptr || !has_entries(p)) return false;
  const std::int64_t shared =
      shared_rows(p.phase == FlopPhase::WeightGradient ? p.sparse->trainable() : p.sparse->alive());
  return shared > 1 && group_outputs(p) % shared == 0;
}
bool takes_blocked_rows(const Conv2dProblem& p) { return is_blocked(p) && has_entries(p); }
bool takes_blocked_panels(const Conv2dProblem& p) { return is_blocked(p) && has_panels(p); }

Tensor dense_weight(const Conv2dProblem& p, const Conv2dOperands& o) {
  return p.sparse != nullptr ? p.sparse->to_dense() : o.weight;
}

/// The dense gradient as the problem wants it.
Tensor wanted_gradient(const Conv2dProblem& p, const Tensor& gradient) {
  return p.sparse != nullptr ? WeightState::gather(gradient, p.sparse->trainable()) : gradient;
}

Tensor run_im2col_forward(const Conv2dProblem& p, const Conv2dOperands& o) {
  const Tensor y = Tensor::empty(p.output, {.dtype = p.dtype});
  const Tensor w = dense_weight(p, o);
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    cpu::conv2d_forward(geometry_of(p), o.x.data<T>(), w.data<T>(), o.bias.defined() ? o.bias.data<T>() : nullptr,
                        y.data<T>());
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

template <class T>
cpu::ConvEpilogue<T> epilogue_of(const Conv2dOperands& o) {
  return {.bias = o.bias.defined() ? o.bias.data<T>() : nullptr,
          .residual = o.residual.defined() ? detail::blocked_data<T>(o.residual) : nullptr,
          .relu = o.relu};
}

cpu::DenseFilter forward_filter(const Conv2dProblem& p) {
  const std::int64_t taps = p.weight[2] * p.weight[3];
  return {.group = p.weight.numel() / p.options.groups, .row = p.weight[1] * taps, .channel = taps};
}

Tensor run_blocked_dense_forward(const Conv2dProblem& p, const Conv2dOperands& o) {
  const Tensor y = detail::empty_blocked(p.output, p.dtype);
  const Tensor w = dense_weight(p, o);
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    cpu::blocked_conv_dense<T>(forward_pass(p), forward_filter(p), w.data<T>(), epilogue_of<T>(o),
                               detail::blocked_data<T>(o.x), detail::blocked_data<T>(y));
  });
  return y;
}

Tensor run_blocked_dense_data_gradient(const Conv2dProblem& p, const Conv2dOperands& o) {
  const Tensor d_x = detail::empty_blocked(p.input, p.dtype);
  const Tensor w = dense_weight(p, o);
  const std::int64_t taps = p.weight[2] * p.weight[3];
  const cpu::DenseFilter filter{
      .group = p.weight.numel() / p.options.groups, .row = taps, .channel = p.weight[1] * taps};
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    for (const cpu::BlockedConv& pass : data_gradient_passes(p)) {
      cpu::blocked_conv_dense<T>(pass, filter, w.data<T>(), {}, detail::blocked_data<T>(o.y),
                                 detail::blocked_data<T>(d_x));
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

/// The values of the filter's entries, by slot.
template <class T>
const T* entry_values(const Conv2dProblem& p, const Conv2dOperands& o) {
  return p.sparse != nullptr ? p.sparse->values().data<T>() : o.weight.data<T>();
}
std::shared_ptr<const FilterStructure> filter_rows(const Conv2dProblem& p) {
  return p.sparse != nullptr ? alive_filter_rows(*p.sparse) : full_filter_rows(p.weight);
}

template <bool kPanels>
Tensor run_blocked_entries_forward(const Conv2dProblem& p, const Conv2dOperands& o) {
  const Tensor y = detail::empty_blocked(p.output, p.dtype);
  const auto structure = filter_rows(p);
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    const auto convolve = kPanels ? &cpu::blocked_conv_panels<T> : &cpu::blocked_conv_rows<T>;
    convolve(forward_pass(p), structure->view(), entry_values<T>(p, o), epilogue_of<T>(o), detail::blocked_data<T>(o.x),
             detail::blocked_data<T>(y));
  });
  return y;
}

enum class StripKernel : std::uint8_t { Dense, Rows, Panels };

template <StripKernel kKernel>
Tensor run_strips(const Conv2dProblem& p, const Conv2dOperands& o) {
  const StripPass pass = strip_pass(p);
  const auto block_of = [&](const cpu::Strips& s) {
    return Tensor::empty({s.strip_h, s.channels, s.strip_w, pass.lanes}, {.dtype = p.dtype});
  };
  const Tensor x = block_of(pass.input), y = block_of(pass.output);
  const Tensor output = Tensor::empty(p.output, {.dtype = p.dtype});
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    cpu::gather_strips(pass.input, o.x.data<T>(), x.data<T>());
    if constexpr (kKernel == StripKernel::Dense) {
      cpu::blocked_conv_dense<T>(pass.conv, forward_filter(p), dense_weight(p, o).data<T>(), epilogue_of<T>(o),
                                 x.data<T>(), y.data<T>());
    } else {
      const auto convolve = kKernel == StripKernel::Panels ? &cpu::blocked_conv_panels<T> : &cpu::blocked_conv_rows<T>;
      convolve(pass.conv, filter_rows(p)->view(), entry_values<T>(p, o), epilogue_of<T>(o), x.data<T>(), y.data<T>());
    }
    cpu::scatter_strips(pass.output, y.data<T>(), output.data<T>());
  });
  return output;
}

Tensor run_blocked_rows_data_gradient(const Conv2dProblem& p, const Conv2dOperands& o) {
  const Tensor d_x = detail::empty_blocked(p.input, p.dtype);
  const auto structure = p.sparse != nullptr ? alive_filter_columns(*p.sparse, p.options.groups)
                                             : full_filter_columns(p.weight, p.options.groups);
  dispatch_floating(p.dtype, "conv2d", [&]<class T>() {
    for (const cpu::BlockedConv& pass : data_gradient_passes(p)) {
      cpu::blocked_conv_rows<T>(pass, structure->view(), entry_values<T>(p, o), {}, detail::blocked_data<T>(o.y),
                                detail::blocked_data<T>(d_x));
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

constexpr std::array<Conv2dCandidate, 7> kForward = {{
    {"im2col", is_contiguous, im2col_cost, run_im2col_forward},
    {"blocked/dense", is_blocked, dense_cost, run_blocked_dense_forward, true},
    {"blocked/rows", takes_blocked_rows, entries_cost<kEntryProduct, kRowVisit>, run_blocked_entries_forward<false>,
     true},
    {"blocked/panels", takes_blocked_panels, entries_cost<kPanelProduct, kPanelVisit>,
     run_blocked_entries_forward<true>, true},
    {"strips/dense", fits_strips,
     [](const Conv2dProblem& p) {
       return strips_cost(p, panel_weights(p)) + weights(p) * (p.sparse != nullptr ? 2.0 : 1.0) * kPacked;
     },
     run_strips<StripKernel::Dense>},
    {"strips/rows", [](const Conv2dProblem& p) { return fits_strips(p) && has_entries(p); },
     [](const Conv2dProblem& p) {
       return strips_cost(p, entries_product(p, kEntryProduct, kRowVisit)) + entries(p) * kPacked;
     },
     run_strips<StripKernel::Rows>},
    {"strips/panels", [](const Conv2dProblem& p) { return fits_strips(p) && has_panels(p); },
     [](const Conv2dProblem& p) {
       return strips_cost(p, entries_product(p, kPanelProduct, kPanelVisit)) + entries(p) * kPacked;
     },
     run_strips<StripKernel::Panels>},
}};

constexpr std::array<Conv2dCandidate, 5> kDataGradient = {{
    {"im2col", is_contiguous, im2col_cost, run_im2col_data_gradient},
    {"blocked/dense", is_blocked,
     [](const Conv2dProblem& p) {
       const bool one_grid = p.options.stride[0] == 1 && p.options.stride[1] == 1;
       return dense_cost(p) * (one_grid ? 1.0 : kManyGrids);
     },
     run_blocked_dense_data_gradient},
    {"blocked/scattered", is_blocked, [](const Conv2dProblem& p) { return dense_cost(p) * kScatteredProduct; },
     run_blocked_scattered<false>},
    {"blocked/rows", takes_blocked_rows, entries_cost<kEntryProduct, kRowVisit>, run_blocked_rows_data_gradient},
    {"blocked/scattered_panels", takes_blocked_panels, entries_cost<kScatteredProduct, kPanelVisit>,
     run_blocked_scattered<true>},
}};

constexpr std::array<Conv2dCandidate, 4> kWeightGradient = {{
    {"im2col", is_contiguous, im2col_cost, run_im2col_weight_gradient},
    {"blocked/dense", is_blocked, dense_cost, run_blocked_dense_weight_gradient},
    {"blocked/sampled_rows", takes_blocked_rows, entries_cost<kSampledProduct, kSampledVisit>,
     run_blocked_sampled<false>},
    {"blocked/sampled_panels", takes_blocked_panels, entries_cost<kPanelProduct, kPanelVisit>,
     run_blocked_sampled<true>},
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
