#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include <coppice/sparsity/nearest.h>
#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/environment.h>

namespace {

constexpr const char* kFooter =
    "Exit codes:\n"
    "  0    done\n"
    "  1    what was asked could not be done\n"
    "  2    the command line or a recipe is wrong; nothing was done\n"
    "  130  ended by Ctrl-C or SIGTERM; what was finished is kept\n\n"
    "Examples:\n"
    "  coppice reproduce reactivation                  the table of a paper at toy scale, in minutes\n"
    "  coppice reproduce reactivation --add mine.toml  the same with a method of your own\n"
    "  coppice COMMAND --help                          everything a command takes\n";

std::atomic<bool> stop_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may write it");

extern "C" void ask_to_stop(int signal) {
  stop_asked = true;
  std::signal(signal, SIG_DFL);  // a second Ctrl-C ends the program at once
}

std::string version() {
  const coppice::train::Environment environment = coppice::train::current_environment();
  const std::string commit =
      environment.commit.empty() ? "" : ", " + environment.commit.substr(0, 12) + (environment.dirty ? "+" : "");
  return "coppice " + environment.version + " (" + environment.compiler + ", " + environment.build + ", " +
         environment.isa + commit + ")";
}

std::string join(int count, char** arguments) {
  std::string line = "coppice";
  for (int i = 1; i < count; ++i) line += std::string(" ") + arguments[i];
  return line;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.emplace_back(command->get_name());
  }
  return names;
}

}  // namespace

int main(int argc, char** argv) {
  namespace cli = coppice::train::cli;
  CLI::App app("Coppice: train networks whose weights are sparse from the first step");
  app.name("coppice");
  app.require_subcommand(1);
  app.set_version_flag("--version", version);
  cli::Context context{.command_line = join(argc, argv),
                       .arguments = {argv + std::min(argc, 2), argv + argc},
                       .stop = &stop_asked,
                       .run = {}};
  cli::add_train(app, context);
  cli::add_eval(app, context);
  cli::add_infer(app, context);
  cli::add_reproduce(app, context);
  cli::add_report(app, context);
  cli::add_data(app, context);
  cli::add_inspect(app, context);
  cli::add_export(app, context);
  cli::add_bench(app, context);
  cli::add_latency(app, context);
  cli::add_tune(app, context);
  app.footer(kFooter);  // commands would inherit it, had it been there before them

  const std::vector<std::string> commands = command_names(app);
  if (argc > 1 && argv[1][0] != '-' && std::find(commands.begin(), commands.end(), argv[1]) == commands.end()) {
    const std::string_view meant = coppice::sparsity::detail::nearest(argv[1], {commands.begin(), commands.end()});
    std::fprintf(stderr, "coppice: there is no command '%s'; did you mean '%s'?\n", argv[1],
                 std::string(meant).c_str());
    return cli::kUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? cli::kSuccess : cli::kUsage;
  }
  std::signal(SIGINT, ask_to_stop);
  std::signal(SIGTERM, ask_to_stop);
  try {
    return context.run();
  } catch (const cli::UsageError& error) {
    std::fprintf(stderr, "coppice: %s\n", error.what());
    return cli::kUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "coppice: %s\n", error.what());
    return cli::kFailure;
  }
}
