#include <coppice/trainers/data/transform.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <coppice/core/generator.h>

namespace coppice::train {
namespace {

constexpr int kPrecision = 22;  // bits of a weight after the point

/// For every output position along one axis: the first input it reads, and how it weighs that and the next ones.
struct Axis {
  std::int64_t taps = 0;
  std::vector<std::int64_t> first{};
  std::vector<std::int32_t> weights{};  // `taps` of them for each output

  /// Of the outputs [window, window + count) where inputs [begin, begin + length) are resized to `size`.
  Axis(std::int64_t begin, std::int64_t length, std::int64_t size, std::int64_t window, std::int64_t count) {
    const double scale = static_cast<double>(length) / static_cast<double>(size);
    const double support = std::max(scale, 1.0);
    taps = std::min(length, static_cast<std::int64_t>(std::ceil(support)) * 2 + 1);
    weights.resize(static_cast<std::size_t>(count * taps));
    std::vector<double> shares;
    for (std::int64_t i = 0; i < count; ++i) {
      const double centre = (static_cast<double>(window + i) + 0.5) * scale;
      const std::int64_t low = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - support + 0.5));
      const std::int64_t high = std::min(length, static_cast<std::int64_t>(centre + support + 0.5));
      shares.clear();
      double sum = 0.0;
      for (std::int64_t k = low; k < high; ++k) {
        const double distance = std::abs(static_cast<double>(k) + 0.5 - centre) / support;
        shares.push_back(std::max(0.0, 1.0 - distance));
        sum += shares.back();
      }
      // `taps` inputs are read, which must exist; those beyond the triangle weigh nothing.
      const std::int64_t from = std::min(low, length - taps);
      for (std::size_t k = 0; k < shares.size(); ++k) {
        const std::size_t at = static_cast<std::size_t>(i * taps + low - from) + k;
        weights[at] = static_cast<std::int32_t>(std::lround(shares[k] / sum * (1 << kPrecision)));
      }
      first.push_back(begin + from);
    }
  }
};

std::uint8_t rounded(std::int32_t sum) {
  return static_cast<std::uint8_t>((sum + (1 << (kPrecision - 1))) >> kPrecision);
}

/// Resizes a region of one plane to (height, width) and writes a window of the result.
void resize_plane(const std::uint8_t* plane, std::int64_t stride, const Axis& rows, const Axis& columns,
                  std::uint8_t* out) {
  const std::int64_t first_row = *std::min_element(rows.first.begin(), rows.first.end());
  const std::int64_t last_row = *std::max_element(rows.first.begin(), rows.first.end()) + rows.taps;
  const std::int64_t width = std::ssize(columns.first);
  std::vector<std::uint8_t> narrow(static_cast<std::size_t>((last_row - first_row) * width));
  for (std::int64_t y = first_row; y < last_row; ++y) {
    std::uint8_t* to = narrow.data() + (y - first_row) * width;
    for (std::int64_t x = 0; x < width; ++x) {
      const std::uint8_t* from = plane + y * stride + columns.first[static_cast<std::size_t>(x)];
      const std::int32_t* weight = columns.weights.data() + x * columns.taps;
      std::int32_t sum = 0;
      for (std::int64_t k = 0; k < columns.taps; ++k) sum += from[k] * weight[k];
      to[x] = rounded(sum);
    }
  }
  std::vector<std::int32_t> sums(static_cast<std::size_t>(width));
  for (std::size_t y = 0; y < rows.first.size(); ++y) {
    std::fill(sums.begin(), sums.end(), 0);
    for (std::int64_t k = 0; k < rows.taps; ++k) {
      const std::int32_t weight = rows.weights[y * static_cast<std::size_t>(rows.taps) + static_cast<std::size_t>(k)];
      const std::uint8_t* from = narrow.data() + (rows.first[y] + k - first_row) * width;
      for (std::size_t x = 0; x < sums.size(); ++x) sums[x] += from[x] * weight;
    }
    for (const std::int32_t sum : sums) *out++ = rounded(sum);
  }
}

void check_image(const char* op, const Tensor& image) {
  COPPICE_CHECK(image.dtype() == kUInt8 && image.dim() == 3 && image.numel() > 0, "[", op,
                "] expects an image uint8 (c, h, w) with pixels; got ", image.dtype(), " ", image.shape());
}

/// A region of an image resized to (height, width), of which a window is written, plane after plane.
void resize_into(const Tensor& image, const Region& from, std::int64_t height, std::int64_t width, const Region& window,
                 std::uint8_t* out) {
  const Tensor whole = image.contiguous();
  const Axis rows(from.top, from.height, height, window.top, window.height);
  const Axis columns(from.left, from.width, width, window.left, window.width);
  const std::int64_t stride = whole.size(2);
  for (std::int64_t c = 0; c < whole.size(0); ++c, out += window.height * window.width) {
    resize_plane(whole.data<std::uint8_t>() + c * whole.size(1) * stride, stride, rows, columns, out);
  }
}

/// Halves to even, as Python's round.
std::int64_t round_even(double value) { return static_cast<std::int64_t>(std::nearbyint(value)); }

Region centre(std::int64_t height, std::int64_t width, std::int64_t inner_height, std::int64_t inner_width) {
  return {.top = round_even(static_cast<double>(height - inner_height) / 2.0),
          .left = round_even(static_cast<double>(width - inner_width) / 2.0),
          .height = inner_height,
          .width = inner_width};
}

