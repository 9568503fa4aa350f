#include "bench/report/page.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "bench/report/groups.h"

namespace coppice::bench {
namespace {

constexpr double kTolerance = 0.95;

std::string format(const char* pattern, double value) {
  char text[64];
  std::snprintf(text, sizeof(text), pattern, value);
  return text;
}

std::string quantity(double value, const std::string& unit) {
  if (value <= 0.0) return "-";
  if (unit == "B") return format("%.4g MB", value * 1e-6);
  if (unit != "s") return format("%.4g", value);
  if (value >= 1.0) return format("%.4g s", value);
  if (value >= 1e-3) return format("%.4g ms", value * 1e3);
  if (value >= 1e-6) return format("%.4g µs", value * 1e6);
  return format("%.4g ns", value * 1e9);
}

std::string factor(double value) { return format(value >= 9.95 ? "%.1f" : "%.2f", value); }

std::string ratio_text(const Row& row) {
  if (row.ratio.value <= 0.0) return "-";
  std::string text = factor(row.ratio.value);
  if (std::isfinite(row.ratio.low) && row.ratio.low < row.ratio.high) {
    text += " (" + factor(row.ratio.low) + " … " + factor(row.ratio.high) + ")";
  }
  return text;
}

std::string goal_text(const Row& row) {
  if (row.goal <= 0.0 && row.floor <= 0.0) return "-";
  return (row.goal > 0.0 ? factor(row.goal) : "-") + std::string(" / ") + (row.floor > 0.0 ? factor(row.floor) : "-");
}

const char* verdict_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::NotMeasured: return "not measured";
    case Verdict::Shown: return "";
    case Verdict::Goal: return "goal";
    case Verdict::Held: return "held";
    case Verdict::Missed: break;
  }
  return "**missed**";
}

/// A cell may hold no bar.
std::string cell(std::string text) {
  for (std::size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2))
    text.replace(at, 1, "\\|");
  return text;
}

void add_table(std::string& page, const std::vector<Row>& rows) {
  page += "| | threads | ours | peer | ratio | installed | goal / floor | | |\n|---|---|---|---|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    page += "| " + cell(row.what) + " | " + std::to_string(row.threads) + " | " + quantity(row.ours, row.unit) + " | ";
    page += quantity(row.peers, row.unit) + (row.peer.empty() ? "" : ", ") + cell(row.peer) + " | " + ratio_text(row);
    page += " | " + (row.as_installed > 0.0 ? factor(row.as_installed) : std::string("-")) + " | " + goal_text(row);
    page += std::string(" | ") + verdict_text(verdict_of(row)) + " | " + cell(row.note) + " |\n";
  }
  page += '\n';
}

void add_conditions(std::string& page, const GroupResult& group) {
  std::string line;
  for (const auto& [key, value] : group.conditions) {
    if (key.starts_with("peer.") || key == "version" || key == "build" || key == "threads") continue;
    line += (line.empty() ? "" : "; ") + key + ' ' + value;
  }
  page += "<sub>" + line + "</sub>\n\n";
  std::set<std::string> peers;
  for (const auto& [key, value] : group.conditions) {
    if (key.starts_with("peer.")) peers.insert(value);
  }
  line.clear();
  for (const std::string& peer : peers) line += (line.empty() ? "" : "; ") + peer;
  if (!line.empty()) page += "<sub>peers: " + line + "</sub>\n\n";
}

/// Rows whose ratio is below 1 or below their floor, worst first.
void add_losses(std::string& page, const std::map<std::string, GroupResult>& groups) {
  struct Loss {
    const char* section;
    const Row* row;
  };
  std::vector<Loss> losses;
  for (const Group& group : bench::groups()) {
    const auto found = groups.find(group.key);
    if (found == groups.end()) continue;
    for (const Row& row : found->second.rows) {
      if (!row.measured() || row.ratio.value <= 0.0) continue;
      if (row.ratio.value < 1.0 || verdict_of(row) == Verdict::Missed) losses.push_back({group.title, &row});
    }
  }
  const auto share = [](const Loss& loss) {
    return loss.row->ratio.value / (loss.row->floor > 0.0 ? loss.row->floor : 1.0);
  };
  std::ranges::sort(losses, {}, share);
  page += "### Where it loses\n\n";
  if (losses.empty()) {
    page += "Nowhere among what is measured: no ratio is below 1 or below its floor.\n\n";
    return;
  }
  page += "Every row whose ratio is below 1 or whose floor is missed, worst first.\n\n";
  page += "| | | threads | ratio | floor | against |\n|---|---|---|---|---|---|\n";
  for (const Loss& loss : losses) {
    const Row& row = *loss.row;
    page += std::string("| ") + loss.section + " | " + cell(row.what) + " | " + std::to_string(row.threads) + " | ";
    page += ratio_text(row) + " | " + (row.floor > 0.0 ? factor(row.floor) : "-") + " | " + cell(row.peer) + " |\n";
  }
  page += '\n';
}

}  // namespace

Verdict verdict_of(const Row& row) {
  if (!row.measured()) return Verdict::NotMeasured;
  if (row.goal <= 0.0 && row.floor <= 0.0) return Verdict::Shown;
  if (row.ratio.value <= 0.0) return Verdict::NotMeasured;
  if (row.goal > 0.0 && row.ratio.value >= kTolerance * row.goal) return Verdict::Goal;
  if (row.floor > 0.0 && row.ratio.value < kTolerance * row.floor) return Verdict::Missed;
  return row.floor > 0.0 ? Verdict::Held : Verdict::Missed;
}

std::string page(const Results& results, const std::string& images) {
  std::string text =
      "# Performance\n\n"
      "Written by `scripts/performance.sh`, which measures and renders; the tables it read lie in `bench/results/`, "
      "and how "
      "the numbers are\ntaken is in [measuring.md](measuring.md). Medians of samples taken in turn with the peer's, in "
      "one "
      "run: processor time on one thread,\nwall-clock time on two. A ratio is the peer's time over ours, so more is "
      "better, with a 95 % interval; \"peer\" is the fastest one, tuned\nas well as we know how, \"installed\" the "
      "ratio to "
      "the fastest as users have it. *goal* and *held* (the floor) allow 5 %.\n\n";
  for (const auto& [isa, name] : {std::pair{"avx2", "AVX2"}, {"avx3", "AVX-512"}, {"neon", "NEON"}}) {
    text += std::string("## ") + name + "\n\n";
    const auto found = results.find(isa);
    if (found == results.end() || found->second.empty()) {
      text += "Not measured.\n\n";
      continue;
    }
    text += std::string("![Roofline](") + images + "/roofline-" + isa + ".svg)\n\n";
    add_losses(text, found->second);
    for (const Group& group : groups()) {
      text += std::string("### ") + group.title + "\n\n" + group.about + "\n\n";
      const auto result = found->second.find(group.key);
      if (result == found->second.end()) {
        text += std::string("Not measured: `coppice bench --document --only ") + group.key + "`.\n\n";
        continue;
      }
      if (std::string_view(group.key) == "steps")
        text += std::string("![Steps](") + images + "/steps-" + isa + ".svg)\n\n";
      add_table(text, result->second.rows);
      add_conditions(text, result->second);
    }
  }
  text.pop_back();
  return text;
}

}  // namespace coppice::bench
