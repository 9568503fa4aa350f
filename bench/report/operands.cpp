#include "bench/report/operands.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include <coppice/core/generator.h>
#include <coppice/ops/memory_format.h>
#include <coppice/sparsity/distribution.h>

namespace coppice::bench {

const char* pass_name(FlopPhase phase) {
  switch (phase) {
    case FlopPhase::Forward: return "forward";
    case FlopPhase::DataGradient: return "data";
    case FlopPhase::WeightGradient: break;
  }
  return "weight";
}

Mask random_mask(const Shape& shape, double sparsity, int rows) {
  Generator generator(1);
  const std::int64_t columns = shape.numel() / shape[0];
  const Shape blocks{(shape[0] + rows - 1) / rows, columns};
  const Mask drawn = Mask::random(blocks, sparsity::alive_count(blocks.numel(), 1.0 - sparsity), generator);
  std::vector<std::int64_t> positions;
  drawn.for_each([&](std::int64_t position, std::int64_t) {
    const std::int64_t first = position / columns * rows;
    for (std::int64_t row = first; row < std::min(first + rows, shape[0]); ++row) {
      positions.push_back(row * columns + position % columns);
    }
  });
  const Mask mask = Mask::from_positions(shape, positions);
  return rows == 1 ? mask : mask.with_pattern(Pattern::block(rows, 1));
}

Layer::Layer(const cases::LayerCase& layer, std::int64_t batch, const Mask& mask) {
  Generator generator(1);
  const std::int64_t o = layer.output_size(), k = layer.kernel;
  options_ = {.stride = {layer.stride, layer.stride}, .padding = {k / 2, k / 2}};
  input_ = Tensor::randn({batch, layer.inputs, layer.size, layer.size}, generator);
  output_ = Tensor::randn({batch, layer.outputs, o, o}, generator);
  weight_ = Tensor::randn({layer.outputs, layer.inputs, k, k}, generator);
  flops_ = 2.0 * static_cast<double>(weight_.numel() * batch * o * o);
  bytes_ = 4.0 * static_cast<double>(weight_.numel() + input_.numel() + output_.numel());
  if (mask.defined()) weight_ = Tensor::masked(weight_, mask);
  if (batch >= image_block(kFloat32)) {
    input_ = input_.to(MemoryFormat::Blocked);
    output_ = output_.to(MemoryFormat::Blocked);
  }
}

Conv2dProblem Layer::problem(FlopPhase phase) const {
  return {.phase = phase,
          .input = input_.shape(),
          .weight = weight_.shape(),
          .output = output_.shape(),
          .options = options_,
          .dtype = kFloat32,
          .format = input_.memory_format(),
          .sparse = weight_.is_masked() ? &weight_.weight_state() : nullptr};
}

std::function<void()> Layer::pass(FlopPhase phase) const {
  Conv2dOperands operands;
  if (phase != FlopPhase::DataGradient) operands.x = input_;
  if (phase != FlopPhase::Forward) operands.y = output_;
  if (phase != FlopPhase::WeightGradient && !weight_.is_masked()) operands.weight = weight_;
  const Conv2dProblem what = problem(phase);
  const Conv2dCandidate& candidate = choose_conv2d(what);
  return [what, operands, &candidate] { candidate.run(what, operands); };
}

std::string Layer::kernel(FlopPhase phase) const { return choose_conv2d(problem(phase)).name; }

std::string peer_case(const cases::LayerCase& layer, std::int64_t batch, FlopPhase phase) {
  std::ostringstream text;
  text << "conv pass=" << pass_name(phase) << " n=" << batch << " ci=" << layer.inputs << " co=" << layer.outputs
       << " h=" << layer.size << " k=" << layer.kernel << " stride=" << layer.stride;
  return text.str();
}

SparseProduct::SparseProduct(const cases::ProductCase& product, double sparsity, int rows) : samples_(product.n) {
  Generator generator(1);
  const Shape shape{product.m, product.k};
  weight_ = Tensor::masked(Tensor::randn(shape, generator), random_mask(shape, sparsity, rows));
  x_ = Tensor::randn({product.n, product.k}, generator);
  y_ = Tensor::randn({product.n, product.m}, generator);
}

std::function<void()> SparseProduct::pass(FlopPhase phase) const {
  LinearOperands operands;
  if (phase != FlopPhase::DataGradient) operands.x = x_;
  if (phase != FlopPhase::Forward) operands.y = y_;
  const WeightState* const weight = &weight_.weight_state();
  const LinearCandidate& candidate = choose_linear(phase, *weight, samples_);
  return [weight, operands, &candidate] { candidate.run(*weight, operands); };
}

std::string SparseProduct::kernel(FlopPhase phase) const {
  return choose_linear(phase, weight_.weight_state(), samples_).name;
}

std::string peer_case(const cases::ProductCase& p, FlopPhase phase) {
  std::int64_t m = p.m, n = p.n, k = p.k;
  if (phase == FlopPhase::DataGradient) std::swap(m, k);
  if (phase == FlopPhase::WeightGradient) std::swap(n, k);
  std::ostringstream text;
  text << "gemm m=" << m << " n=" << n << " k=" << k;
  return text.str();
}

Row geometric_row(const std::string& what, const std::vector<Race>& races, std::size_t way, int threads, Goal goal) {
  Row row{.what = what, .threads = threads, .goal = goal.goal, .floor = goal.floor};
  std::size_t rounds = 1000;
  for (const Race& race : races) {
    if (!race.refused.empty()) row.note = race.refused;
    if (race.peers.empty()) row.note = "no peer";
    rounds = std::min(rounds, race.ours.at(way).size());
  }
  if (!row.note.empty()) return row;
  std::vector<double> logarithms(rounds, 0.0);  // of peer / ours, summed
  double ours = 0.0, peers = 0.0;
  for (const Race& race : races) {
    const auto best = std::ranges::min_element(
        race.peers, {}, [](const Race::Runner& runner) { return train::measure::median(runner.seconds); });
    row.peer = best->title;
    ours += std::log(train::measure::median(race.ours[way]));
    peers += std::log(train::measure::median(best->seconds));
    for (std::size_t i = 0; i < rounds; ++i) logarithms[i] += std::log(best->seconds[i] / race.ours[way][i]);
  }
  const auto count = static_cast<double>(races.size());
  row.ours = std::exp(ours / count);
  row.peers = std::exp(peers / count);
  std::vector<double> ratios;
  for (const double sum : logarithms) ratios.push_back(std::exp(sum / count));
  row.ratio = train::measure::paired_ratio(ratios, std::vector<double>(rounds, 1.0));
  refuse_blurred(row);
  return row;
}

}  // namespace coppice::bench
