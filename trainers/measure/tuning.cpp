#include <coppice/trainers/measure/tuning.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string_view>

#include <coppice/core/parallel.h>
#include <coppice/ops/trial.h>

namespace coppice::train::measure {
namespace {

double seconds_of(const Sample& sample, int threads) { return threads == 1 ? sample.cpu : sample.wall; }

void decide(TunedProblem& problem, const std::vector<std::vector<Sample>>& samples, const TuningOptions& options) {
  const int threads = num_threads();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    std::vector<double> seconds;
    for (const Sample& sample : samples[i]) seconds.push_back(seconds_of(sample, threads));
    problem.candidates[i].seconds = median(seconds);
  }
  problem.fastest = static_cast<std::size_t>(
      std::ranges::min_element(problem.candidates, {}, &TunedCandidate::seconds) - problem.candidates.begin());
  problem.kept = problem.chosen;
  if (problem.fastest == problem.chosen) return;
  const std::vector<std::vector<Sample>> pair{samples[problem.chosen], samples[problem.fastest]};
  const KeptRounds rounds = keep_rounds(pair, threads);
  problem.refused = rounds.refused;
  problem.gain = paired_ratio(rounds.seconds[0], rounds.seconds[1]);
  if (problem.refused.empty() && problem.gain.low > options.least_gain) problem.kept = problem.fastest;
}

TunedProblem measured(const Trial& trial, const TuningOptions& options) {
  TunedProblem problem{.problem = trial.problem, .chosen = trial.chosen, .fastest = trial.chosen, .kept = trial.chosen};
  std::vector<Timed> things;
  for (std::size_t i = 0; i < trial.candidates.size(); ++i) {
    problem.candidates.push_back({.name = trial.candidates[i]});
    things.push_back(
        {trial.candidates[i], [&trial, i](int calls) { return time_calls(calls, [&] { trial.run(i); }); }});
  }
  if (things.size() > 1) decide(problem, options.sample(things, options.sampling), options);
  return problem;
}

std::string verdict(const TunedProblem& problem) {
  if (problem.fastest == problem.chosen) return "";
  if (!problem.refused.empty()) return "refused: " + problem.refused;
  return problem.kept == problem.chosen ? "undecided" : "planned";
}

}  // namespace

std::vector<TunedProblem> tune(FunctionRef<void()> work, const TuningOptions& options) {
  work();
  std::vector<TunedProblem> problems;
  std::map<std::string, std::size_t> positions;
  const TrialScope scope([&](const Trial& trial) {
    const auto [found, is_new] = positions.emplace(trial.problem, problems.size());
    if (is_new) {
      problems.push_back(measured(trial, options));
      if (options.on_problem) options.on_problem(problems.back());
    }
    ++problems[found->second].calls;
  });
  work();
  return problems;
}

Plan tuned_plan(std::span<const TunedProblem> problems, const Conditions& conditions) {
  Plan plan;
  for (const auto& [key, value] : conditions) plan.set_condition(key, value);
  for (const TunedProblem& problem : problems) plan.set(problem.problem, problem.candidates[problem.kept].name);
  return plan;
}

std::string tuning_table(std::span<const TunedProblem> problems) {
  std::size_t widest = std::string_view("problem").size();
  std::size_t widest_name = std::string_view("cost model").size();
  for (const TunedProblem& problem : problems) {
    if (problem.candidates.size() == 1) continue;
    widest = std::max(widest, problem.problem.size());
    for (const TunedCandidate& candidate : problem.candidates)
      widest_name = std::max(widest_name, candidate.name.size());
  }
  std::string table;
  const auto add = [&](const std::string& key, const std::string& calls, const std::string& chosen,
                       const std::string& chosen_ms, const std::string& fastest, const std::string& fastest_ms,
                       const std::string& ratio, const std::string& what) {
    const auto cell = [&](const std::string& text, std::size_t width, bool right) {
      const std::string space(width > text.size() ? width - text.size() : 0, ' ');
      table += right ? space + text : text + space;
      table += "  ";
    };
    cell(key, widest, false);
    cell(calls, 5, true);
    cell(chosen, widest_name, false);
    cell(chosen_ms, 9, true);
    cell(fastest, widest_name, false);
    cell(fastest_ms, 9, true);
    cell(ratio, 5, true);
    table += what;
    table.erase(table.find_last_not_of(' ') + 1);
    table += '\n';
  };
  const auto number = [](const char* format, double value) {
    char text[32];
    std::snprintf(text, sizeof text, format, value);
    return std::string(text);
  };
  add("problem", "calls", "cost model", "ms", "fastest", "ms", "ratio", "");
  double by_model = 0.0, by_plan = 0.0;
  int single = 0;
  for (const TunedProblem& problem : problems) {
    if (problem.candidates.size() == 1) {
      ++single;
      continue;
    }
    const TunedCandidate& chosen = problem.candidates[problem.chosen];
    const TunedCandidate& fastest = problem.candidates[problem.fastest];
    by_model += problem.calls * chosen.seconds;
    by_plan += problem.calls * problem.candidates[problem.kept].seconds;
    add(problem.problem, std::to_string(problem.calls), chosen.name, number("%.3f", 1e3 * chosen.seconds), fastest.name,
        number("%.3f", 1e3 * fastest.seconds), number("%.2f", chosen.seconds / fastest.seconds), verdict(problem));
  }
  table += "these take " + number("%.2f", 1e3 * by_model) + " ms by the cost model, " + number("%.2f", 1e3 * by_plan) +
           " ms by the plan; " + std::to_string(single) + " problems have one kernel\n";
  return table;
}

}  // namespace coppice::train::measure
