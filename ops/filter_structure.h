#pragma once

#include <coppice/core/mask.h>
#include <coppice/core/storage.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/cpu/blocked_conv.h>

namespace coppice {

/// The set positions of a filter bank's mask (m, c / groups, kh, kw), in the form blocked convolutions read.
class FilterStructure : public KernelStructure {
 public:
  /// Rows are output channels; an entry's number is its slot.
  static void build_rows(const Mask& mask, FilterStructure& out);
  /// Rows are input channels (of all groups), channels the outputs of one group; the slots of entries are listed.
  static void build_columns(const Mask& mask, std::int64_t groups, FilterStructure& out);

  cpu::FilterView view() const {
    return {.rows = rows_,
            .channels = channels_,
            .taps = taps_,
            .block_channels = block_channels_,
            .shared = shared_,
            .starts = starts_.data(),
            .indices = indices_.data(),
            .slots = slots_.data()};
  }
  std::int64_t groups() const { return groups_; }
  std::int64_t bytes() const override { return starts_.bytes() + indices_.bytes() + slots_.bytes(); }

 private:
  void set_size(std::int64_t rows, std::int64_t channels, std::int64_t taps, std::int64_t entries);

  std::int64_t rows_ = 0;
  std::int64_t channels_ = 0;
  std::int64_t taps_ = 1;
  std::int64_t block_channels_ = 1;
  std::int64_t shared_ = 1;
  std::int64_t groups_ = 1;
  Buffer<std::uint32_t> starts_;
  Buffer<std::uint16_t> indices_;
  Buffer<std::uint32_t> slots_;
};

/// The filter's alive entries by output channel: what the forward pass reads.
std::shared_ptr<const FilterStructure> alive_filter_rows(const WeightState& weight);
/// The filter's alive entries by input channel: what the data gradient reads.
std::shared_ptr<const FilterStructure> alive_filter_columns(const WeightState& weight, std::int64_t groups);
/// The filter's trainable entries by output channel: what the weight gradient reads.
std::shared_ptr<const FilterStructure> trainable_filter_rows(const WeightState& weight);

/// As alive_filter_rows and alive_filter_columns, for a dense filter (m, c / groups, kh, kw). Not kept: for small ones.
std::shared_ptr<const FilterStructure> full_filter_rows(const Shape& shape);
std::shared_ptr<const FilterStructure> full_filter_columns(const Shape& shape, std::int64_t groups);

/// Neighbouring rows that a mask's pattern gives the same entries, where they are a multiple of 4; otherwise 1.
std::int64_t shared_rows(const Mask& mask);

}  // namespace coppice
