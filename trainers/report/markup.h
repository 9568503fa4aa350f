#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coppice::train::report {

/// `text` as character data or attribute value of HTML and XML: what would be markup as entities, what XML cannot hold
/// (control characters, bytes that are no UTF-8) as U+FFFD.
std::string escape(std::string_view text);

/// Writes HTML with inline SVG that is well-formed XML as well. Escapes all text and attribute values;
/// attributes without a value are left out.
class Markup {
 public:
  using Attributes = std::initializer_list<std::pair<const char*, std::string>>;

  Markup& open(const char* tag, Attributes attributes = {});
  /// Closes what was opened last.
  Markup& close();
  /// An element without content. Of HTML's own only those that have no end tag.
  Markup& leaf(const char* tag, Attributes attributes = {});
  Markup& element(const char* tag, std::string_view text);
  Markup& element(const char* tag, Attributes attributes, std::string_view text);
  Markup& text(std::string_view text);
  /// A name that may be broken into lines after its underscores.
  Markup& breakable(std::string_view name);
  /// Markup of this program, as it is.
  Markup& trusted(std::string_view markup);

  /// Everything written. Throws where an element is still open.
  const std::string& str() const;

 private:
  void begin(const char* tag, Attributes attributes);

  std::string out_;
  std::vector<const char*> open_;
};

}  // namespace coppice::train::report
