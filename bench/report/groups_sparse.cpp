// Sparse products and convolutions beside the fastest dense ones.

#include <sstream>

#include "bench/report/groups.h"
#include "bench/report/operands.h"

namespace coppice::bench {
namespace {

constexpr double kHigh[] = {0.8, 0.9, 0.95, 0.98};

std::string percent(double sparsity) {
  std::ostringstream text;
  text << 100.0 * sparsity << " %";
  return text.str();
}

/// The races of one pass over all of `products`, unstructured (rows = 1) or in blocks.
std::vector<Race> race_products(Bench& bench, const std::vector<cases::ProductCase>& products, double sparsity,
                                int rows, FlopPhase phase, std::string* kernels) {
  std::vector<Race> races;
  for (const cases::ProductCase& p : products) {
    const SparseProduct product(p, sparsity, rows);
    races.push_back(
        race(bench, {{"coppice", product.pass(phase)}},
             {.peers = {"dnnl", "openblas"}, .peer_case = peer_case(p, phase), .rounds = 7, .sample_seconds = 0.003}));
    const std::string kernel = product.kernel(phase);
    if (kernels->find(kernel) == std::string::npos) *kernels += (kernels->empty() ? "" : ", ") + kernel;
  }
  return races;
}

void add_products(Bench& bench, std::vector<Row>& rows, const std::vector<cases::ProductCase>& products, int block,
                  FlopPhase phase, const std::vector<Goal>& goals) {
  for (std::size_t i = 0; i < goals.size(); ++i) {
    std::string kernels;
    const auto races = race_products(bench, products, kHigh[i], block, phase, &kernels);
    const std::string pattern = block == 1 ? "unstructured" : std::to_string(block) + "x1 blocks";
    rows.push_back(geometric_row(pattern + ", " + pass_name(phase) + ", " + percent(kHigh[i]), races, 0,
                                 bench.threads(), goals[i]));
    if (rows.back().note.empty()) rows.back().note = kernels;
  }
}

/// All three passes of a 3 × 3 layer, ours with that mask, and the dense ones of the peers.
Race race_layer(Bench& bench, const cases::LayerCase& c, std::int64_t batch, double sparsity, int block, bool train) {
  const Layer layer(c, batch, random_mask({c.outputs, c.inputs, 3, 3}, sparsity, block));
  std::vector<Race> races;
  for (const FlopPhase phase : kPhases) {
    if (!train && phase != FlopPhase::Forward) break;
    races.push_back(race(bench, {{"coppice", layer.pass(phase)}},
                         {.peers = {"dnnl"},
                          .peer_case = peer_case(c, batch, phase),
                          .rounds = 7,
                          .sample_seconds = 0.003,
                          .longest_seconds = 10.0}));
  }
  return sum(races, std::vector<double>(races.size(), 1.0));
}

/// All three passes of a layer with a sparse filter, and with our own dense one in the peer's place.
Race race_own_dense(Bench& bench, const cases::LayerCase& c, double sparsity) {
  const Layer sparse(c, 16, random_mask({c.outputs, c.inputs, 3, 3}, sparsity, 1)), dense(c, 16);
  const auto step = [](const Layer& layer) {
    return [passes = std::vector{layer.pass(kPhases[0]), layer.pass(kPhases[1]), layer.pass(kPhases[2])}] {
      for (const auto& pass : passes) pass();
    };
  };
  Race result = race(bench, {{"sparse", step(sparse)}, {"dense", step(dense)}},
                     {.rounds = 7, .sample_seconds = 0.003, .longest_seconds = 10.0});
  result.peers.push_back({"our dense kernels", false, result.ours[1]});
  return result;
}

}  // namespace

std::vector<Row> measure_sparse_products(Bench& bench) {
  std::vector<Row> rows;
  const auto& products = cases::sparse_products();
  const std::vector<Goal> goals = {{3.2, 1.8}, {6, 3.3}, {11, 6}, {20, 11}};
  add_products(bench, rows, products, 1, FlopPhase::Forward, goals);
  add_products(bench, rows, products, 1, FlopPhase::DataGradient, goals);
  add_products(bench, rows, products, 1, FlopPhase::WeightGradient, {{2.6, 1.8}, {4.8, 3.2}, {8.5, 5.5}});
  return rows;
}

std::vector<Row> measure_block_products(Bench& bench) {
  std::vector<cases::ProductCase> products;  // linear and 1 × 1
  for (const cases::ProductCase& p : cases::sparse_products()) {
    if (std::string(p.origin).find("3x3") == std::string::npos) products.push_back(p);
  }
  std::vector<Row> rows;
  const std::vector<Goal> goals = {{4.5, 3.5}, {9, 6.5}, {17, 12}};
  add_products(bench, rows, products, 8, FlopPhase::Forward, goals);
  add_products(bench, rows, products, 8, FlopPhase::DataGradient, goals);
  return rows;
}

std::vector<Row> measure_sparse_layers(Bench& bench) {
  std::vector<Row> rows;
  for (const int block : {1, 8}) {
    const std::string pattern = block == 1 ? "unstructured" : "8x1 blocks";
    std::vector<Race> steps, forward;
    std::vector<Row> each;
    for (const cases::LayerCase& c : cases::sparse_layers()) {
      steps.push_back(race_layer(bench, c, 16, 0.9, block, true));
      const double floor = block == 1 ? (c.inputs == 64 ? 3.8 : 4.5) : (c.inputs == 64 ? 5.0 : 6.5);
      each.push_back(
          row_of(pattern + ", " + c.name() + ", batch 16", steps.back(), 0, bench.threads(), {.floor = floor}));
      forward.push_back(race_layer(bench, c, 1, 0.9, block, false));
    }
    rows.push_back(geometric_row(pattern + ", three passes, batch 16", steps, 0, bench.threads(),
                                 block == 1 ? Goal{5.8, 4.5} : Goal{8, 6.5}));
    rows.insert(rows.end(), each.begin(), each.end());
    rows.push_back(geometric_row(pattern + ", forward, batch 1", forward, 0, bench.threads(), {4, 2.5}));
  }
  return rows;
}

std::vector<Row> measure_break_even(Bench& bench) {
  std::vector<Row> rows;
  for (const double sparsity : {0.3, 0.45, 0.55, 0.7}) {
    std::vector<Race> races;
    for (const cases::LayerCase& c : cases::sparse_layers()) races.push_back(race_own_dense(bench, c, sparsity));
    const Goal goal = sparsity == 0.45 ? Goal{1.0, 0.0} : sparsity == 0.55 ? Goal{1.0, 1.0} : Goal{0.0, 0.95};
    rows.push_back(geometric_row("unstructured step, " + percent(sparsity), races, 0, bench.threads(), goal));
  }
  return rows;
}

}  // namespace coppice::bench
