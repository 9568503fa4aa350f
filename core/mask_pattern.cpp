// Whether a set keeps a pattern.

#include <coppice/core/error.h>
#include <coppice/core/mask.h>

#include <algorithm>
#include <vector>

namespace coppice {

namespace {

/// The set as a matrix: dimension 0 by everything else.
struct Matrix {
  explicit Matrix(const Mask& mask)
      : words(mask.words().data()),
        rows(mask.shape().empty() ? 1 : mask.shape()[0]),
        columns(rows == 0 ? 0 : mask.numel() / rows) {}
  bool test(std::int64_t row, std::int64_t column) const {
    const std::int64_t position = row * columns + column;
    return ((words[position / 64] >> (position % 64)) & 1U) != 0;
  }

  const std::uint64_t* words;
  std::int64_t rows;
  std::int64_t columns;
};

void check_nm(const Mask& mask, std::int64_t n, std::int64_t m) {
  COPPICE_CHECK(n >= 1 && m >= n, "[Mask] an N:M pattern expects 1 <= N <= M; got ", n, ":", m);
  const std::int64_t last = mask.shape().empty() ? 1 : mask.shape().back();
  COPPICE_CHECK(last % m == 0, "[Mask] pattern ", n, ":", m, " expects a last dimension that ", m, " divides; got ",
                mask.shape());
  std::int64_t group = -1;
  std::int64_t in_group = 0;
  mask.for_each([&](std::int64_t position, std::int64_t) {
    in_group = position / m == group ? in_group + 1 : 1;
    group = position / m;
    COPPICE_CHECK(in_group <= n, "[Mask] pattern ", n, ":", m, " allows ", n, " of every ", m,
                  " neighbours; got more at positions ", group * m, " to ", group * m + m - 1, " of ", mask.shape());
  });
}

void check_blocks(const Mask& mask, std::int64_t r, std::int64_t c, const char* name) {
  COPPICE_CHECK(r >= 1 && c >= 1, "[Mask] a ", name, " pattern expects sizes of at least 1; got ", r, " and ", c);
  const Matrix matrix(mask);
  for (std::int64_t row = 0; row < matrix.rows; ++row) {
    for (std::int64_t column = 0; column < matrix.columns; ++column) {
      COPPICE_CHECK(matrix.test(row, column) == matrix.test(row / r * r, column / c * c), "[Mask] a ", name,
                    " pattern of ", r, " x ", c, " expects blocks that are all or nothing; got a mixed one at row ",
                    row, ", column ", column, " of ", mask.shape());
    }
  }
}

void check_channels(const Mask& mask) {
  const std::int64_t outputs = mask.shape().empty() ? 1 : mask.shape()[0];
  const std::int64_t inputs = mask.shape().rank() < 2 ? 1 : mask.shape()[1];
  if (mask.numel() == 0) return;
  const std::int64_t inner = mask.numel() / (outputs * inputs);
  std::vector<bool> output_used(static_cast<std::size_t>(outputs));
  std::vector<bool> input_used(static_cast<std::size_t>(inputs));
  mask.for_each([&](std::int64_t position, std::int64_t) {
    output_used[static_cast<std::size_t>(position / (inputs * inner))] = true;
    input_used[static_cast<std::size_t>(position / inner % inputs)] = true;
  });
  // The set lies within the product of the channels it touches, so an equal count makes it that product.
  const std::int64_t product = std::ranges::count(output_used, true) * std::ranges::count(input_used, true) * inner;
  COPPICE_CHECK(mask.count() == product, "[Mask] a channels pattern expects whole channels, ", product,
                " weights for those in use; got ", mask);
}

}  // namespace

void Mask::check_pattern(Pattern pattern) const {
  switch (pattern.kind) {
    case Pattern::Kind::Free: return;
    case Pattern::Kind::Nm: return check_nm(*this, pattern.first, pattern.second);
    case Pattern::Kind::Block: return check_blocks(*this, pattern.first, pattern.second, "block");
    case Pattern::Kind::SharedColumns: return check_blocks(*this, pattern.first, 1, "shared-columns");
    case Pattern::Kind::Channels: return check_channels(*this);
  }
}

}  // namespace coppice
