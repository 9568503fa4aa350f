#include <coppice/core/io/sparse_pattern.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include <coppice/core/error.h>

namespace coppice {
namespace {

constexpr std::int64_t kMostPositions = std::int64_t{1} << 32;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/// A text as it may stand in a message: quoted, cut, printable.
std::string printable(std::string_view text) {
  std::string shown = "'";
  for (const char c : text.substr(0, 30)) shown += c < 0x20 || c == 0x7F ? '?' : c;
  return shown + (text.size() > 30 ? "…'" : "'");
}

/// Lines of words; words are also parted by commas where the format has them.
class Reader {
 public:
  Reader(const char* format, std::string_view bytes, const std::string& name, bool commas)
      : format_(format), rest_(bytes), name_(name), commas_(commas) {}

  /// Goes to the next line that is neither empty nor a comment; false at the end.
  bool next_line(char comment) {
    while (!rest_.empty()) {
      const std::size_t end = std::min(rest_.find('\n'), rest_.size());
      line_ = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      ++number_;
      skip();
      if (!line_.empty() && line_.front() != comment) return true;
    }
    line_ = {};
    return false;
  }

  /// The next word of the line; empty at its end.
  std::string_view word() {
    skip();
    std::size_t end = 0;
    while (end < line_.size() && !separates(line_[end])) ++end;
    const std::string_view result = line_.substr(0, end);
    line_.remove_prefix(end);
    return result;
  }

  std::int64_t integer(const char* what, std::int64_t low, std::int64_t high) {
    const std::string_view text = word();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high) {
      reject(what, " from ", low, " to ", high, "; got ", printable(text));
    }
    return value;
  }

  void expect_end_of_line() {
    skip();
    if (!line_.empty()) reject("an end of the line; got ", printable(line_));
  }

  std::size_t bytes_left() const { return rest_.size() + line_.size(); }

  template <class... Parts>
  [[noreturn]] void reject(const Parts&... expectation) const {
    detail::fail('[', format_, "] ", name_, ": line ", number_, ": expects ", expectation...);
  }

 private:
  const char* format_;
  std::string_view rest_;
  std::string_view line_{};
  const std::string& name_;
  bool commas_;
  std::int64_t number_ = 0;

