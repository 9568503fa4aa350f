#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/mask.h>
#include <coppice/sparsity/criterion.h>

namespace coppice::sparsity::detail {

enum class FieldKind : std::uint8_t { Boolean, Integer, Number, Text, Word, Integers, Numbers, Texts };

/// The numbers a field takes, both ends included.
struct Bounds {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
};
inline constexpr Bounds kShare{0.0, 1.0};

/// One field of a struct, reached by its key and written as text: numbers in the shortest form that reads back the
/// same, lists separated by commas. Refers to the struct it was made of.
struct Field {
  std::string key{};
  FieldKind kind = FieldKind::Text;
  std::string help{};
  std::string expects{};             ///< `an integer of 0 or more`, `one of floor, ceil, nearest`
  std::vector<std::string> words{};  ///< all values of a Word
  std::function<std::string()> get{};
  std::function<void(std::string_view)> assign{};  ///< throws `expects …; got …`

  /// Throws `KEY expects …; got …` and leaves the struct as it was.
  COPPICE_API void set(std::string_view text) const;
};

using Fields = std::vector<Field>;

/// What a message shows of a text that may come from anywhere: its beginning, without control characters.
COPPICE_API std::string shown(std::string_view text);

/// Where `text` is among `words`; throws `expects one of …; got …; did you mean …?` after `subject`.
COPPICE_API std::size_t word_index(const std::vector<std::string>& words, std::string_view text,
                                   std::string_view subject = {});

/// A field that takes one of `words`: how it is read and written is the caller's.
COPPICE_API Field word_field(std::string key, std::vector<std::string> words, std::string help);
/// The same, kept as the word itself.
COPPICE_API Field word_field(std::string key, std::string& value, std::vector<std::string> words, std::string help);

COPPICE_API Field field(std::string key, bool& value, std::string help);
COPPICE_API Field field(std::string key, int& value, std::string help, Bounds bounds = {});
COPPICE_API Field field(std::string key, std::int64_t& value, std::string help, Bounds bounds = {});
COPPICE_API Field field(std::string key, std::uint64_t& value, std::string help);
COPPICE_API Field field(std::string key, double& value, std::string help, Bounds bounds = {});
COPPICE_API Field field(std::string key, std::string& value, std::string help);
COPPICE_API Field field(std::string key, Criterion& value, std::string help);
COPPICE_API Field field(std::string key, Pattern& value, std::string help);
COPPICE_API Field field(std::string key, std::vector<std::int64_t>& value, std::string help, Bounds bounds = {});
COPPICE_API Field field(std::string key, std::vector<double>& value, std::string help, Bounds bounds = {});
COPPICE_API Field field(std::string key, std::vector<std::string>& value, std::string help);

/// Of an enumeration, the words of its values in order.
template <class Enum, std::size_t kCount>
requires std::is_enum_v<Enum> Field field(std::string key, Enum& value,
                                          const std::array<std::string_view, kCount>& words, std::string help) {
  Field made = word_field(std::move(key), {words.begin(), words.end()}, std::move(help));
  made.get = [&value, words] { return std::string(words.at(static_cast<std::size_t>(value))); };
  made.assign = [&value, known = made.words](std::string_view text) {
    value = static_cast<Enum>(word_index(known, text));
  };
  return made;
}

/// The field of that key, null when there is none.
COPPICE_API const Field* find(const Fields& fields, std::string_view key);
/// `unknown key 'intervall'; did you mean 'interval'?`, names of tables included.
COPPICE_API std::string unknown_key(const Fields& fields, std::string_view key);

}  // namespace coppice::sparsity::detail
