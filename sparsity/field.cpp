#include <coppice/sparsity/field.h>

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

#include <coppice/core/error.h>
#include <coppice/sparsity/nearest.h>

namespace coppice::sparsity::detail {
namespace {

std::vector<std::string_view> views(const std::vector<std::string>& words) { return {words.begin(), words.end()}; }

template <class T>
std::string number_text(T value) {
  std::array<char, 40> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

[[noreturn]] void fail_value(const std::string& expects, std::string_view text) {
  coppice::detail::fail("expects ", expects, "; got '", shown(text), "'");
}

template <class T>
T number_from(const std::string& expects, Bounds bounds, std::string_view text, std::string_view whole) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) fail_value(expects, whole);
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) fail_value(expects, whole);
  }
  if constexpr (std::is_unsigned_v<T>) {
    if (value > std::numeric_limits<std::int64_t>::max()) fail_value(expects, whole);  // the largest that TOML writes
  }
  const auto position = static_cast<double>(value);
  if (!(position >= bounds.least && position <= bounds.most)) fail_value(expects, whole);
  return value;
}

/// The parts of `a, b, c`; none of an empty text.
std::vector<std::string_view> parts(std::string_view text) {
  std::vector<std::string_view> found;
  while (!trimmed(text).empty()) {
    const std::size_t comma = text.find(',');
    found.push_back(trimmed(text.substr(0, comma)));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
    if (trimmed(text).empty()) found.emplace_back();
  }
  return found;
}

std::string expectation(std::string noun, Bounds bounds) {
  std::ostringstream text;
  text << noun;
  if (std::isfinite(bounds.least) && std::isfinite(bounds.most)) {
    text << " in [" << bounds.least << ", " << bounds.most << ']';
  } else if (std::isfinite(bounds.least)) {
    text << " of " << bounds.least << " or more";
  }
  return std::move(text).str();
}

template <class T>
Field number_field(std::string key, T& value, std::string help, Bounds bounds) {
  const bool integer = std::is_integral_v<T>;
  Field made{.key = std::move(key),
             .kind = integer ? FieldKind::Integer : FieldKind::Number,
             .help = std::move(help),
             .expects = expectation(integer ? "an integer" : "a number", bounds)};
  made.get = [&value] { return number_text(value); };
  made.assign = [&value, bounds, expects = made.expects](std::string_view text) {
    value = number_from<T>(expects, bounds, text, text);
  };
  return made;
}

template <class T>
Field list_field(std::string key, std::vector<T>& values, std::string help, Bounds bounds) {
  const bool integer = std::is_integral_v<T>;
  Field made{.key = std::move(key),
             .kind = integer ? FieldKind::Integers : FieldKind::Numbers,
             .help = std::move(help),
             .expects = expectation(integer ? "a list of integers, each" : "a list of numbers, each", bounds)};
  made.get = [&values] {
    std::string text;
    for (const T value : values) {
      if (!text.empty()) text += ',';
      text += number_text(value);
    }
    return text;
  };
  made.assign = [&values, bounds, expects = made.expects](std::string_view text) {
    std::vector<T> read;
    for (const std::string_view part : parts(text)) read.push_back(number_from<T>(expects, bounds, part, text));
    values = std::move(read);
  };
  return made;
}

}  // namespace

std::string shown(std::string_view text) {
  constexpr std::size_t kMostBytes = 80;
  std::string safe(text.substr(0, kMostBytes));
  for (char& byte : safe) {
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) byte = '?';
  }
  if (text.size() > kMostBytes) safe += "…";
  return safe;
}

void Field::set(std::string_view text) const {
  try {
    assign(text);
  } catch (const Error& error) {
    coppice::detail::fail(key, ' ', error.what());
  }
}

std::size_t word_index(const std::vector<std::string>& words, std::string_view text, std::string_view subject) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == text) return i;
  }
  const std::string got = shown(text);
  coppice::detail::fail(subject, "expects one of ", join(views(words)), "; got '", got, "'; did you mean '",
                        nearest(got, views(words)), "'?");
}

Field word_field(std::string key, std::vector<std::string> words, std::string help) {
  std::string expects = "one of ";
  expects += join(views(words));
  return {.key = std::move(key),
          .kind = FieldKind::Word,
          .help = std::move(help),
          .expects = std::move(expects),
          .words = std::move(words)};
}