/// Grey from RGB by ITU-R 601, as Pillow's "L".
void to_grey(const std::vector<std::uint8_t>& colour, std::span<std::uint8_t> grey) {
  const std::size_t plane = grey.size();
  for (std::size_t p = 0; p < plane; ++p) {
    const unsigned light = colour[p] * 19595U + colour[plane + p] * 38470U + colour[2 * plane + p] * 7471U;
    grey[p] = static_cast<std::uint8_t>((light + 0x8000U) >> 16);
  }
}

}  // namespace

Tensor resize(const Tensor& image, std::int64_t height, std::int64_t width) {
  check_image("resize", image);
  COPPICE_CHECK(height > 0 && width > 0, "[resize] expects a size of at least 1 x 1; got ", height, " x ", width);
  const Tensor output = Tensor::empty({image.size(0), height, width}, {.dtype = kUInt8});
  resize_into(image, {.height = image.size(1), .width = image.size(2)}, height, width,
              {.height = height, .width = width}, output.data<std::uint8_t>());
  return output;
}

ImageTransform training_transform(std::int64_t size, std::int64_t channels) {
  return {.size = size, .random_crop = true, .flip = 0.5, .channels = channels};
}

ImageTransform evaluation_transform(std::int64_t size, std::int64_t channels) {
  return {.size = size, .shorter_side = size * 256 / 224, .channels = channels};
}

void check_transform(const ImageTransform& t) {
  COPPICE_CHECK(t.size > 0 && (t.random_crop || t.shorter_side >= t.size),
                "[ImageTransform] expects 0 < size <= shorter_side; got size ", t.size, ", shorter_side ",
                t.shorter_side);
  COPPICE_CHECK(t.area[0] > 0.0 && t.area[0] <= t.area[1] && t.area[1] <= 1.0,
                "[ImageTransform] expects 0 < area[0] <= area[1] <= 1; got ", t.area[0], " and ", t.area[1]);
  COPPICE_CHECK(t.aspect[0] > 0.0 && t.aspect[0] <= t.aspect[1],
                "[ImageTransform] expects 0 < aspect[0] <= ", "aspect[1]; got ", t.aspect[0], " and ", t.aspect[1]);
  COPPICE_CHECK(t.flip >= 0.0 && t.flip <= 1.0, "[ImageTransform] expects flip in [0, 1]; got ", t.flip);
  COPPICE_CHECK(t.channels == 1 || t.channels == 3, "[ImageTransform] expects 1 or 3 channels; got ", t.channels);
}

Region random_region(const ImageTransform& transform, std::int64_t height, std::int64_t width, Generator& generator) {
  const auto between = [&](double low, double high) { return low + (high - low) * generator.uniform_double(); };
  const auto& [narrowest, widest] = transform.aspect;
  const double pixels = static_cast<double>(height) * static_cast<double>(width);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = pixels * between(transform.area[0], transform.area[1]);
    const double aspect = std::exp(between(std::log(narrowest), std::log(widest)));
    Region region{.height = round_even(std::sqrt(area / aspect)), .width = round_even(std::sqrt(area * aspect))};
    if (region.height < 1 || region.height > height || region.width < 1 || region.width > width) continue;
    region.top = static_cast<std::int64_t>(generator.below(static_cast<std::uint64_t>(height - region.height + 1)));
    region.left = static_cast<std::int64_t>(generator.below(static_cast<std::uint64_t>(width - region.width + 1)));
    return region;
  }
  const double aspect = static_cast<double>(width) / static_cast<double>(height);
  std::int64_t inner_height = height;
  std::int64_t inner_width = width;
  if (aspect < narrowest) inner_height = round_even(static_cast<double>(width) / narrowest);
  if (aspect > widest) inner_width = round_even(static_cast<double>(height) * widest);
  return centre(height, width, std::clamp<std::int64_t>(inner_height, 1, height),
                std::clamp<std::int64_t>(inner_width, 1, width));
}

void apply_transform(const ImageTransform& transform, const Tensor& image, Generator& generator,
                     std::span<std::uint8_t> pixels) {
  check_image("apply_transform", image);
  const std::int64_t channels = image.size(0);
  const std::int64_t size = transform.size;
  const std::int64_t height = image.size(1);
  const std::int64_t width = image.size(2);
  COPPICE_CHECK((channels == 1 || channels == 3) && std::ssize(pixels) == transform.channels * size * size,
                "[apply_transform] expects 1 or 3 channels and room for (", transform.channels, ", ", size, ", ", size,
                "); got ", image.shape(), " and room for ", pixels.size());
  std::vector<std::uint8_t> made(static_cast<std::size_t>(channels * size * size));
  if (transform.random_crop) {
    const Region region = random_region(transform, height, width, generator);
    resize_into(image, region, size, size, {.height = size, .width = size}, made.data());
  } else {
    const std::int64_t shorter = std::min(height, width);
    const std::int64_t new_height =
        height == shorter ? transform.shorter_side : transform.shorter_side * height / shorter;
    const std::int64_t new_width = width == shorter ? transform.shorter_side : transform.shorter_side * width / shorter;
    resize_into(image, {.height = height, .width = width}, new_height, new_width,
                centre(new_height, new_width, size, size), made.data());
  }
  if (transform.flip > 0.0 && generator.uniform_double() < transform.flip) {
    for (auto row = made.begin(); row != made.end(); row += size) std::reverse(row, row + size);
  }
  if (channels == transform.channels) {
    std::copy(made.begin(), made.end(), pixels.begin());
  } else if (channels == 3) {
    to_grey(made, pixels);
  } else {
    for (std::int64_t c = 0; c < 3; ++c) std::copy(made.begin(), made.end(), pixels.begin() + c * size * size);
  }
}

}  // namespace coppice::train
