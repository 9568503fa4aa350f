#include <coppice/trainers/data/examples.h>

#include <algorithm>

namespace coppice::train {
namespace {

class InMemory : public ExampleSource {
 public:
  explicit InMemory(const Dataset& dataset) : dataset_(dataset) {
    const Tensor& images = dataset.images;
    COPPICE_CHECK(images.dtype() == kUInt8 && (images.dim() == 3 || images.dim() == 4), "[in_memory] ", dataset.name,
                  ": expects uint8 images (n, h, w) or (n, c, h, w); got ", images.dtype(), " ", images.shape());
    COPPICE_CHECK(dataset.labels.dtype() == kUInt8 && dataset.labels.shape() == Shape{dataset.size()}, "[in_memory] ",
                  dataset.name, ": expects ", dataset.size(), " uint8 labels; got ", dataset.labels.dtype(), " ",
                  dataset.labels.shape());
    dataset_.images = images.contiguous();
    dataset_.labels = dataset.labels.contiguous();
  }

  std::string name() const override { return dataset_.name; }
  std::int64_t size() const override { return dataset_.size(); }
  std::int64_t classes() const override { return dataset_.classes; }
  Shape image_shape() const override { return {dataset_.channels(), dataset_.height(), dataset_.width()}; }
  std::int64_t label(std::int64_t index) const override { return dataset_.labels.data<std::uint8_t>()[index]; }
  void load(std::int64_t index, Generator&, std::span<std::uint8_t> pixels) const override {
    const auto count = static_cast<std::int64_t>(pixels.size());
    std::copy_n(dataset_.images.data<std::uint8_t>() + index * count, count, pixels.begin());
  }

 private:
  Dataset dataset_;
};

}  // namespace

ExampleSource::~ExampleSource() = default;

std::shared_ptr<const ExampleSource> in_memory(const Dataset& dataset) { return std::make_shared<InMemory>(dataset); }

}  // namespace coppice::train