Field word_field(std::string key, std::string& value, std::vector<std::string> words, std::string help) {
  Field made = word_field(std::move(key), std::move(words), std::move(help));
  made.get = [&value] { return value; };
  made.assign = [&value, words = made.words](std::string_view text) { value = words[word_index(words, text)]; };
  return made;
}

Field field(std::string key, bool& value, std::string help) {
  Field made{.key = std::move(key), .kind = FieldKind::Boolean, .help = std::move(help), .expects = "true or false"};
  made.get = [&value] { return std::string(value ? "true" : "false"); };
  made.assign = [&value, expects = made.expects](std::string_view text) {
    if (text != "true" && text != "false") fail_value(expects, text);
    value = text == "true";
  };
  return made;
}

Field field(std::string key, int& value, std::string help, Bounds bounds) {
  return number_field(std::move(key), value, std::move(help), bounds);
}
Field field(std::string key, std::int64_t& value, std::string help, Bounds bounds) {
  return number_field(std::move(key), value, std::move(help), bounds);
}
Field field(std::string key, std::uint64_t& value, std::string help) {
  return number_field(std::move(key), value, std::move(help), {.least = 0.0});
}
Field field(std::string key, double& value, std::string help, Bounds bounds) {
  return number_field(std::move(key), value, std::move(help), bounds);
}

Field field(std::string key, std::string& value, std::string help) {
  Field made{.key = std::move(key), .kind = FieldKind::Text, .help = std::move(help), .expects = "a text"};
  made.get = [&value] { return value; };
  made.assign = [&value](std::string_view text) { value = text; };
  return made;
}

Field field(std::string key, Criterion& value, std::string help) {
  Field made = word_field(std::move(key), criterion::names(), std::move(help));
  made.get = [&value] { return value.name; };
  made.assign = [&value, words = made.words](std::string_view text) {
    value = criterion::named(words[word_index(words, text)]);
  };
  return made;
}

Field field(std::string key, Pattern& value, std::string help) {
  Field made{.key = std::move(key),
             .kind = FieldKind::Text,
             .help = std::move(help),
             .expects = "`free`, N:M as `2:4` or blocks as `8x1`"};
  made.get = [&value] {
    std::ostringstream text;
    text << value;
    return std::move(text).str();
  };
  made.assign = [&value, expects = made.expects](std::string_view text) {
    const std::optional<Pattern> pattern = Pattern::from_text(text);
    if (!pattern || pattern->kind == Pattern::Kind::Channels) fail_value(expects, text);
    value = *pattern;
  };
  return made;
}

Field field(std::string key, std::vector<std::int64_t>& value, std::string help, Bounds bounds) {
  return list_field(std::move(key), value, std::move(help), bounds);
}
Field field(std::string key, std::vector<double>& value, std::string help, Bounds bounds) {
  return list_field(std::move(key), value, std::move(help), bounds);
}

Field field(std::string key, std::vector<std::string>& value, std::string help) {
  Field made{.key = std::move(key), .kind = FieldKind::Texts, .help = std::move(help), .expects = "a list of texts"};
  made.get = [&value] {
    std::string text;
    for (const std::string& word : value) {
      if (!text.empty()) text += ',';
      text += word;
    }
    return text;
  };
  made.assign = [&value](std::string_view text) {
    const std::vector<std::string_view> read = parts(text);
    value.assign(read.begin(), read.end());
  };
  return made;
}

const Field* find(const Fields& fields, std::string_view key) {
  for (const Field& field : fields) {
    if (field.key == key) return &field;
  }
  return nullptr;
}

std::string unknown_key(const Fields& fields, std::string_view key) {
  std::vector<std::string_view> keys;
  for (const Field& field : fields) {
    const std::string_view whole = field.key;
    keys.push_back(whole);
    for (std::size_t dot = whole.find('.'); dot != whole.npos; dot = whole.find('.', dot + 1)) {
      keys.push_back(whole.substr(0, dot));
    }
  }
  const std::string got = shown(key);
  std::ostringstream text;
  text << "unknown key '" << got << "'; did you mean '" << nearest(got, keys) << "'?";
  return std::move(text).str();
}

}  // namespace coppice::sparsity::detail
