#include <coppice/trainers/report/report.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "tests/core/io/temporary_folder.h"
#include "tests/trainers/report/fixture.h"

namespace coppice::train::report {
namespace {

/// What is wrong with a text as XML whose elements must be closed; empty when nothing is.
std::string flaw(const std::string& text) {
  std::vector<std::string> open;
  std::size_t at = text.find('\n');  // after the document type
  while ((at = text.find('<', at)) != std::string::npos) {
    const std::size_t end = text.find('>', at);
    if (end == std::string::npos) return "an unfinished tag";
    const std::string tag = text.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (tag.find('<') != std::string::npos) return "< inside <" + tag;
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0) return "an open quote in <" + tag;
    if (tag[0] == '/') {
      if (open.empty() || "/" + open.back() != tag) return "<" + tag + "> closes nothing";
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    at = end;
  }
  return open.empty() ? "" : "<" + open.back() + "> is not closed";
}

std::vector<Comparison> comparisons_with(const std::string& name) {
  Results results = fixture_results();
  for (RunResult& run : results.runs) {
    if (run.method == "rigl") run.method = name;
  }
  results.methods[1].first = name;
  results.options.emplace_back("set " + name, name);
  results.command += name;
  ResultRow row{.method = name, .sparsity = 0.97, .accuracy = 0.9};
  row.source = "<img src=x>.csv";
  return merge({.parts = {{name, results}}, .tables = {{"<img src=x>.csv", {row}}}});
}

TEST(Page, IsWellFormedAndStandsAlone) {
  const std::string page = to_html(merge({.parts = {{"a", fixture_results()}}}));
  EXPECT_EQ(flaw(page), "");
  EXPECT_TRUE(page.starts_with("<!DOCTYPE html>"));
  for (const char* reference :
       {"http:", "https:", "src=", "url(", "@import", "<script", "<link", "<iframe", "href=\"/"}) {
    EXPECT_EQ(page.find(reference), std::string::npos) << reference;
  }
  for (const char* section :
       {"verdicts", "table", "costs", "learning", "structure", "dynamics", "speed", "conditions", "words"}) {
    EXPECT_NE(page.find("id=\"" + std::string(section) + "\""), std::string::npos) << section;
  }
  EXPECT_EQ(page.find("nan"), std::string::npos);
  EXPECT_EQ(page.find("inf "), std::string::npos);
}

TEST(Page, EveryPictureHasATitle) {
  const std::string page = to_html(merge({.parts = {{"a", fixture_results()}}}));
  int pictures = 0;
  for (std::size_t at = 0; (at = page.find("role=\"img\">", at)) != std::string::npos; ++pictures) {
    at = page.find('>', at) + 1;
    EXPECT_EQ(page.compare(at, 7, "<title>"), 0) << page.substr(at, 60);
  }
  EXPECT_GT(pictures, 15);
}

TEST(Page, EscapesNamesOfOthers) {
  const std::string page = to_html(comparisons_with("</title><script>alert(\"1\")</script>"));
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;alert(&quot;1&quot;)"), std::string::npos);
  EXPECT_EQ(flaw(page), "");
}

TEST(Page, ShowsTheFirstSchemaAndForeignRowsAlone) {
  Results old = fixture_results();
  old.methods.clear();
  old.image_height = old.image_width = 0;
  for (RunResult& run : old.runs) {
    run.layers.clear();
    run.survival_by_lag.clear();
    run.alive_per_input.clear();
    run.exploration_peak_bytes = run.exploitation_peak_bytes = 0;
    for (UpdateResult& update : run.updates) update.fraction = update.ever_alive = 0.0;
  }
  const std::string page = to_html(merge({.parts = {{"old", old}}}));
  EXPECT_EQ(flaw(page), "");
  EXPECT_NE(page.find("grows where the dense gradient is largest"), std::string::npos);  // known from the paper
  EXPECT_EQ(page.find("R_s (%)"), std::string::npos);

  ResultRow row{.method = "x", .sparsity = 0.9, .accuracy = 1.0};
  row.source = "x.csv";
  EXPECT_EQ(flaw(to_html(merge({.tables = {{"x.csv", {row}}}}))), "");
  EXPECT_EQ(flaw(to_html({})), "");
}

TEST(Page, SaysAloudThatConditionsDiffer) {
  Results other = fixture_results(2);
  other.environment.isa = "SSE4";
  const std::string page = to_html(merge({.parts = {{"a", fixture_results()}, {"b", other}}}));
  EXPECT_NE(page.find("instruction set: AVX2 in a, SSE4 in b"), std::string::npos);
}

TEST(Latex, EscapesAndFillsEveryColumn) {
  const std::string table = to_latex(comparisons_with("50%_of\\x{}$&#~^\n\\end"));
  EXPECT_NE(table.find("50\\%\\_of\\textbackslash{}x\\{\\}\\$\\&\\#\\textasciitilde{}\\textasciicircum{}"
                       "\\textbackslash{}end &"),
            std::string::npos)
      << table;
  std::size_t rows = 0;
  for (std::size_t at = 0; at < table.size(); at = table.find('\n', at) + 1) {
    const std::string line = table.substr(at, table.find('\n', at) - at);
    if (line.starts_with('%') || !line.ends_with("\\\\")) continue;
    int cells = 1;
    for (std::size_t i = 1; i < line.size(); ++i) cells += line[i] == '&' && line[i - 1] != '\\' ? 1 : 0;
    EXPECT_EQ(cells, 8) << line;
    ++rows;
  }
  EXPECT_EQ(rows, 1U + 6U);  // the head, dense, two methods at two sparsities, one row of another tool
}

TEST(SaveReport, WritesThreeFiles) {
  const TemporaryFolder folder;
  const std::vector<Comparison> comparisons = merge({.parts = {{"a", fixture_results()}}});
  save_report(folder / "out", comparisons);
  for (const char* name : {"report.html", "results.csv", "table.tex"}) {
    EXPECT_GT(std::filesystem::file_size(folder / "out" / name), 100U) << name;
  }
}

}  // namespace
}  // namespace coppice::train::report
