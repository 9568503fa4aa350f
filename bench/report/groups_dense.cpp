// Dense products and convolutions beside the vendors' libraries.

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <coppice/core/generator.h>
#include <coppice/ops/cpu/gemm.h>

#include "bench/report/groups.h"
#include "bench/report/operands.h"

namespace coppice::bench {
namespace {

Race race_product(Bench& bench, const cases::ProductCase& p, std::vector<std::string> peers) {
  Generator generator(1);
  const Tensor a = Tensor::randn({p.m, p.k}, generator), b = Tensor::randn({p.k, p.n}, generator);
  const Tensor c = Tensor::empty({p.m, p.n});
  const auto ours = [&] {
    cpu::gemm(cpu::Transpose::No, cpu::Transpose::No, p.m, p.n, p.k, a.data<float>(), p.k, b.data<float>(), p.n, false,
              c.data<float>(), p.n);
  };
  return race(
      bench, {{"coppice", ours}},
      {.peers = std::move(peers), .peer_case = peer_case(p, FlopPhase::Forward), .rounds = 9, .sample_seconds = 0.005});
}

const std::vector<std::string> kFastest = {"dnnl", "openblas", "openblas.tuned", "eigen", "torch2.tuned"};

Row product_row(Bench& bench, const cases::ProductCase& p, Goal goal,
                const std::vector<std::string>& peers = kFastest) {
  std::ostringstream what;
  what << p;
  Row row = row_of(what.str(), race_product(bench, p, peers), 0, bench.threads(), goal);
  row.flops = 2.0 * static_cast<double>(p.m * p.n * p.k);
  row.bytes = 4.0 * static_cast<double>(p.m * p.n + p.m * p.k + p.k * p.n);
  return row;
}

/// A row for every layer and pass, and before them one for the sum of each pass over the whole network.
std::vector<Row> layer_rows(Bench& bench, const std::vector<cases::LayerCase>& layers, std::int64_t batch) {
  std::vector<Row> sums, rows;
  for (const FlopPhase phase : kPhases) {
    std::vector<Race> races;
    std::vector<double> weights;
    double flops = 0.0;
    for (const cases::LayerCase& c : layers) {
      if (phase == FlopPhase::DataGradient && c.inputs == 3) continue;  // nobody asks for the images' gradient
      const Layer layer(c, batch);
      races.push_back(race(bench, {{"coppice", layer.pass(phase)}},
                           {.peers = {"dnnl"},
                            .peer_case = peer_case(c, batch, phase),
                            .rounds = 6,
                            .sample_seconds = 0.002,
                            .longest_seconds = 10.0}));
      weights.push_back(static_cast<double>(c.count));
      flops += layer.flops() * weights.back();
      Row row =
          row_of(std::string(pass_name(phase)) + ' ' + c.name(), races.back(), 0, bench.threads(), {.floor = 0.8});
      row.flops = layer.flops();
      row.bytes = layer.bytes();
      if (row.note.empty()) row.note = layer.kernel(phase);
      rows.push_back(std::move(row));
    }
    const Goal goal{1.0, phase == FlopPhase::Forward ? 0.92 : 0.9};
    sums.push_back(
        row_of(std::string("all layers, ") + pass_name(phase), sum(races, weights), 0, bench.threads(), goal));
    sums.back().flops = flops;
  }
  sums.insert(sums.end(), rows.begin(), rows.end());
  return sums;
}

}  // namespace

std::vector<Row> measure_products(Bench& bench) {
  std::vector<Row> rows;
  for (const cases::ProductCase& p : cases::goal_products()) rows.push_back(product_row(bench, p, {0.98, 0.93}));
  return rows;
}

std::vector<Row> measure_tails(Bench& bench) {
  std::vector<Row> rows;
  for (const cases::ProductCase& p : cases::tail_products()) {
    if (p.n > 1) {
      rows.push_back(product_row(bench, p, {1.25, 1.0}));
      continue;
    }
    rows.push_back(product_row(bench, p, {.floor = 3.0}, {"torch1.tuned", "torch1.installed"}));
    rows.back().what += ", torch 1.13";
    rows.push_back(product_row(bench, p, {.goal = 1.0}));
  }
  return rows;
}

std::vector<Row> measure_resnet50_layers(Bench& bench) { return layer_rows(bench, cases::resnet50_layers(), 16); }

std::vector<Row> measure_resnet18_layers(Bench& bench) { return layer_rows(bench, cases::resnet18_cifar_layers(), 64); }

}  // namespace coppice::bench
