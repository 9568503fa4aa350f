#include <coppice/ops/cpu/patches.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include <coppice/core/parallel.h>

namespace coppice::cpu {

namespace {

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Neighbouring output pixels of one row, and what one tap reads for them.
struct Run {
  std::int64_t y, x;         ///< the first pixel
  std::int64_t place, size;  ///< among the lines packed side by side
};

/// The part of a run that one tap reads inside the image.
struct Read {
  std::int64_t from;         ///< in a channel
  std::int64_t place, size;  ///< among the lines packed side by side
};

/// Lines side by side are pixels of at most as many rows.
constexpr std::size_t kMaxWidth = 64;

class Group {
 public:
  Group(const Conv2dGeometry& g, std::int64_t first, std::int64_t count, std::int64_t width) : g_(g), width_(width) {
    for (std::int64_t place = 0; place < count;) {
      const std::int64_t y = (first + place) / g.out_w, x = (first + place) % g.out_w;
      const std::int64_t size = std::min(g.out_w - x, count - place);
      runs_[runs_count_++] = {y, x, place, size};
      place += size;
    }
  }

  /// packed[channel · step] (width) of one tap, for `channels` channels.
  template <class T>
  void pack(std::int64_t ky, std::int64_t kx, std::int64_t channels, const T* image, std::int64_t step, T* packed) {
    const std::span<const Read> reads = find_reads(ky, kx);
    if (reads.size() == 1 && reads[0].size == width_ && g_.stride_w == 1) {
      for (std::int64_t c = 0; c < channels; ++c, image += g_.pixels(), packed += step) {
        std::copy_n(image + reads[0].from, width_, packed);
      }
      return;
    }
    for (std::int64_t c = 0; c < channels; ++c, image += g_.pixels(), packed += step) {
      std::fill_n(packed, width_, T(0));
      for (const Read& read : reads) {
        const T* const from = image + read.from;
        T* const to = packed + read.place;
        for (std::int64_t i = 0; i < read.size; ++i) to[i] = from[i * g_.stride_w];
      }
    }
  }

 private:
  std::span<const Read> find_reads(std::int64_t ky, std::int64_t kx) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < runs_count_; ++i) {
      const Run& run = runs_[i];
      const std::int64_t y = run.y * g_.stride_h - g_.pad_h + ky * g_.dilation_h;
      const std::int64_t x = run.x * g_.stride_w - g_.pad_w + kx * g_.dilation_w;
      if (y < 0 || y >= g_.height) continue;
      const std::int64_t first = x < 0 ? divide_up(-x, g_.stride_w) : 0;
      const std::int64_t last = std::min(run.size, divide_up(g_.width - x, g_.stride_w));
      if (first >= last) continue;
      reads_[count++] = {y * g_.width + x + first * g_.stride_w, run.place + first, last - first};
    }
    return {reads_.data(), count};
  }

  const Conv2dGeometry& g_;
  std::int64_t width_;
  std::size_t runs_count_ = 0;
  std::array<Run, kMaxWidth> runs_;
  std::array<Read, kMaxWidth> reads_;
};

}  // namespace

template <class T>
void pack_patches(const Conv2dGeometry& g, const T* image, const GemmSlice& slice, T* packed) {
  const std::int64_t taps = g.kernel_h * g.kernel_w;
  const std::int64_t end = slice.start + slice.depth;
  for (std::int64_t first = 0; first < slice.count; first += slice.width) {
    Group group(g, slice.first + first, std::min(slice.count - first, slice.width), slice.width);
    T* const to = packed + first * slice.depth;
    // A tap's place in the image is found once for all channels.
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const std::int64_t channel = slice.start <= tap ? 0 : divide_up(slice.start - tap, taps);
      const std::int64_t row = channel * taps + tap;
      if (row >= end) continue;
      group.pack(tap / g.kernel_w, tap % g.kernel_w, divide_up(end - row, taps), image + channel * g.pixels(),
                 taps * slice.width, to + (row - slice.start) * slice.width);
    }
  }
}

template void pack_patches(const Conv2dGeometry&, const float*, const GemmSlice&, float*);
template void pack_patches(const Conv2dGeometry&, const double*, const GemmSlice&, double*);

}  // namespace coppice::cpu
