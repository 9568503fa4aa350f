// Training steps of three networks from dense to 98 % sparse, beside PyTorch's dense ones.

#include <coppice/trainers/step_timing.h>

#include "bench/report/groups.h"
#include "bench/report/steps.h"

namespace coppice::bench {
namespace {

struct StepCase {
  const char* network;  ///< of train::step_networks()
  const char* title;
  std::int64_t batch;
};
constexpr StepCase kCases[] = {
    {"mnist_mlp", "MLP 784-300-100-10", 64}, {"resnet20", "ResNet-20", 128}, {"resnet18", "ResNet-18", 32}};

}  // namespace

std::vector<Row> measure_steps(Bench& bench) {
  std::vector<Row> rows;
  for (const StepCase& c : kCases) {
    for (const double sparsity : kStepSparsities) {
      std::vector<Ours> ways;
      for (const auto& [distribution, name] :
           {std::pair{sparsity::Distribution::Erk, "ERK"}, {sparsity::Distribution::Uniform, "uniform"}}) {
        if (sparsity == 0.0 && !ways.empty()) break;
        ways.push_back(
            {step_row_name(c.title, sparsity == 0.0 ? "dense" : name, sparsity),
             train::training_step(
                 {.network = c.network, .sparsity = sparsity, .distribution = distribution, .batch_size = c.batch})});
      }
      const Race steps = race(bench, ways,
                              {.peers = {"torch2.tuned", "torch2.installed"},
                               .peer_case = std::string("step network=") + c.network + " n=" + std::to_string(c.batch),
                               .rounds = 6,
                               .longest_seconds = 40.0,
                               .widest = 0.25});  // rows differ by factors
      for (std::size_t way = 0; way < ways.size(); ++way) {
        rows.push_back(row_of(ways[way].name, steps, way, bench.threads(), {}));
        if (rows.back().note.empty()) rows.back().note = "batch " + std::to_string(c.batch);
      }
    }
  }
  return rows;
}

}  // namespace coppice::bench
