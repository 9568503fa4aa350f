#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace coppice::train {

/// A cell as RFC 4180 writes it: quoted where it holds a comma, a quote or a line break.
std::string csv_cell(const std::string& text);

/// Lines of cells by RFC 4180: a quoted cell may hold commas, line breaks and doubled quotes. Empty lines are left out.
std::vector<std::vector<std::string>> split_csv(std::string_view text);

}  // namespace coppice::train
