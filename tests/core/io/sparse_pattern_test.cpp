#include <coppice/core/io/sparse_pattern.h>

#include <gtest/gtest.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

using Positions = std::vector<std::int64_t>;

TEST(SparsePattern, MatrixMarketGeneral) {
  const SparsePattern p = parse_matrix_market(
      "%%MatrixMarket matrix coordinate real general\n% a comment\n\n3 4 3\n3 1 2.5\n1 4 0\r\n1 1 -1e3\n", "a.mtx");
  EXPECT_EQ(p.rows, 3);
  EXPECT_EQ(p.columns, 4);
  EXPECT_EQ(p.positions, (Positions{0, 3, 8}));  // an entry of value 0 counts
}

TEST(SparsePattern, MatrixMarketSymmetricIsMirrored) {
  const SparsePattern p =
      parse_matrix_market("%%matrixmarket MATRIX coordinate pattern symmetric\n3 3 2\n2 2\n3 1\n", "a.mtx");
  EXPECT_EQ(p.positions, (Positions{2, 4, 6}));
}

TEST(SparsePattern, Smtx) {
  const SparsePattern p = parse_smtx("3, 4, 4\n0 2 2 4\n3 1 0 2\n", "a.smtx");
  EXPECT_EQ(p.rows, 3);
  EXPECT_EQ(p.columns, 4);
  EXPECT_EQ(p.positions, (Positions{1, 3, 8, 10}));
  EXPECT_EQ(parse_smtx("2,5,0\n0 0 0\n\n", "a.smtx").positions, Positions{});
}

TEST(SparsePattern, SaysWhatIsWrong) {
  const auto mtx = [](const std::string& text) {
    return error_of([&] { parse_matrix_market("%%MatrixMarket matrix coordinate " + text, "a.mtx"); });
  };
  EXPECT_EQ(mtx("pattern general\n2 2 1\n3 1\n"), "[mtx] a.mtx: line 3: expects a row from 1 to 2; got '3'");
  EXPECT_EQ(mtx("pattern general\n2 2 2\n1 1\n1 1\n"),
            "[mtx] a.mtx: line 4: expects every position once; got one twice");
  EXPECT_EQ(mtx("pattern general\n2 2 4\n"), "[mtx] a.mtx: line 2: expects 4 entries; got 0 bytes for them");
  EXPECT_EQ(mtx("pattern symmetric\n2 3 0\n"), "[mtx] a.mtx: line 2: expects a square matrix; got 2 x 3");
  EXPECT_EQ(mtx("real general\n2 3 1\n1 1\n"), "[mtx] a.mtx: line 3: expects a value; got none");
  EXPECT_EQ(mtx("pattern general\n100000 100000 0\n"),
            "[mtx] a.mtx: line 2: expects at most 2^32 positions; got 100000 x 100000");
  const auto smtx = [](const std::string& text) { return error_of([&] { parse_smtx(text, "a.smtx"); }); };
  EXPECT_EQ(smtx("2 2 2\n0 2 1\n0 1\n"), "[smtx] a.smtx: line 2: expects an offset from 2 to 2; got '1'");
  EXPECT_EQ(smtx("2 2 2\n0 1 2\n0 2\n"), "[smtx] a.smtx: line 3: expects a column from 0 to 1; got '2'");
  EXPECT_EQ(smtx("1 2 2\n0 2\n1 1\n"), "[smtx] a.smtx: line 3: expects every column of a row once; got one twice");
}

TEST(SparsePattern, LoadsAMaskByEnding) {
  const TemporaryFolder folder;
  write_bytes(folder / "a.smtx", "2, 3, 2\n0 1 2\n2 0\n");
  const Mask mask = load_mask(folder / "a.smtx");
  EXPECT_EQ(mask.shape(), (Shape{2, 3}));
  EXPECT_TRUE(mask.test(2) && mask.test(3));
  EXPECT_EQ(mask.count(), 2);
  write_bytes(folder / "a.txt", "2");
  EXPECT_NE(error_of([&] { load_mask(folder / "a.txt"); }).find("expects an ending .mtx or .smtx"), std::string::npos);
}

}  // namespace
}  // namespace coppice
