#pragma once

#include <string>
#include <utility>
#include <vector>

#include <coppice/sparsity/field.h>
#include <coppice/trainers/recipe/recipe.h>

namespace coppice::train::detail {

/// The one list of a recipe's fields, in the order of the file.
sparsity::detail::Fields fields_of(Recipe& recipe);

/// One combination of a sweep's values.
struct Variant {
  std::string label{};  ///< `[interval=50,density=0.05]`; empty without a sweep
  std::vector<std::pair<std::string, std::string>> settings{};
};

/// Every combination, the last axis varying fastest; one without settings of no axes. Throws above 1000.
std::vector<Variant> variants(const std::vector<SweepAxis>& sweep);

/// Puts a preset in the policy's place, keeping where weights live.
void use_preset(sparsity::MaskPolicy& policy, std::string_view preset);

}  // namespace coppice::train::detail
