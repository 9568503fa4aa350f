#include <coppice/ops/sparse_structure.h>

#include <gtest/gtest.h>

#include <vector>

#include <coppice/core/generator.h>

namespace coppice {
namespace {

/// Row-major set positions read back from a structure over (rows, columns).
std::vector<bool> read_back(const cpu::CsrView& view, const Mask& mask, bool transposed) {
  std::vector<bool> set(static_cast<std::size_t>(mask.numel()), false);
  for (std::int64_t b = 0; b < view.blocks(); ++b) {
    for (std::int64_t row = 0; row < view.rows; ++row) {
      for (std::uint32_t e = view.starts[b * view.rows + row]; e < view.starts[(b + 1) * view.rows + row]; ++e) {
        const std::int64_t column = b * view.block_columns + view.indices[e];
        const std::int64_t position = transposed ? column * view.rows + row : row * view.columns + column;
        EXPECT_EQ(transposed ? view.slots[e] : e, mask.rank(position));
        set[static_cast<std::size_t>(position)] = true;
      }
    }
  }
  return set;
}

TEST(SparseStructure, ListsEverySetPositionOnce) {
  Generator generator(1);
  // 1000 in seven blocks of 143: the last block ends past the edge, in rows and in columns.
  for (const Shape& shape : {Shape{1000, 9}, Shape{9, 1000}, Shape{1, 1}, Shape{64, 64}}) {
    for (const double density : {0.0, 0.1, 1.0}) {
      const auto count = static_cast<std::int64_t>(density * static_cast<double>(shape.numel()));
      const Mask mask = Mask::random(shape, count, generator);
      std::vector<bool> expected;
      for (std::int64_t p = 0; p < mask.numel(); ++p) expected.push_back(mask.test(p));
      CsrStructure rows, columns;
      CsrStructure::build_rows(mask, rows);
      CsrStructure::build_columns(mask, columns);
      EXPECT_EQ(read_back(rows.view(), mask, false), expected) << shape;
      EXPECT_EQ(read_back(columns.view(), mask, true), expected) << shape;
    }
  }
}

}  // namespace
}  // namespace coppice
