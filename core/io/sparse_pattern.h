#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/mask.h>

namespace coppice {

/// Where a sparse matrix has entries.
struct SparsePattern {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<std::int64_t> positions{};  ///< row · columns + column, ascending, each once
};

/// Reads the pattern of a Matrix Market file (`matrix coordinate`; pattern, integer, real or complex; general,
/// symmetric, skew-symmetric or hermitian). Entries count whatever their value. The file need not be trusted: memory
/// stays proportional to its size, at most 2^32 positions. Throws `[mtx] file: line: expectation; got …`. Format:
/// https://math.nist.gov/MatrixMarket/formats.html
COPPICE_API SparsePattern parse_matrix_market(std::string_view bytes, const std::string& name);

/// Reads an .smtx file, the format of the Deep Learning Matrix Collection: a line `rows, columns, entries`, a line of
/// rows + 1 offsets, a line of columns. Bounds and errors as above, with `[smtx]`.
/// Format: https://github.com/google-research/google-research/tree/master/sgk
COPPICE_API SparsePattern parse_smtx(std::string_view bytes, const std::string& name);

/// The mask that an `.mtx` or `.smtx` file describes, by its ending.
COPPICE_API Mask load_mask(const std::filesystem::path& file);

}  // namespace coppice
