#include <coppice/ops/conv2d_costs.h>

#include <algorithm>

#include <coppice/core/mask.h>
#include <coppice/ops/conv2d_passes.h>
#include <coppice/ops/filter_structure.h>
#include <coppice/ops/memory_format.h>

namespace coppice {

namespace {

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
double entries_cost(const Conv2dProblem& p, double product, double visit) {
  return pixels(p) * entries_product(p, product, visit) + entries(p) * kPacked;
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

bool has_entries(const Conv2dProblem& p) {
  if (p.sparse == nullptr) return group_outputs(p) < kPanelRows && p.weight[1] < kPanelRows;
  return p.phase == FlopPhase::WeightGradient || p.sparse->stored().count() == p.sparse->alive().count();
}
bool has_panels(const Conv2dProblem& p) {
  if (p.sparse == nullptr || !has_entries(p)) return false;
  const std::int64_t shared =
      shared_rows(p.phase == FlopPhase::WeightGradient ? p.sparse->trainable() : p.sparse->alive());
  return shared > 1 && group_outputs(p) % shared == 0;
}
}  // namespace

bool is_blocked(const Conv2dProblem& p) { return p.format == MemoryFormat::Blocked; }
bool is_contiguous(const Conv2dProblem& p) { return p.format == MemoryFormat::Contiguous; }
bool fits_strips(const Conv2dProblem& p) {
  return is_contiguous(p) && p.input[0] > 0 && 2 * p.input[0] <= image_block(p.dtype);
}

bool takes_blocked_rows(const Conv2dProblem& p) { return is_blocked(p) && has_entries(p); }
bool takes_blocked_panels(const Conv2dProblem& p) { return is_blocked(p) && has_panels(p); }

bool takes_strip_rows(const Conv2dProblem& p) { return fits_strips(p) && has_entries(p); }
bool takes_strip_panels(const Conv2dProblem& p) { return fits_strips(p) && has_panels(p); }

double dense_cost(const Conv2dProblem& p) {
  return panel_weights(p) * pixels(p) + weights(p) * (p.sparse != nullptr ? 2.0 : 1.0) * kPacked;
}
double im2col_cost(const Conv2dProblem& p) {
  const double columns = pixels(p) * weights(p) / static_cast<double>(p.weight[0]);
  return weights(p) * pixels(p) * kIm2col + columns * kColumn + (p.sparse != nullptr ? weights(p) * kPacked : 0.0);
}

double gridded_cost(const Conv2dProblem& p) {
  const bool one_grid = p.options.stride[0] == 1 && p.options.stride[1] == 1;
  return dense_cost(p) * (one_grid ? 1.0 : kManyGrids);
}
double scattered_cost(const Conv2dProblem& p) { return dense_cost(p) * kScatteredProduct; }

double rows_cost(const Conv2dProblem& p) { return entries_cost(p, kEntryProduct, kRowVisit); }
double panels_cost(const Conv2dProblem& p) { return entries_cost(p, kPanelProduct, kPanelVisit); }
double scattered_panels_cost(const Conv2dProblem& p) { return entries_cost(p, kScatteredProduct, kPanelVisit); }
double sampled_rows_cost(const Conv2dProblem& p) { return entries_cost(p, kSampledProduct, kSampledVisit); }

double dense_strips_cost(const Conv2dProblem& p) {
  return strips_cost(p, panel_weights(p)) + weights(p) * (p.sparse != nullptr ? 2.0 : 1.0) * kPacked;
}
double row_strips_cost(const Conv2dProblem& p) {
  return strips_cost(p, entries_product(p, kEntryProduct, kRowVisit)) + entries(p) * kPacked;
}
double panel_strips_cost(const Conv2dProblem& p) {
  return strips_cost(p, entries_product(p, kPanelProduct, kPanelVisit)) + entries(p) * kPacked;
}

}  // namespace coppice
