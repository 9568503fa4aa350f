#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <coppice/core/export.h>

namespace coppice::sparsity::detail {

/// The candidate with the smallest edit distance to `word`, for messages that suggest what was meant.
COPPICE_API std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

/// `a, b, c`
COPPICE_API std::string join(const std::vector<std::string_view>& words);

}  // namespace coppice::sparsity::detail
