#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/trainers/reactivation/reactivation.h>
#include <coppice/trainers/recipe/recipe.h>

/// The table as a recipe: what files and the command line may change.
namespace coppice::train::reactivation {

/// Every key of the table's recipe with what it takes and what it is with these options, those of `policy.` once and
/// not again for each row.
COPPICE_API std::vector<RecipeKey> recipe_keys(const Options& options = {});
/// Every key of a method's file.
COPPICE_API std::vector<RecipeKey> method_keys();

/// Sets what a key names: one of the table (`training.learning_rate`, `seeds`), or a field of a policy
/// (`policy.interval` of all rows, `iee.interval` of one). `scale` puts all keys of the table to what that scale has.
/// Throws `[recipe] …` with the nearest key, or what the key takes.
COPPICE_API void set(Options& options, std::string_view key, std::string_view value);

/// Sets what a TOML file names, `scale` first; every `[[add]]` in it is a row as in a method's file. Mistakes are
/// reported as read_recipe (trainers/recipe/recipe.h) does.
COPPICE_API void read_table(const std::filesystem::path& file, Options& options);

/// The rows that a method's file adds to the table, one a variant of its `[sweep]`: `name`, `preset` (default
/// `custom`), `explanation` and `[policy]`. A field that the file does not name is the preset's, its times scaled to
/// the training. Mistakes are reported likewise, and so is a name that the table has.
COPPICE_API std::vector<Method> read_methods(const std::filesystem::path& file);

/// The policy of a row at a density with the fields that the options set.
COPPICE_API sparsity::MaskPolicy row_policy(const Method& row, const Options& options, double density,
                                            std::int64_t steps);
/// Throws unless `options.set` names policies of rows.
COPPICE_API void check_settings(const Options& options);

/// Everything that determines results, in TOML: read_table gives the same table again. `training` and `rows` are what
/// the options came to.
COPPICE_API std::string to_toml(const Options& options, const Training& training, const std::vector<Method>& rows);

}  // namespace coppice::train::reactivation
