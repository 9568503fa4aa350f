#include <coppice/trainers/results.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>

#include <coppice/core/io/atomic_file.h>
#include <coppice/trainers/csv.h>

namespace coppice::train {
namespace {

std::string to_text(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr};
}

template <class Number>
void parse(const std::string& text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  COPPICE_CHECK(error == std::errc{} && end == text.data() + text.size(), "expects a number; got '", text, "'");
}

struct Column {
  const char* name;
  std::function<std::string(const ResultRow&)> write;
  std::function<void(ResultRow&, const std::string&)> read;
};

template <class Field>
Column column(const char* name, Field ResultRow::*field) {
  return {name,
          [field](const ResultRow& row) -> std::string {
            if constexpr (std::is_same_v<Field, std::string>)
              return row.*field;
            else if constexpr (std::is_same_v<Field, double>)
              return to_text(row.*field);
            else
              return std::to_string(row.*field);
          },
          [field](ResultRow& row, const std::string& text) {
            if constexpr (std::is_same_v<Field, std::string>)
              row.*field = text;
            else
              parse(text, row.*field);
          }};
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all = {
      column("dataset", &ResultRow::dataset),
      column("network", &ResultRow::network),
      column("method", &ResultRow::method),
      column("sparsity", &ResultRow::sparsity),
      column("seeds", &ResultRow::seeds),
      column("accuracy", &ResultRow::accuracy),
      column("accuracy_sd", &ResultRow::accuracy_sd),
      column("train_flops_ratio", &ResultRow::train_flops_ratio),
      column("seconds", &ResultRow::seconds),
      column("peak_bytes", &ResultRow::peak_bytes),
      column("nnz", &ResultRow::nnz),
      column("device", &ResultRow::device),
      column("isa", &ResultRow::isa),
      column("commit", &ResultRow::commit),
      column("command", &ResultRow::command),
      column("scale", &ResultRow::scale),
      column("validation_accuracy", &ResultRow::validation_accuracy),
      column("seconds_sd", &ResultRow::seconds_sd),
      column("cpu_seconds", &ResultRow::cpu_seconds),
      column("steps", &ResultRow::steps),
      column("batch_size", &ResultRow::batch_size),
      column("survival", &ResultRow::survival),
      column("threads_per_run", &ResultRow::threads_per_run),
      column("jobs", &ResultRow::jobs),
      column("cpu", &ResultRow::cpu),
      column("compiler", &ResultRow::compiler),
      column("source", &ResultRow::source),
  };
  return all;
}

}  // namespace

std::vector<ResultRow> summarise(const Results& results) {
  std::vector<ResultRow> rows;
  std::vector<std::vector<const RunResult*>> members;
  for (const RunResult& run : results.runs) {
    std::size_t at = 0;
    while (at < rows.size() && !(rows[at].method == run.method && rows[at].sparsity == run.sparsity)) ++at;
    if (at == rows.size()) {
      rows.push_back({.network = run.network, .method = run.method, .sparsity = run.sparsity});
      members.emplace_back();
    }
    members[at].push_back(&run);
  }
  const std::string batch_size = [&] {
    const auto found = std::find_if(results.options.begin(), results.options.end(),
                                    [](const auto& option) { return option.first == "batch_size"; });
    return found == results.options.end() ? std::string("0") : found->second;
  }();
  for (std::size_t r = 0; r < rows.size(); ++r) {
    ResultRow& row = rows[r];
    const auto values = [&](auto field) {
      std::vector<double> list;
      for (const RunResult* run : members[r]) list.push_back(static_cast<double>(run->*field));
      return list;
    };
    row.dataset = results.dataset;
    row.seeds = static_cast<int>(members[r].size());
    row.accuracy = mean(values(&RunResult::accuracy));
    row.accuracy_sd = standard_deviation(values(&RunResult::accuracy));
    row.train_flops_ratio = mean(values(&RunResult::train_flops_ratio));
    row.seconds = mean(values(&RunResult::seconds));
    for (const RunResult* run : members[r]) {
      row.peak_bytes = std::max(row.peak_bytes, run->peak_bytes);
      row.nnz = std::max(row.nnz, run->nnz);
    }
    row.device = results.environment.device;
    row.isa = results.environment.isa;
    row.commit = results.environment.commit + (results.environment.dirty ? "+" : "");
    row.command = results.command;
    row.scale = results.scale;
    row.validation_accuracy = mean(values(&RunResult::validation_accuracy));
    row.seconds_sd = standard_deviation(values(&RunResult::seconds));
    row.cpu_seconds = mean(values(&RunResult::cpu_seconds));
    row.steps = std::llround(mean(values(&RunResult::steps)));
    parse(batch_size, row.batch_size);
    row.survival = mean(values(&RunResult::survival));
    row.threads_per_run = results.threads_per_run;
    row.jobs = results.jobs;
    row.cpu = results.environment.cpu;
    row.compiler = results.environment.compiler;
  }
  return rows;
}

std::vector<std::string> csv_columns() {
  std::vector<std::string> names;
  for (const Column& c : columns()) names.emplace_back(c.name);
  return names;
}

std::string to_csv(const std::vector<ResultRow>& rows) {
  std::string text;
  const auto add_line = [&](auto&& cell_of) {
    bool first = true;
    for (const Column& c : columns()) {
      if (!first) text += ',';
      first = false;
      text += cell_of(c);
    }
    text += '\n';
  };
  add_line([](const Column& c) { return std::string(c.name); });
  for (const ResultRow& row : rows) {
    add_line([&](const Column& c) { return csv_cell(c.write(row)); });
  }
  return text;
}

std::vector<ResultRow> rows_from_csv(std::string_view text) {
  const std::vector<std::vector<std::string>> lines = split_csv(text);
  COPPICE_CHECK(!lines.empty(), "[csv] expects a line of column names; got nothing");
  std::map<std::string, const Column*> known;
  for (const Column& c : columns()) known[c.name] = &c;
  std::vector<ResultRow> rows;
  for (std::size_t l = 1; l < lines.size(); ++l) {
    COPPICE_CHECK(lines[l].size() == lines[0].size(), "[csv] line ", l + 1, ": expects ", lines[0].size(),
                  " cells; got ", lines[l].size());
    ResultRow& row = rows.emplace_back();
    for (std::size_t c = 0; c < lines[l].size(); ++c) {
      const auto found = known.find(lines[0][c]);
      if (found == known.end()) continue;
      try {
        found->second->read(row, lines[l][c]);
      } catch (const Error& error) {
        detail::fail("[csv] line ", l + 1, ", column ", lines[0][c], ": ", error.what());
      }
    }
  }
  return rows;
}

void save_results(const std::filesystem::path& directory, const Results& results) {
  std::filesystem::create_directories(directory);
  save_text(directory / "results.json", to_json(results));
  save_text(directory / "results.csv", to_csv(summarise(results)));
  if (!results.recipe.empty()) save_text(directory / "recipe.resolved.toml", results.recipe);
}

}  // namespace coppice::train
