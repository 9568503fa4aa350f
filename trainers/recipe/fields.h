#pragma once

#include <coppice/sparsity/field.h>
#include <coppice/trainers/recipe/recipe.h>

namespace coppice::train::detail {

/// The one list of a recipe's fields, in the order of the file.
sparsity::detail::Fields fields_of(Recipe& recipe);

/// Puts a preset in the policy's place, keeping where weights live.
void use_preset(sparsity::MaskPolicy& policy, std::string_view preset);

}  // namespace coppice::train::detail
