#pragma once

#include <coppice/core/mask.h>
#include <coppice/core/storage.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/cpu/sparse_linear.h>

namespace coppice {

/// The set positions of a mask of shape (rows, …), seen as a (rows, rest) matrix, in the form the sparse kernels read.
class CsrStructure : public KernelStructure {
 public:
  /// Rows of the matrix; an entry's number is its slot.
  static void build_rows(const Mask& mask, CsrStructure& out);
  /// Rows of its transpose; the slots of entries are listed.
  static void build_columns(const Mask& mask, CsrStructure& out);

  cpu::CsrView view() const {
    return {.rows = rows_,
            .columns = columns_,
            .block_columns = block_columns_,
            .starts = starts_.data(),
            .indices = indices_.data(),
            .slots = slots_.data()};
  }
  std::int64_t bytes() const override { return starts_.bytes() + indices_.bytes() + slots_.bytes(); }

 private:
  void set_size(std::int64_t rows, std::int64_t columns, std::int64_t entries, bool groups);

  std::int64_t rows_ = 0;
  std::int64_t columns_ = 0;
  std::int64_t block_columns_ = 1;
  Buffer<std::uint32_t> starts_;
  Buffer<std::uint16_t> indices_;
  Buffer<std::uint32_t> slots_;
};

/// Whether the mask's pattern gives neighbouring rows the same columns, four by four.
bool has_row_groups(const Mask& mask);

/// The weight's alive entries by row: what the forward pass reads.
std::shared_ptr<const CsrStructure> alive_rows(const WeightState& weight);
/// The weight's alive entries by column: what the data gradient reads.
std::shared_ptr<const CsrStructure> alive_columns(const WeightState& weight);
/// The weight's trainable entries by row: what the weight gradient reads. The same as alive_rows for equal sets.
std::shared_ptr<const CsrStructure> trainable_rows(const WeightState& weight);

}  // namespace coppice
