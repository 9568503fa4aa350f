#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>

#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/environment.h>

namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;

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

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Coppice: train networks whose weights are sparse from the first step");
  app.name("coppice");
  app.require_subcommand(1);
  app.set_version_flag("--version", version);
  coppice::train::cli::Context context{.command_line = join(argc, argv), .stop = &stop_asked, .run = {}};
  coppice::train::cli::add_train(app, context);
  coppice::train::cli::add_eval(app, context);
  coppice::train::cli::add_reproduce(app, context);
  coppice::train::cli::add_report(app, context);
  coppice::train::cli::add_data(app, context);
  coppice::train::cli::add_inspect(app, context);
  coppice::train::cli::add_export(app, context);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  std::signal(SIGINT, ask_to_stop);
  std::signal(SIGTERM, ask_to_stop);
  try {
    return context.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "coppice: %s\n", error.what());
    return kFailure;
  }
}
