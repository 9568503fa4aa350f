#include <coppice/trainers/csv.h>

#include <utility>

namespace coppice::train {

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? "\"\"" : std::string(1, c);
  return result + '"';
}

std::vector<std::vector<std::string>> split_csv(std::string_view text) {
  std::vector<std::vector<std::string>> lines;
  std::vector<std::string> line;
  std::string cell;
  bool inside = false;
  const auto end_line = [&] {
    line.push_back(std::move(cell));
    cell.clear();
    if (line.size() > 1 || !line[0].empty()) lines.push_back(std::move(line));
    line.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (inside && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      cell += text[++i];
    } else if (c == '"') {
      inside = !inside;
    } else if (!inside && c == ',') {
      line.push_back(std::move(cell));
      cell.clear();
    } else if (!inside && c == '\n') {
      end_line();
    } else if (inside || c != '\r') {
      cell += c;
    }
  }
  end_line();
  return lines;
}

}  // namespace coppice::train
