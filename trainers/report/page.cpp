#include <algorithm>

#include <coppice/core/io/atomic_file.h>
#include <coppice/trainers/report/format.h>
#include <coppice/trainers/report/paper.h>
#include <coppice/trainers/report/report.h>
#include <coppice/trainers/report/sections.h>

namespace coppice::train::report {
namespace {

std::string heading_of(const Comparison& comparison) {
  std::string heading = comparison.dataset.empty() ? "Results" : concat("On ", comparison.dataset);
  if (!comparison.scale.empty()) heading += concat(", scale ", comparison.scale);
  return heading;
}

std::string setting_of(const Results& results) {
  std::string text = "Here: ";
  for (const auto& [name, value] : results.options) {
    if (name == "network") text += concat("a network of ", value, " units, ");
    if (name == "steps") text += concat(value, " training steps ");
    if (name == "batch_size") text += concat("of ", value, " images, ");
  }
  return text += concat(grouped(results.train_images), " training images of ", results.dataset, ", ",
                        counted(results.seeds, "seed"), " for every row.");
}

void write_introduction(Markup& page, const Comparison& comparison) {
  const Paper& paper = find_paper(comparison.paper);
  if (!paper.question.empty()) {
    page.open("p").element("strong", "What was asked. ").text(paper.question).close();
    page.open("p").element("strong", "Source. ").text(paper.citation).close();
  }
  for (const Part& part : comparison.parts) {
    page.open("p").element("strong", "What was run. ").text(setting_of(part.results)).close();
    page.element("code", {{"class", "command"}}, part.results.command);
    if (part.results.interrupted) {
      page.element("p", {{"class", "loud"}}, "This run was interrupted: the table holds what had finished.");
    }
  }
}

void write_differences(Markup& page, const Comparison& comparison) {
  if (comparison.differences.empty()) return;
  page.open("div", {{"class", "loud"}});
  page.element("strong", "The merged runs were not made under the same conditions. Compare with care:").open("ul");
  for (const std::string& difference : comparison.differences) page.element("li", difference);
  page.close().close();
}

void write_contents(Markup& page) {
  static const std::vector<std::pair<const char*, const char*>> sections = {
      {"#verdicts", "Which orderings held"}, {"#table", "The table"},         {"#costs", "Accuracy against cost"},
      {"#learning", "How they learn"},       {"#structure", "Which weights"}, {"#dynamics", "How masks change"},
      {"#speed", "Time and memory"},         {"#conditions", "Conditions"},   {"#words", "Words"}};
  page.open("nav", {{"aria-label", "Sections"}}).open("ul");
  for (const auto& [target, name] : sections) {
    page.open("li").element("a", {{"href", target}}, name).close();
  }
  page.close().close();
}

std::vector<std::string> labels_of(const Comparison& comparison) {
  std::vector<std::string> labels;
  for (const ResultRow& row : comparison.rows) {
    if (std::ranges::find(labels, label_of(row)) == labels.end()) labels.push_back(label_of(row));
  }
  return labels;
}

void write_comparison(Markup& page, const Comparison& comparison) {
  const Styles styles(labels_of(comparison));
  const Context context{.comparison = comparison,
                        .styles = styles,
                        .cells = cells_of(comparison),
                        .sparsities = sparsities_of(comparison)};
  write_introduction(page, comparison);
  write_differences(page, comparison);
  write_verdicts(page, context);
  write_tables(page, context);
  write_costs(page, context);
  write_learning(page, context);
  write_structure(page, context);
  write_dynamics(page, context);
  write_speed(page, context);
  write_conditions(page, context);
}

}  // namespace

std::string to_html(const std::vector<Comparison>& comparisons) {
  const std::string title = comparisons.empty() ? "Nothing to report" : find_paper(comparisons.front().paper).title;
  Markup page;
  page.trusted("<!DOCTYPE html>\n").open("html", {{"lang", "en"}}).open("head");
  page.leaf("meta", {{"charset", "utf-8"}});
  page.leaf("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  page.element("title", title).open("style").trusted(style_sheet()).close().close();
  page.open("body").open("main").element("h1", title);
  if (comparisons.size() == 1) write_contents(page);
  for (const Comparison& comparison : comparisons) {
    if (comparisons.size() > 1) page.element("h1", heading_of(comparison));
    write_comparison(page, comparison);
  }
  write_words(page);
  page.close().close().close();
  return page.str();
}

void save_report(const std::filesystem::path& directory, const std::vector<Comparison>& comparisons) {
  std::filesystem::create_directories(directory);
  std::vector<ResultRow> rows;
  for (const Comparison& comparison : comparisons)
    rows.insert(rows.end(), comparison.rows.begin(), comparison.rows.end());
  save_text(directory / "report.html", to_html(comparisons));
  save_text(directory / "results.csv", to_csv(rows));
  save_text(directory / "table.tex", to_latex(comparisons));
}

}  // namespace coppice::train::report
