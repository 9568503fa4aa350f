#include <coppice/trainers/report/merge.h>

#include <gtest/gtest.h>

#include <fstream>

#include <coppice/core/io/atomic_file.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"
#include "tests/trainers/report/fixture.h"

namespace coppice::train::report {
namespace {

const ResultRow& row_of(const Comparison& comparison, const std::string& label, double sparsity) {
  for (const ResultRow& row : comparison.rows) {
    if (label_of(row) == label && row.sparsity == sparsity) return row;
  }
  detail::fail("no row ", label);
}

ResultRow foreign_row(const std::string& method, double sparsity) {
  ResultRow row{.method = method, .sparsity = sparsity, .accuracy = 0.9};
  row.source = "other.csv";
  return row;
}

TEST(Merge, KeepsASingleFileAsItIs) {
  const Results results = fixture_results();
  const std::vector<Comparison> merged = merge({.parts = {{"a", results}}});
  ASSERT_EQ(merged.size(), 1U);
  EXPECT_EQ(merged[0].rows, summarise(results));
  EXPECT_EQ(merged[0].orderings.size(), 2U);
  EXPECT_EQ(merged[0].methods.size(), 3U);
  EXPECT_TRUE(merged[0].differences.empty());
}

TEST(Merge, JoinsSeedsAndSaysWhatDiffers) {
  Results other = fixture_results(2);
  other.environment.isa = "SSE4";
  other.options[1].second = "90";
  other.checksums[0].second = "11ee";
  const std::vector<Comparison> merged = merge({.parts = {{"a", fixture_results()}, {"b", other}}});
  ASSERT_EQ(merged.size(), 1U);
  const Comparison& both = merged[0];
  EXPECT_EQ(both.runs.size(), 20U);
  EXPECT_EQ(row_of(both, "iee", 0.95).seeds, 4);
  EXPECT_EQ(row_of(both, "iee", 0.95).isa, "AVX2; SSE4");
  EXPECT_EQ(row_of(both, "iee", 0.95).commit, "abcdef");
  ASSERT_FALSE(both.orderings.empty());
  EXPECT_EQ(both.orderings[0].pairs, 4);
  EXPECT_EQ(both.differences,
            (std::vector<std::string>{"checksum of train examples: 00ff in a, 11ee in b", "steps: 60 in a, 90 in b",
                                      "instruction set: AVX2 in a, SSE4 in b"}));
}

TEST(Merge, RefusesTheSameRunTwice) {
  const std::string text = error_of([] {
    merge({.parts = {{"first", fixture_results(0)}, {"second", fixture_results(1)}}});
  });
  EXPECT_NE(text.find("dense at 0 % sparsity with seed 1 is both in first and in second"), std::string::npos) << text;
}

TEST(Merge, KeepsOtherDataApart) {
  Results other = fixture_results();
  other.dataset = "mnist";
  const std::vector<Comparison> merged = merge({.parts = {{"a", fixture_results()}, {"b", other}}});
  ASSERT_EQ(merged.size(), 2U);
  EXPECT_EQ(merged[0].runs.size(), 10U);
  EXPECT_EQ(merged[1].dataset, "mnist");
  // A row that does not say where it belongs fits both.
  const std::string text = error_of([&] {
    merge({.parts = {{"a", fixture_results()}, {"b", other}}, .tables = {{"other.csv", {foreign_row("x", 0.95)}}}});
  });
  EXPECT_NE(text.find("dataset and scale"), std::string::npos) << text;
}

TEST(Merge, MarksRowsOfOtherTools) {
  const std::vector<Comparison> merged =
      merge({.parts = {{"a", fixture_results()}}, .tables = {{"other.csv", {foreign_row("rigl", 0.95)}}}});
  ASSERT_EQ(merged.size(), 1U);
  EXPECT_EQ(row_of(merged[0], "rigl (other.csv)", 0.95).accuracy, 0.9);
  EXPECT_NE(row_of(merged[0], "rigl", 0.95).accuracy, 0.9);
  const std::string text = error_of([] {
    merge({.tables = {{"one", {foreign_row("rigl", 0.95)}}, {"two", {foreign_row("rigl", 0.95)}}}});
  });
  EXPECT_NE(text.find("both in one and in two"), std::string::npos) << text;
}

TEST(Merge, TellsTablesOfTheirOwnApart) {
  ResultRow imagenet = foreign_row("rigl", 0.9);
  imagenet.dataset = "imagenet";
  const std::vector<Comparison> merged =
      merge({.parts = {{"a", fixture_results()}}, .tables = {{"other.csv", {imagenet}}}});
  ASSERT_EQ(merged.size(), 2U);
  EXPECT_EQ(merged[1].rows.size(), 1U);
  EXPECT_TRUE(merged[1].parts.empty());
}

TEST(ReadInputs, TakesDirectoriesFilesAndTables) {
  const TemporaryFolder folder;
  save_results(folder / "run", fixture_results());
  save_text(folder / "other.csv", "method,sparsity,accuracy\r\nx,0.95,0.5\r\n");
  const Inputs inputs = read_inputs({folder / "run", folder / "run" / "results.json", folder / "other.csv"});
  EXPECT_EQ(inputs.parts.size(), 2U);
  EXPECT_EQ(inputs.parts[0].results.runs.size(), 10U);
  ASSERT_EQ(inputs.tables.size(), 1U);
  EXPECT_EQ(inputs.tables[0].rows[0].source, (folder / "other.csv").string());
}

TEST(ReadInputs, NamesTheFileThatIsWrong) {
  const TemporaryFolder folder;
  const auto complaint = [&](const std::string& name, const std::string& text) {
    save_text(folder / name, text);
    return error_of([&] { read_inputs({folder / name}); });
  };
  for (const auto& [text, what] :
       std::vector<std::pair<std::string, std::string>>{{"method,sparsity\nx,0.9\n", "accuracy"},
                                                        {"method,accuracy\nx,97.5\n", "fraction"},
                                                        {"sparsity,accuracy\n0.9,0.5\n", "method"},
                                                        {"method,accuracy,sparsity\nx,0.5,95\n", "sparsity"},
                                                        {"method,accuracy,seconds\nx,0.5,inf\n", "costs"},
                                                        {"method,accuracy\nx,0.5\nx,0.6\n", "two rows"}}) {
    const std::string message = complaint("table.csv", text);
    EXPECT_NE(message.find("table.csv"), std::string::npos) << message;
    EXPECT_NE(message.find(what), std::string::npos) << message;
  }
  EXPECT_NE(complaint("results.json", "{").find("results.json"), std::string::npos);
  EXPECT_NE(error_of([&] { read_inputs({folder / "nowhere"}); }).find("nowhere"), std::string::npos);
}

}  // namespace
}  // namespace coppice::train::report
