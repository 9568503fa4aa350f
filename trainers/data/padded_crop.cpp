#include <coppice/trainers/data/padded_crop.h>

#include <algorithm>
#include <utility>
#include <vector>

#include <coppice/core/error.h>
#include <coppice/core/generator.h>

namespace coppice::train {
namespace {

class PaddedCrops : public ExampleSource {
 public:
  PaddedCrops(std::shared_ptr<const ExampleSource> source, PaddedCrop crop) : source_(std::move(source)), crop_(crop) {}

  std::string name() const override { return source_->name(); }
  std::int64_t size() const override { return source_->size(); }
  std::int64_t classes() const override { return source_->classes(); }
  Shape image_shape() const override { return source_->image_shape(); }
  std::int64_t label(std::int64_t index) const override { return source_->label(index); }

  void load(std::int64_t index, Generator& generator, std::span<std::uint8_t> pixels) const override {
    std::vector<std::uint8_t> image(pixels.size());
    source_->load(index, generator, image);
    const Shape shape = image_shape();
    const std::int64_t height = shape[1];
    const std::int64_t width = shape[2];
    const auto places = static_cast<std::uint64_t>(2 * crop_.padding + 1);
    const std::int64_t down = static_cast<std::int64_t>(generator.below(places)) - crop_.padding;
    const std::int64_t right = static_cast<std::int64_t>(generator.below(places)) - crop_.padding;
    const bool mirror = generator.uniform_double() < crop_.flip;
    std::fill(pixels.begin(), pixels.end(), std::uint8_t{0});
    const std::int64_t first = std::clamp<std::int64_t>(-right, 0, width);
    const std::int64_t last = std::clamp<std::int64_t>(width - right, 0, width);
    for (std::int64_t row = 0; row < shape[0] * height; ++row) {
      const std::int64_t y = row % height + down;
      std::uint8_t* to = pixels.data() + row * width;
      if (y >= 0 && y < height && first < last) {
        const std::uint8_t* from = image.data() + (row + down) * width + right;
        std::copy(from + first, from + last, to + first);
      }
      if (mirror) std::reverse(to, to + width);
    }
  }

 private:
  std::shared_ptr<const ExampleSource> source_;
  PaddedCrop crop_;
};

}  // namespace

std::shared_ptr<const ExampleSource> augmented(std::shared_ptr<const ExampleSource> source, PaddedCrop crop) {
  COPPICE_CHECK(crop.padding >= 0 && crop.flip >= 0.0 && crop.flip <= 1.0,
                "[PaddedCrop] expects a padding of 0 or more and flip in [0, 1]; got ", crop.padding, " and ",
                crop.flip);
  return std::make_shared<PaddedCrops>(std::move(source), crop);
}

}  // namespace coppice::train
