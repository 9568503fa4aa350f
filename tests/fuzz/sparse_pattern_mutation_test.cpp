#include <gtest/gtest.h>

#include "tests/fuzz/campaign.h"
#include "tests/fuzz/mutator.h"

namespace coppice::fuzz {
namespace {

/// A 0 … rows·columns matrix by a coin for each position.
std::vector<std::vector<std::uint64_t>> draw_rows(Mutator& mutator, std::uint64_t columns) {
  std::vector<std::vector<std::uint64_t>> rows(mutator.below(6));
  for (auto& row : rows) {
    for (std::uint64_t column = 0; column < columns; ++column) {
      if (mutator.chance(0.3)) row.push_back(column);
    }
  }
  return rows;
}

std::size_t count(const std::vector<std::vector<std::uint64_t>>& rows) {
  std::size_t entries = 0;
  for (const auto& row : rows) entries += row.size();
  return entries;
}

std::string damage(Mutator& mutator, std::string text, const std::vector<std::string>& words) {
  if (mutator.chance(0.5)) mutator.change_text(text, words);
  if (mutator.chance(0.1)) mutator.change_bytes(text);
  return text;
}

std::string draw_matrix_market(Generator& generator) {
  Mutator mutator(generator);
  const std::uint64_t columns = mutator.below(7);
  const auto rows = draw_rows(mutator, columns);
  const std::string field = mutator.pick<std::string>({"pattern", "real", "integer", "complex"});
  std::string text = "%%MatrixMarket matrix coordinate " + field + ' ';
  text += mutator.pick<std::string>({"general", "general", "general", "symmetric"}) + "\n% comment\n";
  const std::uint64_t entries = mutator.chance(0.05) ? mutator.number() : count(rows);
  text += std::to_string(rows.size()) + ' ' + std::to_string(columns) + ' ' + std::to_string(entries) + '\n';
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (const std::uint64_t column : rows[row]) {
      text += std::to_string(row + 1) + ' ' + std::to_string(column + 1);
      text += field == "pattern" ? "\n" : field == "complex" ? " 1.5 2\n" : " 3\n";
    }
  }
  return damage(mutator, std::move(text), {"%", "%%MatrixMarket", "array", "hermitian", "1e9", "-1", "\n", "0"});
}

std::string draw_smtx(Generator& generator) {
  Mutator mutator(generator);
  const std::uint64_t columns = mutator.below(7);
  const auto rows = draw_rows(mutator, columns);
  const std::uint64_t entries = mutator.chance(0.05) ? mutator.number() : count(rows);
  std::string text = std::to_string(rows.size()) + ", " + std::to_string(columns) + ", " + std::to_string(entries);
  text += "\n0";
  std::size_t offset = 0;
  for (const auto& row : rows) text += ' ' + std::to_string(offset += row.size());
  text += '\n';
  for (const auto& row : rows) {
    for (const std::uint64_t column : row) text += std::to_string(column) + ' ';
  }
  return damage(mutator, std::move(text), {",", "\n", "-1", "4294967296", "99"});
}

TEST(Mutations, MatrixMarket) {
  run({.format = "mtx",
       .target = matrix_market,
       .make = draw_matrix_market,
       .fixed_bytes = 16 << 10,
       .per_byte = 32,
       .kinds_of_error = 12});
}

TEST(Mutations, Smtx) {
  run({.format = "smtx",
       .target = smtx,
       .make = draw_smtx,
       .fixed_bytes = 16 << 10,
       .per_byte = 32,
       .kinds_of_error = 9});
}

}  // namespace
}  // namespace coppice::fuzz
