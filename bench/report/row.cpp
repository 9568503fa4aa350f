#include "bench/report/row.h"

#include <charconv>
#include <functional>

#include <coppice/core/error.h>
#include <coppice/trainers/csv.h>

namespace coppice::bench {
namespace {

std::string to_text(double value) {
  char buffer[40];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr};
}

double number_of(const std::string& text) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  COPPICE_CHECK(error == std::errc{} && end == text.data() + text.size(), "[bench] expects a number; got '", text, "'");
  return value;
}

struct Column {
  const char* name;
  std::function<std::string(const Row&)> write;
  std::function<void(Row&, const std::string&)> read;
};

Column text(const char* name, std::string Row::*field) {
  return {name, [field](const Row& row) { return row.*field; },
          [field](Row& row, const std::string& cell) { row.*field = cell; }};
}

template <class Get>
Column number(const char* name, Get get) {
  return {name, [get](const Row& row) { return to_text(static_cast<double>(get(const_cast<Row&>(row)))); },
          [get](Row& row, const std::string& cell) {
            auto& field = get(row);
            field = static_cast<std::remove_reference_t<decltype(field)>>(number_of(cell));
          }};
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all = {
      text("what", &Row::what),
      number("threads", [](Row& r) -> int& { return r.threads; }),
      number("ours", [](Row& r) -> double& { return r.ours; }),
      text("unit", &Row::unit),
      text("peer", &Row::peer),
      number("peers", [](Row& r) -> double& { return r.peers; }),
      number("ratio", [](Row& r) -> double& { return r.ratio.value; }),
      number("low", [](Row& r) -> double& { return r.ratio.low; }),
      number("high", [](Row& r) -> double& { return r.ratio.high; }),
      text("installed", &Row::installed),
      number("as_installed", [](Row& r) -> double& { return r.as_installed; }),
      number("goal", [](Row& r) -> double& { return r.goal; }),
      number("floor", [](Row& r) -> double& { return r.floor; }),
      number("flops", [](Row& r) -> double& { return r.flops; }),
      number("bytes", [](Row& r) -> double& { return r.bytes; }),
      text("note", &Row::note),
  };
  return all;
}

}  // namespace

std::string to_csv(const GroupResult& group) {
  std::string result;
  for (const auto& [key, value] : group.conditions) result += "# " + key + ": " + value + '\n';
  const auto add_line = [&](auto&& cell_of) {
    const char* separator = "";
    for (const Column& column : columns()) {
      result += separator;
      result += train::csv_cell(cell_of(column));
      separator = ",";
    }
    result += '\n';
  };
  add_line([](const Column& column) { return std::string(column.name); });
  for (const Row& row : group.rows) {
    add_line([&](const Column& column) { return column.write(row); });
  }
  return result;
}

GroupResult group_from_csv(std::string_view csv) {
  GroupResult group;
  while (csv.starts_with("# ")) {
    const std::string_view line = csv.substr(2, csv.find('\n') - 2);
    const std::size_t colon = line.find(": ");
    COPPICE_CHECK(colon != std::string_view::npos, "[bench] expects a line `# key: value`; got '", line, "'");
    group.conditions.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    csv.remove_prefix(std::min(line.size() + 3, csv.size()));
  }
  const std::vector<std::vector<std::string>> lines = train::split_csv(csv);
  COPPICE_CHECK(!lines.empty() && lines[0].size() == columns().size() && lines[0][0] == columns()[0].name,
                "[bench] expects the columns of a group's table");
  for (std::size_t l = 1; l < lines.size(); ++l) {
    COPPICE_CHECK(lines[l].size() == columns().size(), "[bench] row ", l, ": expects ", columns().size(),
                  " cells; got ", lines[l].size());
    Row& row = group.rows.emplace_back();
    for (std::size_t c = 0; c < columns().size(); ++c) columns()[c].read(row, lines[l][c]);
  }
  return group;
}

}  // namespace coppice::bench
