#include <coppice/trainers/measure/records.h>

#include <gtest/gtest.h>

#include <coppice/trainers/csv.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice::train::measure {
namespace {

Record record(const std::string& name, std::vector<double> seconds) {
  return {.name = name, .label = "rows, \"odd\"", .clock = "cpu", .seconds = std::move(seconds), .flops = 2e9};
}

Measurements run(std::vector<Record> records) {
  return {.conditions = {{"cpu", "A"}, {"isa", "AVX2"}, {"threads", "1"}, {"build", "Release"}},
          .records = std::move(records)};
}

TEST(Records, JsonComesBackAsItWas) {
  Measurements before = run({record("a", {1.0, 1.25}), record("b", {})});
  before.records[1].refused = "noisy";
  before.records[1].rejected = 3;
  const TemporaryFolder folder;
  save_measurements(folder / "m.json", before);
  const Measurements after = load_measurements(folder / "m.json");
  EXPECT_EQ(after.conditions, before.conditions);
  EXPECT_EQ(after.records, before.records);
}

TEST(Records, CsvHasConditionsAndQuotesCells) {
  const std::string text = to_csv(run({record("a", {1.0, 2.0, 3.0})}));
  EXPECT_TRUE(text.starts_with("# cpu: A\n# isa: AVX2\n"));
  const auto lines = split_csv(text.substr(text.find("name,")));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1],
            (std::vector<std::string>{"a", "rows, \"odd\"", "cpu", "3", "0", "2", "1", "1", "3", "1", "", ""}));
  EXPECT_EQ(split_csv(to_csv(run({record("b", {})}))).back().size(), lines[0].size());
}

TEST(Records, ReadersSayWhatIsWrong) {
  EXPECT_NE(error_of([] { measurements_from_json("{}"); }).find("expects what coppice bench --out wrote"),
            std::string::npos);
  EXPECT_EQ(error_of([] { measurements_from_json(R"({"schema": 2})"); }), "[measurements] expects schema 1; got 2");
  EXPECT_NE(error_of([] { save_measurements("a.txt", {}); }).find("expects an ending .json or .csv"),
            std::string::npos);
}

TEST(Compare, TellsSlowerFromFasterFromTheSame) {
  const std::vector<double> base{1.00, 1.01, 0.99, 1.00, 1.02}, slow{1.10, 1.11, 1.09, 1.12, 1.10},
      fast{0.80, 0.81, 0.79, 0.80, 0.80}, wide{0.8, 1.3, 1.1, 0.9, 1.2}, little{1.023, 1.024, 1.023, 1.024, 1.022};
  const Measurements before = run({record("slow", base), record("fast", base), record("wide", base),
                                   record("little", base), record("gone", base), record("bad", base)});
  Measurements now = run({record("slow", slow), record("fast", fast), record("wide", wide), record("little", little),
                          record("new", base), record("bad", base)});
  now.records.back().refused = "noisy: it was";
  using Verdict = Comparison::Verdict;
  std::vector<Verdict> verdicts;
  const std::vector<Comparison> comparisons = compare(before, now);
  for (const Comparison& c : comparisons) verdicts.push_back(c.verdict);
  EXPECT_EQ(verdicts, (std::vector<Verdict>{Verdict::Slower, Verdict::Faster, Verdict::Same, Verdict::Same,
                                            Verdict::Missing, Verdict::Refused}));
  EXPECT_NEAR(comparisons[0].ratio.value, 1.0 / 1.1, 1e-12);
  EXPECT_EQ(comparisons[5].reason, "noisy: it was");
  EXPECT_EQ(compare(before, now, 0.01)[3].verdict, Verdict::Slower);
}

TEST(Compare, RefusesOtherConditions) {
  Measurements other = run({});
  other.conditions[1].second = "AVX3";
  EXPECT_EQ(error_of([&] { compare(run({}), other); }),
            "[compare] expects runs under the same conditions; got isa 'AVX2' and 'AVX3'");
}

}  // namespace
}  // namespace coppice::train::measure
