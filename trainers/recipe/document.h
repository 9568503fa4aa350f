#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <coppice/core/error.h>
#include <coppice/sparsity/field.h>
#include <coppice/trainers/recipe/recipe.h>

namespace coppice::train::detail {

/// Where in a file, both counted from 1.
struct Place {
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  friend auto operator<=>(const Place&, const Place&) = default;
};

enum class ValueKind : std::uint8_t { Boolean, Integer, Number, Text, List, Table, Time };

/// What a key is given: a scalar as text, or a list. Of tables only empty ones are values.
struct Value {
  ValueKind kind = ValueKind::Table;
  std::string text{};
  std::vector<Value> items{};
  Place place{};
};

/// One `key = value`, with the key's dotted path from the root; tables of an array are `add[0]`, `add[1]` …
struct Setting {
  std::string key{};
  Place place{};
  Value value{};
};

/// A TOML file, flat and in its own order.
struct Document {
  std::string file{};  ///< as messages name it
  std::vector<Setting> settings{};

  /// The setting of that key, null when there is none.
  const Setting* find(std::string_view key) const;
  /// Throws `[recipe] FILE:LINE:COLUMN: …`.
  template <class... Parts>
  [[noreturn]] void fail(Place place, const Parts&... parts) const {
    coppice::detail::fail("[recipe] ", file, ':', place.line, ':', place.column, ": ", parts...);
  }
};

/// Reads TOML from untrusted text: bounded in size, depth and length of lists. `file` is for messages.
Document parse_document(std::string_view text, const std::string& file);
/// The text of a file of bounded size. Throws `[recipe] FILE: …`.
std::string read_text(const std::filesystem::path& file);

/// Sets a field from a setting of the document, of the kind the field asks for.
void apply(const Document& document, const Setting& setting, const sparsity::detail::Field& field);
/// The same, with the field of the setting's key. Throws with the nearest key when there is none.
void apply(const Document& document, const Setting& setting, const sparsity::detail::Fields& fields);
/// Whether the setting is of `[sweep]`, which no field is.
bool is_of_sweep(const Setting& setting);
/// Reads `[sweep]`: lists of values by the keys of `fields`, whose struct is left with some of them.
std::vector<SweepAxis> read_sweep(const Document& document, const sparsity::detail::Fields& fields);

/// `key = value` lines, those of one table under its heading, in the order of the fields.
std::string toml_of(const sparsity::detail::Fields& fields);
/// A value as TOML writes it.
std::string toml_literal(sparsity::detail::FieldKind kind, const std::string& text);

}  // namespace coppice::train::detail
