#include <algorithm>
#include <map>
#include <optional>

#include <coppice/trainers/report/format.h>
#include <coppice/trainers/report/paper.h>
#include <coppice/trainers/report/sections.h>
#include <coppice/trainers/statistics.h>

namespace coppice::train::report {
namespace {

constexpr const char* kUnknown = "–";

std::string accuracy_of(const ResultRow& row) {
  std::string text = fixed(100.0 * row.accuracy, 2);
  if (row.seeds > 1) text += concat(" ± ", fixed(100.0 * row.accuracy_sd, 2));
  return text;
}

/// Accuracy of a row's runs minus those of `reference` with the same seeds.
std::optional<Interval> paired(const Context& context, const ResultRow& row, const std::string& reference) {
  if (!row.source.empty() || row.method == reference) return std::nullopt;
  std::map<std::uint64_t, double> theirs;
  for (const RunResult& run : context.comparison.runs) {
    if (run.method == reference && run.sparsity == row.sparsity) theirs[run.seed] = run.accuracy;
  }
  std::vector<double> differences;
  for (const RunResult& run : context.comparison.runs) {
    const auto found = theirs.find(run.seed);
    if (run.method == row.method && run.sparsity == row.sparsity && found != theirs.end()) {
      differences.push_back(run.accuracy - found->second);
    }
  }
  if (differences.empty()) return std::nullopt;
  return t_interval(differences);
}

std::vector<std::string> labels_of(const std::vector<ResultRow>& rows) {
  std::vector<std::string> labels;
  for (const ResultRow& row : rows) {
    if (std::ranges::find(labels, label_of(row)) == labels.end()) labels.push_back(label_of(row));
  }
  return labels;
}

void write_accuracies(Markup& page, const Context& context) {
  const std::vector<ResultRow>& rows = context.comparison.rows;
  std::vector<double> columns = context.sparsities;
  if (std::ranges::any_of(rows, [](const ResultRow& row) { return row.sparsity == 0.0; })) {
    columns.insert(columns.begin(), 0.0);
  }
  page.element("p", {{"class", "soft"}},
               "Test accuracy in per cent at the end of training: mean ± standard deviation over seeds.");
  page.open("div", {{"class", "scroll"}}).open("table", {{"aria-label", "Test accuracy"}});
  page.open("thead").open("tr").element("th", {{"scope", "col"}}, "method");
  for (const double sparsity : columns) {
    page.element("th", {{"scope", "col"}}, sparsity == 0.0 ? "no sparsity" : sparsity_name(sparsity));
  }
  page.close().close().open("tbody");
  for (const std::string& label : labels_of(rows)) {
    page.open("tr").element("th", {{"scope", "row"}}, label);
    for (const double sparsity : columns) {
      const auto found = std::ranges::find_if(
          rows, [&](const ResultRow& row) { return row.sparsity == sparsity && label_of(row) == label; });
      page.element("td", found == rows.end() ? "" : accuracy_of(*found));
    }
    page.close();
  }
  page.close().close().close();
}

void write_row(Markup& page, const Context& context, const ResultRow& row, const std::string& reference) {
  const auto cell = [&](const std::string& text) { page.element("td", text); };
  const auto known = [](bool there, const std::string& text) { return there ? text : std::string(kUnknown); };
  page.open("tr").element("th", {{"scope", "row"}}, label_of(row));
  cell(accuracy_of(row));
  if (!reference.empty()) {
    const std::optional<Interval> difference = paired(context, row, reference);
    cell(difference ? concat(points(difference->mean), " ", interval(difference->low, difference->high)) : "");
  }
  cell(known(row.train_flops_ratio > 0.0, fixed(row.train_flops_ratio, 3)));
  cell(known(row.cpu_seconds > 0.0, fixed(row.cpu_seconds, 2)));
  cell(known(row.seconds > 0.0, fixed(row.seconds, 2)));
  cell(known(row.peak_bytes > 0, mebibytes(row.peak_bytes)));
  cell(known(row.nnz > 0, grouped(row.nnz)));
  cell(known(row.steps > 0, grouped(row.steps)));
  cell(known(row.seeds > 0, grouped(row.seeds)));
  page.close();
}

void write_everything(Markup& page, const Context& context) {
  const std::string& wanted = find_paper(context.comparison.paper).reference;
  const bool there = std::ranges::any_of(context.cells, [&](const Cell& cell) { return cell.method == wanted; });
  const std::string reference = there ? wanted : "";
  page.element("h3", "Accuracy and cost, means over seeds");
  page.open("div", {{"class", "scroll"}}).open("table", {{"aria-label", "Accuracy and cost"}});
  page.open("thead").open("tr");
  std::vector<std::string> heads = {"method", "accuracy (%)"};
  if (there) heads.push_back(concat("minus ", reference, ", paired [95 %]"));
  heads.insert(heads.end(), {"FLOPs", "processor s", "wall-clock s", "peak MiB", "weights", "steps", "seeds"});
  for (const std::string& head : heads) page.element("th", {{"scope", "col"}}, head);
  page.close().close();
  std::vector<double> groups = context.sparsities;
  groups.insert(groups.begin(), 0.0);
  for (const double sparsity : groups) {
    const auto is_here = [&](const ResultRow& row) { return row.sparsity == sparsity; };
    if (std::ranges::none_of(context.comparison.rows, is_here)) continue;
    page.open("tbody").open("tr");
    page.element("th", {{"scope", "rowgroup"}, {"colspan", std::to_string(heads.size())}},
                 sparsity == 0.0 ? "no sparsity" : sparsity_name(sparsity));
    page.close();
    for (const ResultRow& row : context.comparison.rows) {
      if (is_here(row)) write_row(page, context, row, reference);
    }
    page.close();
  }
  page.close().close();
  page.element(
      "p", {{"class", "soft"}},
      "FLOPs: effective ones of the training, as a multiple of those of the dense training. Seconds: one training, "
      "evaluation apart; processor seconds are what its thread computed, wall-clock also counts waiting for "
      "other work on the machine. Peak: the most memory the tensors of one training held. Weights: non-zero at "
      "the end, biases apart. A row whose name ends in a file's name in brackets comes from another tool.");
}

}  // namespace

void write_tables(Markup& page, const Context& context) {
  page.element("h2", {{"id", "table"}}, "The table");
  write_accuracies(page, context);
  write_everything(page, context);
  if (context.comparison.methods.empty()) return;
  page.element("h3", "The methods").open("dl");
  for (const auto& [name, explanation] : context.comparison.methods) {
    page.element("dt", name).element("dd", explanation);
  }
  page.close();
}

}  // namespace coppice::train::report
