#pragma once

#include <atomic>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>

namespace coppice::train::cli {

/// What every command gets from the program around it.
struct Context {
  std::string command_line;
  const std::atomic<bool>* stop = nullptr;  ///< set by Ctrl-C
  /// The chosen command, set while arguments are parsed; returns the exit code.
  std::function<int()> run;
};

/// The exit code of a command that was stopped and can go on: that of a shell after Ctrl-C.
constexpr int kInterrupted = 130;

void add_train(CLI::App& app, Context& context);
void add_eval(CLI::App& app, Context& context);
void add_reproduce(CLI::App& app, Context& context);
void add_report(CLI::App& app, Context& context);
void add_data(CLI::App& app, Context& context);
void add_inspect(CLI::App& app, Context& context);
void add_export(CLI::App& app, Context& context);

}  // namespace coppice::train::cli
