#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include <coppice/trainers/cli/bench_options.h>
#include <coppice/trainers/cli/commands.h>

namespace coppice::train::cli {
namespace {

/// The benchmarks are a program of their own, which needs Google Benchmark: beside this one, in the build tree's
/// folder, or among an installation's helpers.
std::filesystem::path find_program() {
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  for (const char* place : {"coppice-bench", "bench/coppice-bench", "../libexec/coppice/coppice-bench"}) {
    if (std::filesystem::exists(here / place)) return here / place;
  }
  detail::fail("[bench] expects the program coppice-bench in ", here.string(),
               ", its folder bench, or ../libexec/coppice; build the target coppice-bench");
}

int run(const std::vector<std::string>& arguments) {
  const std::string program = find_program();
  std::vector<char*> pointers{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  ::execv(program.c_str(), pointers.data());
  detail::fail("[bench] ", program, " could not be started: ", std::strerror(errno));
}

}  // namespace

void add_bench(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("bench", "Measure kernels, beside other engines' too (docs/measuring.md)");
  auto options = std::make_shared<BenchOptions>();
  add_bench_options(*command, *options);
  command->callback([options, &context] { context.run = [&context] { return run(context.arguments); }; });
}

}  // namespace coppice::train::cli
