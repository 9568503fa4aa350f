#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include <coppice/ops/cpu/conv_epilogue.h>

namespace coppice::cpu {

/// A position of the filter: the input pixel it reads for output (0, 0), and its number among the filter's taps.
struct Tap {
  std::int32_t y, x;
  std::int32_t id;
};

/// A convolution of images in the blocked layout, or that part of it that computes one regular grid of outputs:
///
///     output (first_y + i·step_y, first_x + j·step_x) = Σ over channels and taps of
///         weight · input (i·stride_y + tap.y, j·stride_x + tap.x),    i < rows, j < columns
///
/// and 0 outside the input. A forward pass is one grid with step 1; the data gradient of stride s is s² grids (one per
/// remainder of the pixel) with stride 1 and the taps that reach it. In the blocked layout [⌈images / lanes⌉][height]
/// [channels][width][lanes] every tap is an aligned vector.
struct BlockedConv {
  std::int64_t images;
  std::int64_t in_channels, in_h, in_w;
  std::int64_t out_channels, out_h, out_w;
  std::int64_t groups = 1;
  std::int64_t rows, columns;
  std::int64_t first_y = 0, first_x = 0, step_y = 1, step_x = 1;
  std::int64_t stride_y = 1, stride_x = 1;
  std::vector<Tap> taps;

  std::int64_t group_inputs() const { return in_channels / groups; }
  std::int64_t group_outputs() const { return out_channels / groups; }
};

/// The non-zeros of a filter bank (rows, channels, taps), rows being the outputs of all groups and channels the inputs
/// of one: every row's entries in order of channels and taps, cut into blocks of channels.
///
/// Entries of `row` in block b are starts[b * rows + row] … starts[(b + 1) * rows + row]. With shared > 1, that many
/// neighbouring rows have the same entries.
struct FilterView {
  std::int64_t rows;
  std::int64_t channels;
  std::int64_t taps;
  std::int64_t block_channels;
  std::int64_t shared = 1;
  const std::uint32_t* starts;
  const std::uint16_t* indices;  ///< (channel within the block) · taps + tap
  const std::uint32_t* slots;    ///< where an entry's value is; null: values[entry]

  /// At least one, so that an output without inputs is written too.
  std::int64_t blocks() const { return std::max<std::int64_t>(1, (channels + block_channels - 1) / block_channels); }
  std::int64_t entries() const { return rows == 0 ? 0 : starts[(blocks() + 1) * rows - 1]; }
  /// Of one row, on average.
  double entries_per_channel() const {
    return static_cast<double>(entries()) / static_cast<double>(std::max<std::int64_t>(1, rows * channels));
  }
};

/// Where the weights of a dense filter bank lie: element (row, channel, tap) of a group at group·group + row·row +
/// channel·channel + tap, rows and channels counted within the group.
struct DenseFilter {
  std::int64_t group, row, channel;
};

/// A convolution whose filter lies as the kernel reads it: made once where many calls share filter and geometry. Calls
/// may run at once.
template <class T>
class PackedConv {
 public:
  virtual ~PackedConv() = default;
  /// output = filter ⋆ input.
  virtual void run(const ConvEpilogue<T>& epilogue, const T* input, T* output) const = 0;
};

// Images, outputs and residuals are in the blocked layout, f32 or f64; lanes past the last image are 0 on input and
// output. Threads take image blocks and tiles of the output, or, for weight gradients, blocks of channels: every sum
// has one order, whatever the number of threads.

/// For a filter read one non-zero at a time.
template <class T>
std::unique_ptr<const PackedConv<T>> pack_conv_rows(const BlockedConv& conv, const FilterView& filter, const T* values);
/// For a filter whose rows share their entries in groups of a multiple of 4.
template <class T>
std::unique_ptr<const PackedConv<T>> pack_conv_panels(const BlockedConv& conv, const FilterView& filter,
                                                      const T* values);
/// For a dense filter.
template <class T>
std::unique_ptr<const PackedConv<T>> pack_conv_dense(const BlockedConv& conv, const DenseFilter& filter,
                                                     const T* weight);

/// d_values[entry] = Σ d_output · input at the entry, over images and pixels. `conv` is the forward pass, and
/// filter.slots is not read.
template <class T>
void blocked_conv_sampled_rows(const BlockedConv& conv, const FilterView& filter, const T* d_output, const T* input,
                               T* d_values);

/// As blocked_conv_sampled_rows, for a filter whose rows share their entries in groups of a multiple of 4.
template <class T>
void blocked_conv_sampled_panels(const BlockedConv& conv, const FilterView& filter, const T* d_output, const T* input,
                                 T* d_values);

/// The data gradient: d_input = filterᵀ ⋆ d_output, written whole. `conv` is the forward pass.
template <class T>
void blocked_conv_scattered_panels(const BlockedConv& conv, const FilterView& filter, const T* values,
                                   const T* d_output, T* d_input);

/// As blocked_conv_scattered_panels, for a dense filter.
template <class T>
void blocked_conv_scattered_dense(const BlockedConv& conv, const DenseFilter& filter, const T* weight,
                                  const T* d_output, T* d_input);
/// d_weight (out_channels, group_inputs, taps) in row-major order.
template <class T>
void blocked_conv_dense_weight_gradient(const BlockedConv& conv, const T* d_output, const T* input, T* d_weight);

/// Channels in a block of a FilterView with that many taps. Kernels join as many neighbouring blocks as suits a tile.
std::int64_t blocked_conv_channels(std::int64_t channels, std::int64_t taps);

}  // namespace coppice::cpu
