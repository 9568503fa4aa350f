#include <coppice/trainers/data/loader.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>

#include <coppice/core/allocator.h>
#include <coppice/core/generator.h>

namespace coppice::train {

namespace {

/// Normalised values of a byte in one channel.
using Table = std::array<float, 256>;

std::vector<Table> tables(const Normalisation& normalisation, const ExampleSource& source) {
  const std::vector<double>& mean = normalisation.mean;
  const std::vector<double>& stddev = normalisation.stddev;
  const auto channels = static_cast<std::size_t>(source.image_shape()[0]);
  COPPICE_CHECK(mean.size() == stddev.size() && (mean.size() == 1 || mean.size() == channels),
                "[DataLoader] expects a normalisation of 1 or, as ", source.name(), " has channels, ", channels,
                " pairs; got ", mean.size(), " means and ", stddev.size(), " deviations");
  std::vector<Table> result(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const std::size_t pair = mean.size() == 1 ? 0 : c;
    for (std::size_t v = 0; v < 256; ++v) {
      result[c][v] = static_cast<float>((static_cast<double>(v) / 255.0 - mean[pair]) / stddev[pair]);
    }
  }
  return result;
}

}  // namespace

Normalisation measure_normalisation(const ExampleSource& source, std::span<const std::int64_t> indices) {
  COPPICE_CHECK(!indices.empty(), "[measure_normalisation] expects at least one image");
  const Shape shape = source.image_shape();
  const std::int64_t plane = shape[1] * shape[2];
  std::vector<std::uint8_t> image(static_cast<std::size_t>(shape.numel()));
  std::vector<std::int64_t> sums(static_cast<std::size_t>(shape[0]));
  std::vector<std::int64_t> squares(sums.size());
  for (const std::int64_t index : indices) {
    Generator generator = Generator::keyed(0, "measure_normalisation", static_cast<std::uint64_t>(index));
    source.load(index, generator, image);
    const std::uint8_t* pixel = image.data();
    for (std::size_t c = 0; c < sums.size(); ++c, pixel += plane) {
      std::int64_t sum = 0;
      std::int64_t square = 0;
      for (std::int64_t p = 0; p < plane; ++p) {
        sum += pixel[p];
        square += std::int64_t{pixel[p]} * pixel[p];
      }
      sums[c] += sum;
      squares[c] += square;
    }
  }
  Normalisation result{.mean = {}, .stddev = {}};
  const double count = static_cast<double>(plane) * static_cast<double>(indices.size());
  for (std::size_t c = 0; c < sums.size(); ++c) {
    const double mean = static_cast<double>(sums[c]) / count;
    const double variance = std::max(0.0, static_cast<double>(squares[c]) / count - mean * mean);
    result.mean.push_back(mean / 255.0);
    result.stddev.push_back(variance > 0.0 ? std::sqrt(variance) / 255.0 : 1.0);
  }
  return result;
}

Normalisation measure_normalisation(const Dataset& dataset, std::span<const std::int64_t> indices) {
  return measure_normalisation(*in_memory(dataset), indices);
}

Normalisation imagenet_normalisation(std::int64_t channels) {
  if (channels == 1) return {.mean = {0.449}, .stddev = {0.226}};
  COPPICE_CHECK(channels == 3, "[imagenet_normalisation] expects 1 or 3 channels; got ", channels);
  return {.mean = {0.485, 0.456, 0.406}, .stddev = {0.229, 0.224, 0.225}};
}

struct DataLoader::Impl {
  using Order = std::shared_ptr<const std::vector<std::int64_t>>;
  struct Made {
    Batch batch;
    std::exception_ptr failure;
  };

  std::shared_ptr<const ExampleSource> source;
  std::vector<std::int64_t> indices;
  LoaderOptions options;
  std::vector<Table> normalised;  // by channel
  IntrusivePtr<Allocator> allocator;

  std::mutex mutex;
  std::condition_variable work;  // something may be claimed, or stop
  std::condition_variable done;  // something was made
  Order order;                   // of the present epoch; null before the first
  std::int64_t epoch = 0;
  std::uint64_t round = 0;  // counts start(): what an earlier round made is thrown away
  std::int64_t claimed = 0;
  std::int64_t served = 0;
  std::map<std::int64_t, Made> ready;
  bool stop = false;
  std::vector<std::thread> threads;

  std::int64_t batches() const {
    const auto count = static_cast<std::int64_t>(indices.size());
    return options.drop_last ? count / options.batch_size : (count + options.batch_size - 1) / options.batch_size;
  }

  Batch make(const std::vector<std::int64_t>& images_of_epoch, std::int64_t of_epoch, std::int64_t number) const {
    const std::int64_t first = number * options.batch_size;
    const std::int64_t count = std::min(options.batch_size, static_cast<std::int64_t>(images_of_epoch.size()) - first);
    const Shape shape = source->image_shape();
    const std::int64_t plane = shape[1] * shape[2];
    const std::int64_t pixels = shape.numel();
    Batch batch{Tensor::empty({count, shape[0], shape[1], shape[2]}), Tensor::empty({count}, {.dtype = kInt64})};
    std::vector<std::uint8_t> image(static_cast<std::size_t>(pixels));
    for (std::int64_t j = 0; j < count; ++j) {
      const std::int64_t index = images_of_epoch[static_cast<std::size_t>(first + j)];
      const auto event = static_cast<std::uint64_t>(of_epoch * source->size() + index);
      Generator loading = Generator::keyed(options.seed, "loader/load", event);
      source->load(index, loading, image);
      float* const to = batch.images.data<float>() + j * pixels;
      for (std::size_t c = 0; c < normalised.size(); ++c) {
        const std::int64_t at = static_cast<std::int64_t>(c) * plane;
        const Table& table = normalised[c];
        for (std::int64_t p = at; p < at + plane; ++p) to[p] = table[image[static_cast<std::size_t>(p)]];
      }
      batch.labels.data<std::int64_t>()[j] = source->label(index);
      if (options.augment) {
        Generator generator = Generator::keyed(options.seed, "loader/augment", event);
        options.augment({to, static_cast<std::size_t>(pixels)}, generator);
      }
    }
    return batch;
  }

