// What an inspection looks like: a table, JSON.

#include <algorithm>
#include <array>
#include <iomanip>
#include <sstream>

#include <coppice/trainers/inspect/inspect.h>
#include <nlohmann/json.hpp>

namespace coppice::train {
namespace {

constexpr std::size_t kLongestValue = 72;

std::string size_text(std::int64_t bytes) {
  constexpr std::array<const char*, 4> kUnits{"B", "kB", "MB", "GB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1000 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  std::ostringstream text;
  text << std::fixed << std::setprecision(unit == 0 ? 0 : 1) << value << ' ' << kUnits[unit];
  return text.str();
}

std::string percent(double fraction) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(2) << 100 * fraction << " %";
  return text.str();
}

template <class T>
std::string text_of(const T& value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

/// Text from a file as a terminal may show it: one line, cut, without control characters.
std::string shown(const std::string& value) {
  std::string line = value.substr(0, kLongestValue);
  while (!line.empty() && value.size() > kLongestValue && (static_cast<unsigned char>(line.back()) & 0xC0) == 0x80) {
    line.pop_back();
  }
  for (char& c : line) c = static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  if (value.size() > kLongestValue) line += "… (" + std::to_string(value.size()) + " bytes)";
  return line;
}

/// Which kernels a training was asked to run, and which ran.
bool is_plan(const std::string& key) { return key == "plan" || key == "kernels"; }

/// A plan line by line, for it is longer than a line.
void print_lines(std::ostream& out, const Inspection& inspection, const std::string& wanted) {
  for (const auto& [key, value] : inspection.metadata) {
    if (key != wanted) continue;
    out << key << (key == "plan" ? " (followed):\n" : " (of the first step):\n");
    std::istringstream lines(value);
    for (std::string line; std::getline(lines, line);) {
      for (char& c : line) c = static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
      out << "  " << line << '\n';
    }
  }
}

struct Total {
  std::int64_t weights = 0;
  std::int64_t alive = 0;
  std::int64_t stored = 0;
  std::int64_t dormant = 0;
  std::int64_t file_bytes = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t dense_bytes = 0;
};

Total total_of(const Inspection& inspection) {
  Total total;
  for (const InspectedTensor& entry : inspection.tensors) {
    total.weights += entry.numel();
    total.alive += entry.alive;
    total.stored += entry.stored;
    total.dormant += entry.dormant;
    total.file_bytes += entry.file_bytes;
    total.memory_bytes += entry.memory_bytes;
    total.dense_bytes += entry.numel() * static_cast<std::int64_t>(size_of(entry.tensor.dtype()));
  }
  return total;
}

double density_of(const Total& total) {
  return total.weights == 0 ? 1.0 : static_cast<double>(total.alive) / static_cast<double>(total.weights);
}

using Row = std::array<std::string, 10>;

void print(std::ostream& out, const std::vector<Row>& rows) {
  constexpr std::size_t kTextColumns = 4;
  Row::size_type column = 0;
  std::array<std::size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows) {
    for (column = 0; column < row.size(); ++column) widths[column] = std::max(widths[column], row[column].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (column = 0; column < row.size(); ++column) {
      const std::string space(widths[column] - row[column].size(), ' ');
      line += column < kTextColumns ? row[column] + space : space + row[column];
      line += "  ";
    }
    out << line.substr(0, line.find_last_not_of(' ') + 1) << '\n';
  }
}

}  // namespace

std::string to_text(const Inspection& inspection) {
  std::ostringstream out;
  out << inspection.file << ": " << inspection.format << ", " << size_text(inspection.bytes);
  const std::size_t count = inspection.tensors.size();
  if (count > 0) out << ", " << count << (count == 1 ? " tensor" : " tensors");
  out << '\n';
  std::size_t widest = 0;
  for (const auto& [key, value] : inspection.metadata) widest = std::max(widest, shown(key).size());
  for (const auto& [key, value] : inspection.metadata) {
    if (is_plan(key)) continue;
    const std::string name = shown(key);
    out << "  " << name << std::string(widest - name.size(), ' ') << "  " << shown(value) << '\n';
  }
  for (const char* key : {"plan", "kernels"}) print_lines(out, inspection, key);
  for (const std::string& note : inspection.notes) out << "note: " << note << '\n';
  if (inspection.tensors.empty()) return out.str();

  std::vector<Row> rows = {
      {"name", "layout", "dtype", "shape", "weights", "alive", "density", "dormant", "file", "memory"}};
  for (const InspectedTensor& entry : inspection.tensors) {
    rows.push_back({shown(entry.name), entry.layout, entry.dtype, text_of(entry.shape), std::to_string(entry.numel()),
                    std::to_string(entry.alive), percent(entry.density()), std::to_string(entry.dormant),
                    size_text(entry.file_bytes), size_text(entry.memory_bytes)});
  }
  const Total total = total_of(inspection);
  rows.push_back({"total", "", "", "", std::to_string(total.weights), std::to_string(total.alive),
                  percent(density_of(total)), std::to_string(total.dormant), size_text(total.file_bytes),
                  size_text(total.memory_bytes)});
  out << '\n';
  print(out, rows);
  out << "\nas dense tensors: " << size_text(total.dense_bytes) << " in memory\n";
  return out.str();
}

std::string to_json(const Inspection& inspection) {
  using Json = nlohmann::ordered_json;
  Json tensors = Json::array();
  for (const InspectedTensor& entry : inspection.tensors) {
    tensors.push_back({{"name", entry.name},
                       {"layout", entry.layout},
                       {"dtype", entry.dtype},
                       {"shape", std::vector<std::int64_t>(entry.shape.begin(), entry.shape.end())},
                       {"weights", entry.numel()},
                       {"alive", entry.alive},
                       {"stored", entry.stored},
                       {"dormant", entry.dormant},
                       {"density", entry.density()},
                       {"states", entry.states},
                       {"file_bytes", entry.file_bytes},
                       {"memory_bytes", entry.memory_bytes}});
  }
  Json metadata = Json::object();
  for (const auto& [key, value] : inspection.metadata) metadata[key] = value;
  const Total total = total_of(inspection);
  const Json json = {{"file", inspection.file},
                     {"format", inspection.format},
                     {"bytes", inspection.bytes},
                     {"metadata", metadata},
                     {"notes", inspection.notes},
                     {"tensors", tensors},
                     {"total",
                      {{"weights", total.weights},
                       {"alive", total.alive},
                       {"stored", total.stored},
                       {"dormant", total.dormant},
                       {"density", density_of(total)},
                       {"file_bytes", total.file_bytes},
                       {"memory_bytes", total.memory_bytes},
                       {"dense_bytes", total.dense_bytes}}}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace coppice::train
