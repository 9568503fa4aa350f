#include <coppice/trainers/recipe/document.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <system_error>

#include <toml++/toml.h>

namespace coppice::train::detail {
namespace {

using sparsity::detail::Field;
using sparsity::detail::FieldKind;
using sparsity::detail::Fields;
using sparsity::detail::shown;

constexpr std::size_t kMostBytes = 256 * 1024;
constexpr std::ptrdiff_t kMostDots = 2048;  // each may open a table, and tables are destroyed recursively
constexpr std::size_t kMostDepth = 16;
constexpr std::size_t kMostItems = 1000;
constexpr std::string_view kSweep = "sweep.";

Place place_of(const toml::source_region& source) { return {source.begin.line, source.begin.column}; }

template <class T>
std::string number_text(T value) {
  std::array<char, 40> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

class Flattening {
 public:
  explicit Flattening(Document& document) : document_(document) {}

  void add(const std::string& path, const toml::table& table, std::size_t depth) {
    for (const auto& [key, node] : table) {
      const Place place = place_of(key.source());
      if (depth >= kMostDepth) document_.fail(place, "expects tables nested at most ", kMostDepth, " deep");
      std::string whole = path;
      if (!path.empty()) whole += '.';
      whole += key.str();
      const toml::array* array = node.as_array();
      if (const toml::table* inner = node.as_table(); inner && !inner->empty()) {
        add(whole, *inner, depth + 1);
      } else if (array && array->is_array_of_tables()) {
        for (std::size_t i = 0; i < array->size(); ++i) {
          const toml::table& item = *array->get_as<toml::table>(i);
          const std::string numbered = whole + '[' + std::to_string(i) + ']';
          if (item.empty()) document_.settings.push_back({.key = numbered, .place = place_of(item.source())});
          add(numbered, item, depth + 1);
        }
      } else {
        document_.settings.push_back({.key = whole, .place = place, .value = value_of(node, depth)});
      }
    }
  }

 private:
  Value value_of(const toml::node& node, std::size_t depth) const {
    Value value{.place = place_of(node.source())};
    if (const auto* text = node.as_string()) {
      value.kind = ValueKind::Text;
      value.text = text->get();
    } else if (const auto* integer = node.as_integer()) {
      value.kind = ValueKind::Integer;
      value.text = number_text(integer->get());
    } else if (const auto* number = node.as_floating_point()) {
      value.kind = ValueKind::Number;
      value.text = number_text(number->get());
    } else if (const auto* boolean = node.as_boolean()) {
      value.kind = ValueKind::Boolean;
      value.text = boolean->get() ? "true" : "false";
    } else if (const auto* array = node.as_array()) {
      if (depth >= kMostDepth) document_.fail(value.place, "expects lists nested at most ", kMostDepth, " deep");
      if (array->size() > kMostItems) document_.fail(value.place, "expects lists of at most ", kMostItems, " items");
      value.kind = ValueKind::List;
      for (const toml::node& item : *array) value.items.push_back(value_of(item, depth + 1));
    } else {
      value.kind = node.is_table() ? ValueKind::Table : ValueKind::Time;
    }
    return value;
  }

  Document& document_;
};

std::string described(const Value& value) {
  switch (value.kind) {
    case ValueKind::Text: return "the text '" + shown(value.text) + '\'';
    case ValueKind::List: return "a list";
    case ValueKind::Table: return "a table";
    case ValueKind::Time: return "a date or time";
    case ValueKind::Number:
      return '\'' + value.text + (value.text.find_first_not_of("-0123456789") == std::string::npos ? ".0'" : "'");
    default: return '\'' + value.text + '\'';
  }
}

bool fits(FieldKind field, ValueKind value) {
  switch (field) {
    case FieldKind::Boolean: return value == ValueKind::Boolean;
    case FieldKind::Integer:
    case FieldKind::Integers: return value == ValueKind::Integer;
    case FieldKind::Number:
    case FieldKind::Numbers: return value == ValueKind::Integer || value == ValueKind::Number;
    default: return value == ValueKind::Text;
  }
}

bool is_list(FieldKind kind) {
  return kind == FieldKind::Integers || kind == FieldKind::Numbers || kind == FieldKind::Texts;
}

/// The text a field's set takes for this value.
std::string text_for(const Document& document, const Value& value, const Field& field) {
  const auto refuse = [&](const Value& got) {
    document.fail(got.place, field.key, " expects ", field.expects, "; got ", described(got));
  };
  if (!is_list(field.kind)) {
    if (!fits(field.kind, value.kind)) refuse(value);
    return value.text;
  }
  if (value.kind != ValueKind::List) refuse(value);
  std::string joined;
  for (const Value& item : value.items) {
    if (!fits(field.kind, item.kind) || item.text.find(',') != std::string::npos) refuse(item);
    if (!joined.empty()) joined += ',';
    joined += item.text;
  }
  return joined;
}

void set_from(const Document& document, const Value& value, const Field& field) {
  const std::string text = text_for(document, value, field);
  try {
    field.set(text);
  } catch (const Error& error) {
    document.fail(value.place, error.what());
  }
}

bool is_section(const Fields& fields, const std::string& key) {
  return std::any_of(fields.begin(), fields.end(),
                     [prefix = key + '.'](const Field& field) { return field.key.starts_with(prefix); });
}

std::string quoted(const std::string& text) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string literal = "\"";
  for (const char byte : text) {
    if (byte == '"' || byte == '\\') {
      literal += '\\';
      literal += byte;
    } else if (const auto code = static_cast<unsigned char>(byte); code < 0x20 || code == 0x7f) {
      literal += "\\u00";
      literal += kDigits[code >> 4];
      literal += kDigits[code & 15];
    } else {
      literal += byte;
    }
  }
  literal += '"';
  return literal;
}

SweepAxis axis_of(const Document& document, const Setting& setting, const Fields& fields) {
  SweepAxis axis{.key = setting.key.substr(kSweep.size())};
  const Field* field = sparsity::detail::find(fields, axis.key);
  if (!field) document.fail(setting.place, "sweep: ", sparsity::detail::unknown_key(fields, axis.key));
  if (setting.value.kind != ValueKind::List || setting.value.items.empty()) {
    document.fail(setting.value.place, setting.key, " expects a list of values; got ",
                  setting.value.kind == ValueKind::List ? "an empty one" : described(setting.value));
  }
  for (const Value& item : setting.value.items) {
    set_from(document, item, *field);
    axis.values.push_back(text_for(document, item, *field));
  }
  return axis;
}

}  // namespace

const Setting* Document::find(std::string_view key) const {
  const auto found =
      std::find_if(settings.begin(), settings.end(), [&](const Setting& setting) { return setting.key == key; });
  return found == settings.end() ? nullptr : &*found;
}

std::string read_text(const std::filesystem::path& file) {
  std::error_code error;
  const bool regular = std::filesystem::is_regular_file(file, error);
  std::ifstream in(file, std::ios::binary);
  COPPICE_CHECK(regular && in, "[recipe] ", file.string(), ": expects a file that can be read; got ",
                error     ? error.message()
                : regular ? "no permission"
                          : "something else");
  std::string text(kMostBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

Document parse_document(std::string_view text, const std::string& file) {
  COPPICE_CHECK(text.size() <= kMostBytes, "[recipe] ", file, ": expects at most ", kMostBytes, " bytes; got more");
  COPPICE_CHECK(std::count(text.begin(), text.end(), '.') <= kMostDots, "[recipe] ", file, ": expects at most ",
                kMostDots, " dots; got more");
  Document document{.file = file};
  try {
    Flattening(document).add({}, toml::parse(text), 0);
  } catch (const toml::parse_error& error) {
    document.fail(place_of(error.source()), "is no TOML: ", shown(error.description()));
  }
  std::stable_sort(document.settings.begin(), document.settings.end(),
                   [](const Setting& a, const Setting& b) { return a.place < b.place; });
  return document;
}

void apply(const Document& document, const Setting& setting, const Field& field) {
  set_from(document, setting.value, field);
}

void apply(const Document& document, const Setting& setting, const Fields& fields) {
  const Field* field = sparsity::detail::find(fields, setting.key);
  if (!field && setting.value.kind == ValueKind::Table && is_section(fields, setting.key)) return;
  if (!field && is_section(fields, setting.key)) {
    document.fail(setting.place, shown(setting.key), " expects a table of keys; got ", described(setting.value));
  }
  if (!field) document.fail(setting.place, sparsity::detail::unknown_key(fields, setting.key));
  apply(document, setting, *field);
}

bool is_of_sweep(const Setting& setting) { return setting.key == "sweep" || setting.key.starts_with(kSweep); }

std::vector<SweepAxis> read_sweep(const Document& document, const Fields& fields) {
  std::vector<SweepAxis> sweep;
  for (const Setting& setting : document.settings) {
    if (setting.key.starts_with(kSweep)) sweep.push_back(axis_of(document, setting, fields));
    if (setting.key == "sweep" && setting.value.kind != ValueKind::Table) {
      document.fail(setting.place, "sweep expects a table of lists; got ", described(setting.value));
    }
    if (std::any_of(sweep.begin(), sweep.end(),
                    [&](const SweepAxis& axis) { return &axis != &sweep.back() && axis.key == sweep.back().key; })) {
      document.fail(setting.place, setting.key, " is given twice");
    }
  }
  return sweep;
}

std::string toml_literal(FieldKind kind, const std::string& text) {
  if (kind == FieldKind::Text || kind == FieldKind::Word) return quoted(text);
  if (!is_list(kind)) return text;
  std::string literal = "[";
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (begin > 0) literal += ", ";
    const std::string item = text.substr(begin, end - begin);
    literal += kind == FieldKind::Texts ? quoted(item) : item;
    begin = end + 1;
  }
  literal += ']';
  return literal;
}

std::string toml_of(const Fields& fields) {
  std::string root;
  std::string tables;
  std::string open;
  for (const Field& field : fields) {
    const std::size_t dot = field.key.find('.');
    std::string& out = dot == std::string::npos ? root : tables;
    if (dot != std::string::npos && field.key.substr(0, dot) != open) {
      open = field.key.substr(0, dot);
      out += "\n[";
      out += open;
      out += "]\n";
    }
    out += dot == std::string::npos ? field.key : field.key.substr(dot + 1);
    out += " = ";
    out += toml_literal(field.kind, field.get());
    out += '\n';
  }
  return root + tables;
}

}  // namespace coppice::train::detail
