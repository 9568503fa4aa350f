#include <coppice/trainers/measure/latency_table.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>

#include <coppice/core/error.h>
#include <coppice/trainers/csv.h>

namespace coppice::train::measure {
namespace {

const std::vector<std::string> kColumns = {"layer", "c_in", "c_out", "seconds", "deviation", "samples", "kernel"};

template <class Number>
std::string to_text(Number value) {
  char buffer[40];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr};
}

template <class Number>
Number number_of(const std::string& text, const std::string& where) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  COPPICE_CHECK(error == std::errc{} && end == text.data() + text.size() && value >= Number{}, where,
                " expects a number of 0 or more; got '", text, "'");
  return value;
}

}  // namespace

LatencyTable::LatencyTable(Conditions conditions, std::vector<LatencyPoint> points)
    : conditions_(std::move(conditions)), points_(std::move(points)) {
  for (const LatencyPoint& p : points_) {
    COPPICE_CHECK(std::isfinite(p.seconds) && p.seconds > 0.0, "[latency] ", p.layer, ' ', p.c_in, " x ", p.c_out,
                  " expects seconds above 0; got ", p.seconds);
    const bool fresh = seconds_[p.layer].emplace(std::pair(p.c_in, p.c_out), p.seconds).second;
    COPPICE_CHECK(fresh, "[latency] ", p.layer, ' ', p.c_in, " x ", p.c_out, " expects one row; got two");
  }
  // From many channels to few: each point takes what its larger neighbours, already done, may do better.
  for (auto& [layer, grid] : seconds_) {
    for (auto p = grid.rbegin(); p != grid.rend(); ++p) {
      for (auto larger = grid.rbegin(); larger != p; ++larger) {
        if (larger->first.first >= p->first.first && larger->first.second >= p->first.second) {
          p->second = std::min(p->second, larger->second);
        }
      }
    }
  }
}

LatencyTable LatencyTable::parse(std::string_view csv, const std::string& name) {
  Conditions conditions;
  while (csv.starts_with("# ")) {
    const std::string_view line = csv.substr(2, std::min(csv.find('\n'), csv.size()) - 2);
    const std::size_t colon = line.find(": ");
    COPPICE_CHECK(colon != std::string_view::npos, "[latency] ", name, ": expects lines `# key: value` first; got '",
                  line.substr(0, 40), "'");
    conditions.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    csv.remove_prefix(std::min(line.size() + 3, csv.size()));
  }
  const std::vector<std::vector<std::string>> lines = split_csv(csv);
  COPPICE_CHECK(!lines.empty() && lines[0] == kColumns, "[latency] ", name,
                ": expects the columns layer,c_in,c_out,seconds,deviation,samples,kernel");
  std::vector<LatencyPoint> points;
  for (std::size_t l = 1; l < lines.size(); ++l) {
    const std::vector<std::string>& cells = lines[l];
    const std::string where = "[latency] " + name + ": row " + std::to_string(l);
    COPPICE_CHECK(cells.size() == kColumns.size(), where, " expects 7 cells; got ", cells.size());
    points.push_back({.layer = cells[0],
                      .c_in = number_of<std::int64_t>(cells[1], where),
                      .c_out = number_of<std::int64_t>(cells[2], where),
                      .seconds = number_of<double>(cells[3], where),
                      .deviation = number_of<double>(cells[4], where),
                      .samples = number_of<int>(cells[5], where),
                      .kernel = cells[6]});
  }
  return {std::move(conditions), std::move(points)};
}

LatencyTable LatencyTable::load(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  COPPICE_CHECK(stream, "[latency] ", file.string(), ": expects a file that can be read");
  return parse(std::string{std::istreambuf_iterator<char>(stream), {}}, file.string());
}

std::string LatencyTable::to_csv() const {
  std::string text;
  for (const auto& [key, value] : conditions_) text += "# " + key + ": " + value + '\n';
  text += "layer,c_in,c_out,seconds,deviation,samples,kernel\n";
  for (const LatencyPoint& p : points_) {
    text += csv_cell(p.layer) + ',' + to_text(p.c_in) + ',' + to_text(p.c_out) + ',' + to_text(p.seconds) + ',';
    text += to_text(p.deviation) + ',' + to_text(p.samples) + ',' + csv_cell(p.kernel) + '\n';
  }
  return text;
}

std::vector<std::string> LatencyTable::layers() const {
  std::vector<std::string> names;
  for (const auto& [layer, grid] : seconds_) names.push_back(layer);
  return names;
}

double LatencyTable::seconds(const std::string& layer, std::int64_t c_in, std::int64_t c_out) const {
  const auto grid = seconds_.find(layer);
  COPPICE_CHECK(grid != seconds_.end(), "[latency] the table has no layer '", layer,
                "'; measure it with coppice latency");
  const auto point = grid->second.find({c_in, c_out});
  COPPICE_CHECK(point != grid->second.end(), "[latency] the table has no point ", c_in, " x ", c_out, " of '", layer,
                "'; measure it with coppice latency");
  return point->second;
}

}  // namespace coppice::train::measure
