#include <algorithm>
#include <cstdio>
#include <memory>

#include <coppice/core/io/atomic_file.h>
#include <coppice/core/parallel.h>
#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/measure/conditions.h>
#include <coppice/trainers/measure/latency.h>

namespace coppice::train::cli {
namespace {

struct Arguments {
  std::vector<std::string> layers = {"conv3x3:3:1:14"};
  measure::LatencyOptions options{};
  int threads = 1;
  std::string isa{};
  std::string out = "latency.csv";
  std::string table{};
};

/// Says what a table holds, whoever measured it.
int show(const std::string& file) {
  const measure::LatencyTable table = measure::LatencyTable::load(file);
  for (const auto& [key, value] : table.conditions()) std::printf("%-12s %s\n", key.c_str(), value.c_str());
  for (const std::string& layer : table.layers()) {
    const auto count = std::ranges::count(table.points(), layer, &measure::LatencyPoint::layer);
    std::printf("%-12s %td points\n", layer.c_str(), count);
  }
  return kSuccess;
}

int run(const Arguments& arguments, const std::string& command) {
  if (!arguments.table.empty()) return show(arguments.table);
  measure::LatencyOptions options = arguments.options;
  as_usage([&] {
    if (!arguments.isa.empty()) measure::force_isa(arguments.isa);
    for (const std::string& layer : arguments.layers) options.layers.push_back(measure::parse_layer(layer));
    return true;
  });
  set_num_threads(arguments.threads);
  const measure::LatencyTable table = measure::measure_latency(options, command);
  save_text(arguments.out, table.to_csv());
  std::printf("written: %s, %zu points\n", arguments.out.c_str(), table.points().size());
  return kSuccess;
}

}  // namespace

void add_latency(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("latency", "Measure what layers take by their channels (docs/latency.md)");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--layer", arguments->layers, "NAME:KERNEL:STRIDE:SIZE of a convolution; several may be given")
      ->capture_default_str();
  command->add_option("--batch", arguments->options.batch, "images")->check(CLI::PositiveNumber)->capture_default_str();
  command
      ->add_option("--largest", arguments->options.largest, "number of channels; the grid is 8 … 64 by 8, then by 32")
      ->check(CLI::Range(8, 4096))
      ->capture_default_str();
  command->add_option("--rounds", arguments->options.rounds, "each there and back")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "one: processor time counts; several: wall-clock time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--isa", arguments->isa, "keep kernels to avx512, avx2, sse4, neon or generic");
  command->add_option("--out", arguments->out, "the table")->capture_default_str();
  command->add_option("--table", arguments->table,
                      "measure nothing: check this table, of whatever device, and say what it has");
  command->footer(
      "Example:\n  coppice latency --layer stage3:3:1:14 --layer stage4:3:1:7 --largest 256 --out latency.csv");
  command->callback(
      [arguments, &context] { context.run = [arguments, &context] { return run(*arguments, context.command_line); }; });
}

}  // namespace coppice::train::cli
