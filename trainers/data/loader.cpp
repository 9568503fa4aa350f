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

Normalisation measure_normalisation(const Dataset& dataset, std::span<const std::int64_t> indices) {
  COPPICE_CHECK(!indices.empty(), "[measure_normalisation] expects at least one image");
  const std::int64_t pixels = dataset.height() * dataset.width();
  const std::uint8_t* images = dataset.images.data<std::uint8_t>();
  std::int64_t sum = 0;
  std::int64_t squares = 0;
  for (const std::int64_t index : indices) {
    const std::uint8_t* image = images + index * pixels;
    for (std::int64_t p = 0; p < pixels; ++p) {
      sum += image[p];
      squares += std::int64_t{image[p]} * image[p];
    }
  }
  const double count = static_cast<double>(pixels) * static_cast<double>(indices.size());
  const double mean = static_cast<double>(sum) / count;
  const double variance = std::max(0.0, static_cast<double>(squares) / count - mean * mean);
  return {.mean = mean / 255.0, .stddev = variance > 0.0 ? std::sqrt(variance) / 255.0 : 1.0};
}

struct DataLoader::Impl {
  using Order = std::shared_ptr<const std::vector<std::int64_t>>;
  struct Made {
    Batch batch;
    std::exception_ptr failure;
  };

  Dataset dataset;
  std::vector<std::int64_t> indices;
  LoaderOptions options;
  std::array<float, 256> normalised{};
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
    const std::int64_t pixels = dataset.height() * dataset.width();
    Batch batch{Tensor::empty({count, 1, dataset.height(), dataset.width()}),
                Tensor::empty({count}, {.dtype = kInt64})};
    const std::uint8_t* images = dataset.images.data<std::uint8_t>();
    const std::uint8_t* labels = dataset.labels.data<std::uint8_t>();
    for (std::int64_t j = 0; j < count; ++j) {
      const std::int64_t index = images_of_epoch[static_cast<std::size_t>(first + j)];
      const std::uint8_t* from = images + index * pixels;
      float* to = batch.images.data<float>() + j * pixels;
      for (std::int64_t p = 0; p < pixels; ++p) to[p] = normalised[from[p]];
      batch.labels.data<std::int64_t>()[j] = labels[index];
      if (options.augment) {
        const auto event = static_cast<std::uint64_t>(of_epoch * dataset.size() + index);
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
    : impl_(std::make_unique<Impl>()) {
  COPPICE_CHECK(options.batch_size > 0 && options.workers >= 0,
                "[DataLoader] expects batch_size > 0 and workers >= 0; got ", options.batch_size, " and ",
                options.workers);
  const std::uint8_t* labels = dataset.labels.data<std::uint8_t>();
  for (const std::int64_t index : indices) {
    COPPICE_CHECK(index >= 0 && index < dataset.size(), "[DataLoader] index ", index,
                  " is out of range: ", dataset.name, " has ", dataset.size(), " images");
    COPPICE_CHECK(labels[index] < dataset.classes, "[DataLoader] image ", index, " of ", dataset.name, " has label ",
                  static_cast<int>(labels[index]), " but there are ", dataset.classes, " classes");
  }
  impl_->dataset = dataset;
  impl_->indices = std::move(indices);
  impl_->options = std::move(options);
  COPPICE_CHECK(impl_->batches() > 0, "[DataLoader] expects at least one batch; got ", impl_->indices.size(),
                " images for batches of ", impl_->options.batch_size);
  impl_->allocator = IntrusivePtr<Allocator>(&cpu_allocator());
  const Normalisation& norm = impl_->options.normalisation;
  for (int v = 0; v < 256; ++v) {
    impl_->normalised[static_cast<std::size_t>(v)] = static_cast<float>((v / 255.0 - norm.mean) / norm.stddev);
  }
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
