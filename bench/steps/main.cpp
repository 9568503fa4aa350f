// Whole training steps, dense and sparse, as CSV: docs/measuring.md.

#include <CLI/CLI.hpp>
#include <cstdio>

#include <coppice/core/error.h>
#include <coppice/core/io/atomic_file.h>
#include <coppice/core/parallel.h>
#include <coppice/trainers/step_timing.h>

using namespace coppice;

int main(int argc, char** argv) {
  CLI::App app("Time whole training steps of networks at several sparsities");
  train::StepTimingOptions options;
  std::vector<std::string> networks = train::step_networks();
  std::vector<double> sparsities = {0.0, 0.8, 0.9, 0.95, 0.98};
  std::string masks = "erk";
  std::string out;
  int threads = 1;
  app.add_option("--network", networks, "which")->check(CLI::IsMember(train::step_networks()))->capture_default_str();
  app.add_option("--sparsity", sparsities, "of the prunable weights; 0: dense")->capture_default_str();
  app.add_option("--masks", masks)->check(CLI::IsMember({"uniform", "erk"}))->capture_default_str();
  app.add_option("--batch", options.batch_size, "images a step")->capture_default_str();
  app.add_option("--steps", options.steps, "timed; the median is taken")->capture_default_str();
  app.add_option("--threads", threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--out", out, "a CSV file; else it is printed");
  CLI11_PARSE(app, argc, argv);
  std::string command;
  for (int i = 0; i < argc; ++i) command.append(i > 0 ? " " : "").append(argv[i]);
  try {
    set_num_threads(threads);
    options.distribution = masks == "erk" ? sparsity::Distribution::Erk : sparsity::Distribution::Uniform;
    const train::measure::Conditions conditions = train::measure::current_conditions(command);
    std::vector<train::StepTiming> timings;
    for (const std::string& network : networks) {
      for (const double sparsity : sparsities) {
        options.network = network;
        options.sparsity = sparsity;
        timings.push_back(train::time_steps(options));
        const train::StepTiming& timing = timings.back();
        std::fprintf(stderr, "%-9s %4.1f %% sparse: %8.2f ms of processor, %8.2f ms of wall, %7.1f MiB\n",
                     network.c_str(), 100.0 * sparsity, 1e3 * timing.step.cpu, 1e3 * timing.step.wall,
                     static_cast<double>(timing.peak_bytes) / (1 << 20));
      }
    }
    const std::string csv = train::to_csv(timings, conditions);
    if (out.empty()) {
      std::fputs(csv.c_str(), stdout);
    } else {
      save_text(out, csv);
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
