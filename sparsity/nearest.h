#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace coppice::sparsity::detail {

/// The candidate with the smallest edit distance to `word`, for messages that suggest what was meant.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

/// `a, b, c`
std::string join(const std::vector<std::string_view>& words);

}  // namespace coppice::sparsity::detail
