#include "bench/report/document.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <coppice/core/error.h>
#include <coppice/core/io/atomic_file.h>
#include <coppice/core/parallel.h>

#include "bench/report/groups.h"
#include "bench/report/page.h"
#include "bench/report/steps.h"

namespace coppice::bench {
namespace {

namespace measure = train::measure;
namespace fs = std::filesystem;

std::string rate_text(double per_second, const char* unit) {
  char text[40];
  std::snprintf(text, sizeof(text), "%.4g %s", per_second * 1e-9, unit);
  return text;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

GroupResult measure_group(const Group& group, const Options& options, const std::string& command) {
  GroupResult result;
  const bool two = group.two_threads && std::thread::hardware_concurrency() >= 2;
  for (const int threads : {1, 2}) {
    if (threads == 2 && !two) continue;
    set_num_threads(threads);
    const measure::Ceilings ceilings = measure::measure_ceilings();
    Bench bench(threads, options.venv, ceilings);
    const std::vector<Row> rows = group.measure(bench);
    result.rows.insert(result.rows.end(), rows.begin(), rows.end());
    if (threads == 1) {
      result.conditions = measure::current_conditions(command);
      result.conditions.emplace_back("peak.flops", rate_text(ceilings.flops, "GFLOP/s"));
      result.conditions.emplace_back("peak.l2", rate_text(ceilings.l2, "GB/s"));
      result.conditions.emplace_back("peak.bandwidth", rate_text(ceilings.dram, "GB/s"));
    }
    for (const auto& [key, title] : bench.peer_titles()) {
      if (measure::condition(result.conditions, key).empty()) result.conditions.emplace_back(key, title);
    }
  }
  return result;
}

Results read_results(const fs::path& folder) {
  Results results;
  if (!fs::exists(folder)) return results;
  for (const fs::directory_entry& isa : fs::directory_iterator(folder)) {
    for (const Group& group : groups()) {
      const fs::path file = isa.path() / (std::string(group.key) + ".csv");
      if (!fs::exists(file)) continue;
      std::ifstream stream(file, std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
      results[isa.path().filename().string()][group.key] = group_from_csv(text);
    }
  }
  return results;
}

void render(const Options& options) {
  const Results results = read_results(options.results);
  const fs::path folder = fs::path(options.page).parent_path();
  fs::create_directories(folder / "images");
  save_text(options.page, page(results, "images"));
  for (const auto& [isa, groups_there] : results) {
    save_text(folder / "images" / ("roofline-" + isa + ".svg"), roofline(groups_there, isa));
    const auto steps = groups_there.find("steps");
    if (steps == groups_there.end()) continue;
    save_text(folder / "images" / ("steps-" + isa + ".svg"), step_picture(steps->second));
  }
}

}  // namespace

const std::vector<Group>& groups() {
  static const std::vector<Group> all = {
      {"gemm", "Matrix products",
       "Squares, and products of ResNet-50's layers at batch 1; oneDNN has its weights packed before.",
       measure_products, false},
      {"tails", "Products that no tile fits", "49 columns; and one, beside torch.", measure_tails, false},
      {"conv-resnet50", "Convolutions of ResNet-50, batch 16",
       "Beside oneDNN's direct kernels in its own blocked layouts. Sums weigh each layer by how often the network has "
       "it; the "
       "note names our kernel.",
       measure_resnet50_layers, false},
      {"conv-resnet18", "Convolutions of ResNet-18 for 32 x 32, batch 64", "Likewise.", measure_resnet18_layers, false},
      {"inference", "Inference of ResNet-50", "Images of 224 x 224; peers fold their batch norms.", measure_inference,
       true},
      {"training", "A training step of ResNet-18 for 32 x 32, batch 128",
       "Forward, backward and SGD with momentum, beside the fastest dense step of PyTorch (channels-last).",
       measure_training, true},
      {"steps", "Training steps by sparsity",
       "Forward, backward and SGD with momentum, masks by ERK or uniform, beside PyTorch's fastest dense step.",
       measure_steps, false},
      {"sparse-products", "Unstructured products",
       "Geometric means over eight shapes (tests/cases/network_cases.h) beside the fastest dense product.",
       measure_sparse_products, false},
      {"block-products", "Products in 8 x 1 blocks", "Linear layers and 1 x 1 convolutions, likewise.",
       measure_block_products, false},
      {"sparse-conv", "Sparse 3 x 3 convolutions at 90 %",
       "Forward, data and weight gradient together, beside oneDNN's dense direct kernels; geometric means over four "
       "layers.",
       measure_sparse_layers, false},
      {"break-even", "From which sparsity on sparse training pays",
       "The three passes of the four layers, unstructured, beside our own dense kernels.", measure_break_even, false},
      {"bandwidth", "Operations bound by memory",
       "Beside what streaming their operands and results once takes at the measured bandwidth; results are fresh "
       "tensors.",
       measure_bandwidth, false},
      {"optimizer", "Optimiser, selection, and what is held",
       "Masked beside dense; selection beside its promised time.", measure_optimizer, true},
      {"small", "Small operations",
       "A chain of 100 additions of (1, 32) tensors, each; \"installed\" is LibTorch in C++.", measure_small_ops,
       false},
      {"size", "Start, size, peak memory", "Of the program, the library, and a process that trains.", measure_size,
       false},
      {"threads", "Two threads over one", "The same call on one thread and on two, in turn.", measure_threads, true},
  };
  return all;
}

int write_document(const Options& options, const std::string& command) {
  for (const std::string& key : options.only) {
    COPPICE_CHECK(key == "page" || std::ranges::any_of(groups(), [&](const Group& g) { return g.key == key; }),
                  "[bench] there is no group '", key, "'; docs/measuring.md lists them");
  }
  const std::string isa = lower(measure::condition(measure::current_conditions(command), "isa"));
  int failures = 0;
  for (const Group& group : groups()) {
    if (!options.only.empty() && std::ranges::find(options.only, group.key) == options.only.end()) continue;
    const double start = measure::wall_seconds();
    std::fprintf(stderr, "%-16s ", group.key);
    try {
      const GroupResult result = measure_group(group, options, command);
      const fs::path folder = fs::path(options.results) / isa;
      fs::create_directories(folder);
      save_text(folder / (std::string(group.key) + ".csv"), to_csv(result));
      render(options);
      std::fprintf(stderr, "%zu rows in %.0f s\n", result.rows.size(), measure::wall_seconds() - start);
    } catch (const Error& error) {
      std::fprintf(stderr, "failed: %s\n", error.what());
      ++failures;
    }
  }
  render(options);
  return failures == 0 ? 0 : 1;
}

}  // namespace coppice::bench
