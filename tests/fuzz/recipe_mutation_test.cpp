#include <gtest/gtest.h>

#include <sstream>

#include <coppice/trainers/recipe/recipe.h>

#include "tests/fuzz/campaign.h"
#include "tests/fuzz/mutator.h"

namespace coppice::fuzz {
namespace {

using train::Recipe;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// Every field of some recipes, a line each below its table's heading.
std::vector<std::vector<std::string>> seeds() {
  Recipe dense;
  Recipe iee;
  train::set(iee, "policy.preset", "iee");
  train::set(iee, "policy.density", "0.05");
  Recipe swept;
  train::set(swept, "policy.preset", "rigl");
  swept.sweep = {{.key = "policy.interval", .values = {"10", "20"}}, {.key = "training.seed", .values = {"1", "2"}}};
  std::vector<std::vector<std::string>> seeds;
  for (const Recipe& recipe : {dense, iee, swept}) seeds.push_back(lines_of(train::to_toml(recipe)));
  return seeds;
}

/// Some lines of a recipe, all of its headings.
std::string draw(const std::vector<std::string>& lines, Mutator& mutator) {
  static const std::vector<std::string> kWords = {
      "true", "inf",    "nan",   "[[add]]", "[policy]", "[sweep]",      "\"iee\"", "'''",   "\"\"\"",   "1979-05-27",
      "0xFF", "-1e400", "a.b.c", "[1, 2]",  "{a = 1}",  "[[[[[[[[[[[[", "\\u0000", "1_000", "seed = 3", "steps = 5"};
  const double kept = mutator.chance(0.8) ? 0.15 : 0.9;
  std::string text;
  for (std::string line : lines) {
    if (!line.starts_with('[') && !mutator.chance(kept)) continue;
    if (mutator.chance(0.01)) mutator.change_text(line, kWords);
    (text += line) += '\n';
  }
  for (std::uint64_t changes = mutator.below(3); changes > 0; --changes) mutator.change_text(text, kWords);
  if (mutator.chance(0.03)) mutator.change_bytes(text);
  return text;
}

TEST(Mutations, Recipe) {
  const std::vector<std::vector<std::string>> recipes = seeds();
  run({.format = "recipe",
       .target = recipe,
       .make =
           [&](Generator& generator) {
             Mutator mutator(generator);
             return draw(mutator.pick(recipes), mutator);
           },
       .fixed_bytes = 256 << 10,
       .per_byte = 1000,
       .kinds_of_error = 30});
}

}  // namespace
}  // namespace coppice::fuzz
