#include <gtest/gtest.h>

#include <coppice/trainers/reactivation/settings.h>
#include <coppice/trainers/recipe/recipe.h>

#include "tests/core/io/temporary_folder.h"

namespace coppice::train {
namespace {

const std::filesystem::path kDocs = std::filesystem::path(COPPICE_SOURCE_DIR) / "docs";

/// The line of the table in docs/recipes.md that a key has to have.
std::string row_of(const RecipeKey& key) {
  std::string row = "| `" + key.key + "` | " + key.expects + " | ";
  row += key.value.empty() ? "" : '`' + key.value + '`';
  row += " | " + key.help + " |\n";
  return row;
}

/// The TOML blocks of a page, in order.
std::vector<std::string> toml_blocks(const std::string& page) {
  const std::string open = "```toml\n";
  std::vector<std::string> blocks;
  for (std::size_t at = page.find(open); at != page.npos; at = page.find(open, at)) {
    at += open.size();
    blocks.push_back(page.substr(at, page.find("```\n", at) - at));
  }
  return blocks;
}

TEST(RecipeDocs, HaveARowForEveryKey) {
  const std::string page = read_bytes(kDocs / "recipes.md");
  for (const RecipeKey& key : recipe_keys()) {
    EXPECT_NE(page.find(row_of(key)), page.npos) << "docs/recipes.md lacks\n" << row_of(key);
  }
  for (const RecipeKey& key : reactivation::recipe_keys()) {
    if (key.key.starts_with("policy.")) continue;
    EXPECT_NE(page.find(row_of(key)), page.npos) << "docs/recipes.md lacks\n" << row_of(key);
  }
  for (const RecipeKey& key : reactivation::method_keys()) {
    if (key.key.starts_with("policy.")) continue;
    EXPECT_NE(page.find("\n| `" + key.key + "` | "), page.npos) << key.key;
  }
}

TEST(RecipeDocs, ShowRecipesThatWork) {
  const std::vector<std::string> blocks = toml_blocks(read_bytes(kDocs / "recipes.md"));
  ASSERT_EQ(blocks.size(), 4U);
  const Recipe recipe = parse_recipe(blocks[0] + blocks[1], "training and sweep");
  EXPECT_TRUE(recipe.sparse);
  EXPECT_EQ(expand(recipe)[0].name, "sparse-digits[interval=20,optimizer=sgd]");

  const TemporaryFolder folder;
  write_bytes(folder / "table.toml", blocks[2]);
  reactivation::Options options;
  reactivation::read_table(folder / "table.toml", options);
  EXPECT_EQ(options.epochs, 5);
  EXPECT_EQ(blocks[3], read_bytes(kDocs / "recipes" / "mine.toml"));
}

TEST(RecipeDocs, TheMethodOfYourOwnTrains) {
  reactivation::Options options;
  for (const auto& [key, value] : {std::pair{"seeds", "1"},
                                   {"training.steps", "60"},
                                   {"sparsities", "0.9"},
                                   {"methods", "rigl"},
                                   {"data.train_images", "1200"},
                                   {"data.test_images", "100"},
                                   {"data.validation_images", "200"}}) {
    reactivation::set(options, key, value);
  }
  options.added = reactivation::read_methods(kDocs / "recipes" / "mine.toml");
  const Results results = reactivation::reproduce(options);
  ASSERT_EQ(results.runs.size(), 3U);
  EXPECT_EQ(results.runs[1].method, "mine[interval=20]");
  EXPECT_EQ(results.runs[1].updates.size(), 2U);
  EXPECT_EQ(results.runs[2].updates.size(), 1U);
  EXPECT_EQ(results.runs[1].nnz, results.runs[0].nnz);
}

}  // namespace
}  // namespace coppice::train