  void serve() {
    const AllocatorScope scope(allocator);
    std::unique_lock lock(mutex);
    while (true) {
      work.wait(lock, [&] {
        return stop || (order && claimed < batches() && claimed < served + std::max(1, options.prefetch));
      });
      if (stop) return;
      const std::int64_t number = claimed++;
      const std::uint64_t of_round = round;
      const std::int64_t of_epoch = epoch;
      const Order images = order;
      lock.unlock();
      Made made;
      try {
        made.batch = make(*images, of_epoch, number);
      } catch (...) {
        made.failure = std::current_exception();
      }
      lock.lock();
      if (of_round == round) {
        ready.emplace(number, std::move(made));
        done.notify_one();
      }
    }
  }
};

DataLoader::DataLoader(const Dataset& dataset, std::vector<std::int64_t> indices, LoaderOptions options)
    : DataLoader(in_memory(dataset), std::move(indices), std::move(options)) {}

DataLoader::DataLoader(std::shared_ptr<const ExampleSource> source, std::vector<std::int64_t> indices,
                       LoaderOptions options)
    : impl_(std::make_unique<Impl>()) {
  COPPICE_CHECK(source, "[DataLoader] expects a source of examples; got none");
  COPPICE_CHECK(options.batch_size > 0 && options.workers >= 0,
                "[DataLoader] expects batch_size > 0 and workers >= 0; got ", options.batch_size, " and ",
                options.workers);
  for (const std::int64_t index : indices) {
    COPPICE_CHECK(index >= 0 && index < source->size(), "[DataLoader] index ", index,
                  " is out of range: ", source->name(), " has ", source->size(), " images");
    const std::int64_t label = source->label(index);
    COPPICE_CHECK(label >= 0 && label < source->classes(), "[DataLoader] image ", index, " of ", source->name(),
                  " has label ", label, " but there are ", source->classes(), " classes");
  }
  impl_->normalised = tables(options.normalisation, *source);
  impl_->source = std::move(source);
  impl_->indices = std::move(indices);
  impl_->options = std::move(options);
  COPPICE_CHECK(impl_->batches() > 0, "[DataLoader] expects at least one batch; got ", impl_->indices.size(),
                " images for batches of ", impl_->options.batch_size);
  impl_->allocator = IntrusivePtr<Allocator>(&cpu_allocator());
  for (int w = 0; w < impl_->options.workers; ++w) impl_->threads.emplace_back([this] { impl_->serve(); });
}

DataLoader::~DataLoader() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->work.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
}

std::int64_t DataLoader::batches() const { return impl_->batches(); }

std::vector<std::int64_t> DataLoader::order(std::int64_t epoch) const {
  if (!impl_->options.shuffle) return impl_->indices;
  Generator generator = Generator::keyed(impl_->options.seed, "loader/order", static_cast<std::uint64_t>(epoch));
  std::vector<std::int64_t> images;
  images.reserve(impl_->indices.size());
  for (const std::int64_t position : generator.permutation(static_cast<std::int64_t>(impl_->indices.size()))) {
    images.push_back(impl_->indices[static_cast<std::size_t>(position)]);
  }
  return images;
}

void DataLoader::start(std::int64_t epoch, std::int64_t first_batch) {
  COPPICE_CHECK(epoch >= 0 && first_batch >= 0 && first_batch <= batches(),
                "[DataLoader] start expects a batch of 0 to ", batches(), " of an epoch >= 0; got batch ", first_batch,
                " of epoch ", epoch);
  auto images = std::make_shared<const std::vector<std::int64_t>>(order(epoch));
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->order = std::move(images);
    impl_->epoch = epoch;
    ++impl_->round;
    impl_->claimed = first_batch;
    impl_->served = first_batch;
    impl_->ready.clear();
  }
  impl_->work.notify_all();
}

std::optional<Batch> DataLoader::next() {
  std::unique_lock lock(impl_->mutex);
  COPPICE_CHECK(impl_->order, "[DataLoader] next() before start(epoch)");
  if (impl_->served == impl_->batches()) return std::nullopt;
  if (impl_->threads.empty()) {
    const AllocatorScope scope(impl_->allocator);
    return impl_->make(*impl_->order, impl_->epoch, impl_->served++);
  }
  impl_->done.wait(lock, [&] { return impl_->ready.contains(impl_->served); });
  Impl::Made made = std::move(impl_->ready.extract(impl_->served++).mapped());
  lock.unlock();
  impl_->work.notify_one();
  if (made.failure) std::rethrow_exception(made.failure);
  return std::move(made.batch);
}

}  // namespace coppice::train
