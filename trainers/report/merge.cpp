#include <coppice/trainers/report/merge.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include <coppice/core/error.h>
#include <coppice/trainers/report/format.h>
#include <coppice/trainers/report/paper.h>

namespace coppice::train::report {
namespace {

using Key = std::tuple<std::string, double, std::uint64_t>;  // method, sparsity, seed

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  COPPICE_CHECK(file.good() || file.eof(), "[report] cannot read ", path.string());
  return text;
}

/// `what` with the file's name in front of what goes wrong inside.
template <class Read>
auto naming(const std::filesystem::path& path, Read read) {
  try {
    return read(read_text(path));
  } catch (const Error& error) {
    detail::fail("[report] ", path.string(), ": ", error.what());
  }
}

void check_row(const ResultRow& row) {
  COPPICE_CHECK(!row.method.empty(), "expects a method in every row");
  COPPICE_CHECK(row.accuracy > 0.0 && row.accuracy <= 1.0, "expects accuracy as a fraction in (0, 1]; got ",
                row.accuracy, " for ", row.method);
  COPPICE_CHECK(row.sparsity >= 0.0 && row.sparsity < 1.0, "expects sparsity as a fraction in [0, 1); got ",
                row.sparsity, " for ", row.method);
  for (const double value : {row.accuracy_sd, row.train_flops_ratio, row.seconds, row.cpu_seconds}) {
    COPPICE_CHECK(std::isfinite(value) && value >= 0.0, "expects no negative and no infinite costs; got ", value,
                  " for ", row.method);
  }
}

ForeignTable read_table(const std::filesystem::path& path) {
  ForeignTable table{.name = path.string()};
  table.rows = naming(path, [](const std::string& text) {
    std::vector<ResultRow> rows = rows_from_csv(text);
    for (const ResultRow& row : rows) check_row(row);
    return rows;
  });
  std::set<Key> seen;
  for (ResultRow& row : table.rows) {
    if (row.source.empty()) row.source = table.name;
    const Key key{concat(row.dataset, "\n", row.scale, "\n", row.source, "\n", row.method), row.sparsity, 0};
    COPPICE_CHECK(seen.insert(key).second, "[report] ", table.name, ": ", row.method, " at ", percent(row.sparsity),
                  " % sparsity is in two rows");
  }
  return table;
}

std::string commit_of(const Environment& environment) {
  if (environment.commit.empty()) return "unknown";
  return concat(environment.commit.substr(0, 12), environment.dirty ? "+" : "");
}

/// What numbers of a part depend on besides method, sparsity and seed, by name.
std::vector<std::pair<std::string, std::string>> conditions_of(const Results& results) {
  std::vector<std::pair<std::string, std::string>> conditions;
  for (const auto& [what, sum] : results.checksums) conditions.emplace_back(concat("checksum of ", what), sum);
  for (const auto& option : results.options) conditions.push_back(option);
  const Environment& environment = results.environment;
  conditions.insert(conditions.end(), {{"version", environment.version},
                                       {"commit", commit_of(environment)},
                                       {"compiler", environment.compiler},
                                       {"build", environment.build},
                                       {"processor", environment.cpu},
                                       {"instruction set", environment.isa},
                                       {"device", environment.device},
                                       {"trainings side by side", std::to_string(results.jobs)},
                                       {"threads of a training", std::to_string(results.threads_per_run)}});
  return conditions;
}

void say_differences(const Part& first, const Part& other, std::vector<std::string>& differences) {
  const auto mine = conditions_of(first.results);
  const auto theirs = conditions_of(other.results);
  std::vector<std::string> names;
  for (const auto* list : {&mine, &theirs}) {
    for (const auto& [name, value] : *list) {
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
  }
  const auto value_of = [](const auto& list, const std::string& name) -> std::string {
    const auto found = std::ranges::find(list, name, [](const auto& pair) { return pair.first; });
    return found == list.end() ? "not set" : found->second;
  };
  for (const std::string& name : names) {
    const std::string a = value_of(mine, name);
    const std::string b = value_of(theirs, name);
    if (a == b) continue;
    differences.push_back(concat(name, ": ", a, " in ", first.name, ", ", b, " in ", other.name));
  }
}

/// The texts of `rows` in one field, each once.
void join_texts(ResultRow& row, const std::vector<const ResultRow*>& rows, std::string ResultRow::*field) {
  std::vector<std::string> texts;
  for (const ResultRow* other : rows) {
    if (std::ranges::find(texts, other->*field) == texts.end()) texts.push_back(other->*field);
  }
  std::string joined;
  for (const std::string& text : texts) joined += concat(joined.empty() ? "" : "; ", text);
  row.*field = joined;
}

/// Rows over the runs of all parts; where several parts share a row, their conditions stand side by side.
std::vector<ResultRow> joined_rows(const Comparison& comparison, const std::vector<std::vector<ResultRow>>& by_part) {
  Results all = comparison.parts.front().results;
  all.runs = comparison.runs;
  std::vector<ResultRow> rows = summarise(all);
  for (ResultRow& row : rows) {
    std::vector<const ResultRow*> sources;
    for (const std::vector<ResultRow>& part : by_part) {
      for (const ResultRow& other : part) {
        if (other.method == row.method && other.sparsity == row.sparsity) sources.push_back(&other);
      }
    }
    for (const auto field : {&ResultRow::device, &ResultRow::isa, &ResultRow::commit, &ResultRow::command,
                             &ResultRow::cpu, &ResultRow::compiler}) {
      join_texts(row, sources, field);
    }
    row.jobs = sources.front()->jobs;
    row.threads_per_run = sources.front()->threads_per_run;
    row.batch_size = sources.front()->batch_size;
  }
  return rows;
}

/// Explanations of the methods that ran, from the file or, where it is of an older schema, from the paper.
void note_methods(const Results& results, Comparison& comparison) {
  const auto known = results.methods.empty() ? find_paper(results.paper).methods : results.methods;
  for (const auto& [name, explanation] : known) {
    const auto is_name = [&name = name](const auto& pair) { return pair.first == name; };
    const bool ran =
        std::ranges::any_of(results.runs, [&name = name](const RunResult& run) { return run.method == name; });
    if (ran && std::ranges::none_of(comparison.methods, is_name)) comparison.methods.emplace_back(name, explanation);
  }
}

void finish(Comparison& comparison, std::map<Key, const Part*>& owners) {
  if (comparison.parts.empty()) return;
  std::vector<std::vector<ResultRow>> by_part;
  for (const Part& part : comparison.parts) {
    by_part.push_back(summarise(part.results));
    if (&part != &comparison.parts.front()) say_differences(comparison.parts.front(), part, comparison.differences);
    note_methods(part.results, comparison);
    for (const RunResult& run : part.results.runs) {
      const auto [owner, fresh] = owners.try_emplace({run.method, run.sparsity, run.seed}, &part);
      COPPICE_CHECK(fresh, "[report] ", run.method, " at ", percent(run.sparsity), " % sparsity with seed ", run.seed,
                    " is both in ", owner->second->name, " and in ", part.name,
                    "; leave one out, train with other seeds (--first-seed), or give the method a name of its own");
      comparison.runs.push_back(run);
    }
  }
  comparison.rows = joined_rows(comparison, by_part);
  comparison.orderings = comparison.parts.size() == 1 ? comparison.parts.front().results.orderings
                                                      : find_paper(comparison.paper).compare(comparison.runs);
  for (Part& part : comparison.parts) part.results.runs.clear();
}

Comparison& comparison_of(std::vector<Comparison>& all, const std::string& paper, const std::string& dataset,
                          const std::string& scale) {
  for (Comparison& comparison : all) {
    if (comparison.paper == paper && comparison.dataset == dataset && comparison.scale == scale) return comparison;
  }
  return all.emplace_back(Comparison{.paper = paper, .dataset = dataset, .scale = scale});
}

/// Where a row of another tool belongs.
Comparison& comparison_of(std::vector<Comparison>& all, const ResultRow& row) {
  std::vector<Comparison*> fitting;
  for (Comparison& comparison : all) {
    if ((row.dataset.empty() || row.dataset == comparison.dataset) &&
        (row.scale.empty() || row.scale == comparison.scale)) {
      fitting.push_back(&comparison);
    }
  }
  COPPICE_CHECK(fitting.size() <= 1, "[report] ", row.source, ": ", row.method, " at ", percent(row.sparsity),
                " % sparsity fits several comparisons; say which by the columns dataset and scale");
  return fitting.empty() ? comparison_of(all, "", row.dataset, row.scale) : *fitting.front();
}

}  // namespace

Inputs read_inputs(const std::vector<std::filesystem::path>& paths) {
  Inputs inputs;
  for (const std::filesystem::path& path : paths) {
    const std::filesystem::path file = std::filesystem::is_directory(path) ? path / "results.json" : path;
    COPPICE_CHECK(std::filesystem::is_regular_file(file), "[report] expects ", file.string(),
                  " to be a results.json or a .csv; there is no such file");
    if (file.extension() == ".csv") {
      inputs.tables.push_back(read_table(file));
    } else {
      inputs.parts.push_back({.name = path.string(), .results = naming(file, [](const std::string& text) {
                                                       return results_from_json(text);
                                                     })});
    }
  }
  return inputs;
}

std::vector<Comparison> merge(Inputs inputs) {
  std::vector<Comparison> all;
  for (Part& part : inputs.parts) {
    const Results& results = part.results;
    Comparison& comparison = comparison_of(all, results.paper, results.dataset, results.scale);
    comparison.parts.push_back(std::move(part));
  }
  for (Comparison& comparison : all) {
    std::map<Key, const Part*> owners;
    finish(comparison, owners);
  }
  std::map<std::tuple<const Comparison*, std::string, double>, const ForeignTable*> owners;
  for (const ForeignTable& table : inputs.tables) {
    for (const ResultRow& row : table.rows)
      comparison_of(all, row);  // opens what is missing before addresses are taken
  }
  for (const ForeignTable& table : inputs.tables) {
    for (const ResultRow& row : table.rows) {
      Comparison& comparison = comparison_of(all, row);
      const auto [owner, fresh] = owners.try_emplace({&comparison, label_of(row), row.sparsity}, &table);
      COPPICE_CHECK(fresh, "[report] ", row.method, " at ", percent(row.sparsity), " % sparsity is both in ",
                    owner->second->name, " and in ", table.name, "; leave one out");
      comparison.rows.push_back(row);
    }
  }
  return all;
}

std::string label_of(const ResultRow& row) {
  return row.source.empty() ? row.method : concat(row.method, " (", row.source, ")");
}

}  // namespace coppice::train::report