  bool separates(char c) const { return is_space(c) || (commas_ && c == ','); }
  void skip() {
    while (!line_.empty() && separates(line_.front())) line_.remove_prefix(1);
  }
};

/// Rows, columns and entries, checked against each other and against what is left of the file.
struct Sizes {
  std::int64_t rows, columns, entries;
};

Sizes read_sizes(Reader& reader) {
  Sizes sizes{};
  sizes.rows = reader.integer("rows", 0, kMostPositions);
  sizes.columns = reader.integer("columns", 0, kMostPositions);
  if (sizes.rows > 0 && sizes.columns > kMostPositions / sizes.rows) {
    reader.reject("at most 2^32 positions; got ", sizes.rows, " x ", sizes.columns);
  }
  sizes.entries = reader.integer("entries", 0, sizes.rows * sizes.columns);
  reader.expect_end_of_line();
  if (static_cast<std::uint64_t>(sizes.entries) > reader.bytes_left()) {
    reader.reject(sizes.entries, " entries; got ", reader.bytes_left(), " bytes for them");
  }
  return sizes;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

}  // namespace

SparsePattern parse_matrix_market(std::string_view bytes, const std::string& name) {
  Reader reader("mtx", bytes, name, false);
  if (!reader.next_line('\0') || lower(reader.word()) != "%%matrixmarket") reader.reject("a line %%MatrixMarket");
  if (lower(reader.word()) != "matrix" || lower(reader.word()) != "coordinate") reader.reject("matrix coordinate");
  const std::string field = lower(reader.word());
  const int numbers = field == "pattern" ? 0 : field == "real" || field == "integer" ? 1 : field == "complex" ? 2 : -1;
  if (numbers < 0) reader.reject("pattern, integer, real or complex; got ", printable(field));
  const std::string symmetry = lower(reader.word());
  const bool mirrored = symmetry == "symmetric" || symmetry == "skew-symmetric" || symmetry == "hermitian";
  if (!mirrored && symmetry != "general") {
    reader.reject("general, symmetric, skew-symmetric or hermitian; got ", printable(symmetry));
  }
  if (!reader.next_line('%')) reader.reject("a line of sizes; got the end of the file");
  const Sizes sizes = read_sizes(reader);
  if (mirrored && sizes.rows != sizes.columns) reader.reject("a square matrix; got ", sizes.rows, " x ", sizes.columns);

  SparsePattern pattern{.rows = sizes.rows, .columns = sizes.columns};
  pattern.positions.reserve(static_cast<std::size_t>(sizes.entries) * (mirrored ? 2 : 1));
  for (std::int64_t entry = 0; entry < sizes.entries; ++entry) {
    if (!reader.next_line('%')) reader.reject(sizes.entries, " entries; got the end of the file after ", entry);
    const std::int64_t row = reader.integer("a row", 1, sizes.rows) - 1;
    const std::int64_t column = reader.integer("a column", 1, sizes.columns) - 1;
    for (int i = 0; i < numbers; ++i) {
      if (reader.word().empty()) reader.reject("a value; got none");
    }
    reader.expect_end_of_line();
    pattern.positions.push_back(row * sizes.columns + column);
    if (mirrored && row != column) pattern.positions.push_back(column * sizes.columns + row);
  }
  if (reader.next_line('%')) reader.reject("the end of the file after ", sizes.entries, " entries");
  std::ranges::sort(pattern.positions);
  if (std::ranges::adjacent_find(pattern.positions) != pattern.positions.end()) {
    reader.reject("every position once; got one twice");
  }
  return pattern;
}

SparsePattern parse_smtx(std::string_view bytes, const std::string& name) {
  Reader reader("smtx", bytes, name, true);
  if (!reader.next_line('\0')) reader.reject("a line of sizes; got the end of the file");
  const Sizes sizes = read_sizes(reader);
  if (static_cast<std::uint64_t>(sizes.rows) > reader.bytes_left()) {
    reader.reject(sizes.rows + 1, " offsets; got ", reader.bytes_left(), " bytes for them");
  }
  if (!reader.next_line('\0')) reader.reject("a line of offsets; got the end of the file");
  std::vector<std::int64_t> offsets;
  offsets.reserve(static_cast<std::size_t>(sizes.rows) + 1);
  for (std::int64_t row = 0; row <= sizes.rows; ++row) {
    const std::int64_t low = offsets.empty() ? 0 : offsets.back();
    offsets.push_back(reader.integer("an offset", low, row == 0 ? 0 : sizes.entries));
  }
  reader.expect_end_of_line();
  if (offsets.back() != sizes.entries) reader.reject("a last offset of ", sizes.entries, "; got ", offsets.back());

  SparsePattern pattern{.rows = sizes.rows, .columns = sizes.columns};
  pattern.positions.reserve(static_cast<std::size_t>(sizes.entries));
  const bool more = reader.next_line('\0');
  if (!more && sizes.entries > 0) reader.reject("a line of columns; got the end of the file");
  for (std::int64_t row = 0; row < sizes.rows; ++row) {
    const auto at = static_cast<std::size_t>(row);
    const auto first = static_cast<std::ptrdiff_t>(pattern.positions.size());
    for (std::int64_t entry = offsets[at]; entry < offsets[at + 1]; ++entry) {
      pattern.positions.push_back(row * sizes.columns + reader.integer("a column", 0, sizes.columns - 1));
    }
    std::sort(pattern.positions.begin() + first, pattern.positions.end());
  }
  reader.expect_end_of_line();
  if (more && reader.next_line('\0')) reader.reject("the end of the file after the columns");
  if (std::ranges::adjacent_find(pattern.positions) != pattern.positions.end()) {
    reader.reject("every column of a row once; got one twice");
  }
  return pattern;
}

Mask load_mask(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  COPPICE_CHECK(stream, "[load_mask] ", file.string(), ": expects a file that can be read");
  const std::string bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  const std::string ending = file.extension().string();
  COPPICE_CHECK(ending == ".mtx" || ending == ".smtx", "[load_mask] ", file.string(),
                ": expects an ending .mtx or .smtx; got '", ending, "'");
  const SparsePattern pattern =
      ending == ".mtx" ? parse_matrix_market(bytes, file.string()) : parse_smtx(bytes, file.string());
  return Mask::from_positions({pattern.rows, pattern.columns}, pattern.positions);
}

}  // namespace coppice
