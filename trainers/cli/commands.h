#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <coppice/core/error.h>
#include <coppice/trainers/recipe/recipe.h>

namespace coppice::train::cli {

/// What the program's end tells a shell; --help lists them.
inline constexpr int kSuccess = 0;
inline constexpr int kFailure = 1;        ///< what was asked could not be done
inline constexpr int kUsage = 2;          ///< the command line or a recipe is wrong: nothing was done
inline constexpr int kInterrupted = 130;  ///< ended by Ctrl-C or SIGTERM; what was finished is kept

/// A mistake of the user's: the program ends with kUsage.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// Calls what reads the user's settings; an error in them is a UsageError.
template <class Call>
auto as_usage(Call&& call) {
  try {
    return call();
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
}

/// What every command gets from the program around it.
struct Context {
  std::string command_line;
  std::vector<std::string> arguments{};     ///< after the command's name
  const std::atomic<bool>* stop = nullptr;  ///< set by Ctrl-C
  /// The chosen command, set while arguments are parsed; returns the exit code.
  std::function<int()> run;
};

/// The parts of a `--set KEY=VALUE`.
std::pair<std::string, std::string> key_and_value(const std::string& setting);
/// Prints keys of a recipe with what they take.
void print_keys(const std::vector<RecipeKey>& keys);

// Every command's help ends with an example: its footer.
void add_train(CLI::App& app, Context& context);
void add_eval(CLI::App& app, Context& context);
void add_infer(CLI::App& app, Context& context);
void add_reproduce(CLI::App& app, Context& context);
void add_report(CLI::App& app, Context& context);
void add_data(CLI::App& app, Context& context);
void add_inspect(CLI::App& app, Context& context);
void add_export(CLI::App& app, Context& context);
void add_bench(CLI::App& app, Context& context);
void add_latency(CLI::App& app, Context& context);
void add_tune(CLI::App& app, Context& context);

}  // namespace coppice::train::cli
