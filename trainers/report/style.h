#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace coppice::train::report {

/// How a method is drawn everywhere on the page: colour, dashes and marker differ, so that none of them is needed
/// alone.
struct Style {
  int colour = 0;  ///< class `c<colour>` of the style sheet
  int dash = 0;
  int marker = 0;
};

/// Gives every name its own style. A name that begins with another one and `_` (`rigl_equal_flops`) has that one's
/// colour.
class Styles {
 public:
  explicit Styles(const std::vector<std::string>& names);
  Style operator()(const std::string& name) const;
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  std::map<std::string, Style> styles_;
};

/// `c<colour>`
std::string colour_class(const Style& style);
/// `stroke-dasharray` of a dash; empty for a solid line.
std::string dash_pattern(int dash);

/// The page's CSS: light and dark, wide and narrow.
std::string_view style_sheet();

}  // namespace coppice::train::report
