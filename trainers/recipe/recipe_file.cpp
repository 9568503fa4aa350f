#include <algorithm>

#include <coppice/core/io/atomic_file.h>
#include <coppice/trainers/environment.h>
#include <coppice/trainers/recipe/document.h>
#include <coppice/trainers/recipe/fields.h>
#include <coppice/trainers/recipe/recipe.h>

namespace coppice::train {
namespace {

using detail::Document;
using detail::Setting;
using sparsity::detail::Fields;

bool above_zero(const Setting* setting) { return setting && setting->value.text != "0"; }

}  // namespace

Recipe parse_recipe(std::string_view text, const std::string& file) {
  const Document document = detail::parse_document(text, file);
  Recipe recipe;
  const Fields fields = detail::fields_of(recipe);
  // The preset replaces the policy and `sparse` has the last word, wherever they stand.
  const Setting* preset = document.find("policy.preset");
  const Setting* sparse = document.find("sparse");
  if (preset) detail::apply(document, *preset, fields);
  for (const Setting& setting : document.settings) {
    if (!detail::is_of_sweep(setting) && &setting != preset) detail::apply(document, setting, fields);
  }
  const bool has_policy = std::any_of(document.settings.begin(), document.settings.end(), [](const Setting& setting) {
    return setting.key == "policy" || setting.key.starts_with("policy.");
  });
  if (!sparse) recipe.sparse = has_policy;
  const Setting* steps = document.find("training.steps");
  const Setting* epochs = document.find("training.epochs");
  if (above_zero(steps) && above_zero(epochs)) {
    document.fail(std::max(steps->place, epochs->place), "training expects steps or epochs, not both");
  }
  Recipe scratch = recipe;
  Fields swept = detail::fields_of(scratch);
  std::erase_if(swept, [](const auto& field) { return field.key == "name"; });  // variants are named by what they set
  recipe.sweep = detail::read_sweep(document, swept);
  try {
    for (const Recipe& variant : expand(recipe)) validate(variant);
  } catch (const Error& error) {
    std::string_view message = error.what();
    if (message.starts_with("[recipe] ")) message.remove_prefix(std::string_view("[recipe] ").size());
    coppice::detail::fail("[recipe] ", file, ": ", message);
  }
  return recipe;
}

Recipe read_recipe(const std::filesystem::path& file) { return parse_recipe(detail::read_text(file), file.string()); }

std::string to_toml(const Recipe& recipe) {
  Recipe copy = recipe;
  const Fields fields = detail::fields_of(copy);
  std::string text = detail::toml_of(fields);
  if (recipe.sweep.empty()) return text;
  text += "\n[sweep]\n";
  for (const SweepAxis& axis : recipe.sweep) {
    const sparsity::detail::Field* field = sparsity::detail::find(fields, axis.key);
    COPPICE_CHECK(field, "[recipe] sweep: ", sparsity::detail::unknown_key(fields, axis.key));
    text += axis.key;
    text += " = [";
    for (const std::string& value : axis.values) {
      if (&value != &axis.values.front()) text += ", ";
      text += detail::toml_literal(field->kind, value);
    }
    text += "]\n";
  }
  return text;
}

void write_recipe(const std::filesystem::path& file, const Recipe& recipe) {
  const Environment environment = current_environment();
  std::string text = "# coppice " + environment.version;
  if (!environment.commit.empty()) text += ", commit " + environment.commit + (environment.dirty ? "+" : "");
  text += '\n';
  text += to_toml(recipe);
  save_text(file, text);
}

}  // namespace coppice::train
