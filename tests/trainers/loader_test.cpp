#include <coppice/trainers/data/loader.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <stdexcept>
#include <thread>

#include <coppice/core/allocator.h>
#include <coppice/core/generator.h>
#include <coppice/trainers/data/digits.h>

namespace coppice::train {
namespace {

std::vector<std::int64_t> numbers(std::int64_t count) {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < count; ++i) indices.push_back(i);
  return indices;
}

/// Images that say who they are: pixel 0 and 1 hold the index.
Dataset numbered(std::int64_t count) {
  Dataset set{.name = "numbered", .classes = 256};
  set.images = Tensor::zeros({count, 2, 2}, {.dtype = kUInt8});
  set.labels = Tensor::zeros({count}, {.dtype = kUInt8});
  for (std::int64_t i = 0; i < count; ++i) {
    set.images.data<std::uint8_t>()[4 * i] = static_cast<std::uint8_t>(i % 256);
    set.images.data<std::uint8_t>()[4 * i + 1] = static_cast<std::uint8_t>(i / 256);
    set.labels.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(i % 10);
  }
  return set;
}

std::vector<std::int64_t> served(DataLoader& loader, std::int64_t epoch) {
  std::vector<std::int64_t> seen;
  loader.start(epoch);
  while (const auto batch = loader.next()) {
    for (std::int64_t j = 0; j < batch->labels.numel(); ++j) {
      const float* pixels = batch->images.data<float>() + 4 * j;
      seen.push_back(std::lround(pixels[0] * 255.0F) + 256 * std::lround(pixels[1] * 255.0F));
      EXPECT_EQ(batch->labels.data<std::int64_t>()[j], seen.back() % 10);
    }
  }
  return seen;
}

TEST(DataLoader, ServesTheSameOrderForAnyNumberOfWorkers) {
  const Dataset set = numbered(1000);
  DataLoader alone(set, numbers(1000), {.batch_size = 32, .seed = 5});
  const std::vector<std::int64_t> first = served(alone, 0);
  const std::vector<std::int64_t> third = served(alone, 2);
  EXPECT_NE(first, third);
  for (const int workers : {1, 4}) {
    LoaderOptions options{.batch_size = 32, .workers = workers, .seed = 5};
    options.augment = [](std::span<float>,
                         Generator& generator) {  // some batches take long, so later ones are done first
      if (generator.uniform() < 0.02F) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
    DataLoader loader(set, numbers(1000), options);
    EXPECT_EQ(served(loader, 2), third) << workers << " workers";
    EXPECT_EQ(served(loader, 0), first) << workers << " workers";
  }
  DataLoader other(set, numbers(1000), {.batch_size = 32, .seed = 6});
  EXPECT_NE(served(other, 0), first);
}

TEST(DataLoader, ServesEveryImageOnce) {
  const Dataset set = numbered(1000);
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < 1000; i += 3) indices.push_back(i);
  DataLoader loader(set, indices, {.batch_size = 50, .drop_last = false, .workers = 2});
  std::vector<std::int64_t> seen = served(loader, 7);
  EXPECT_EQ(seen, loader.order(7));
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, indices);

  DataLoader whole_batches(set, indices, {.batch_size = 50});
  EXPECT_EQ(whole_batches.batches(), 6);
  EXPECT_EQ(served(whole_batches, 0).size(), 300U);
  DataLoader in_order(set, indices, {.batch_size = 50, .shuffle = false, .drop_last = false});
  EXPECT_EQ(served(in_order, 0), indices);
}

TEST(DataLoader, DropsAnUnfinishedEpoch) {
  const Dataset set = numbered(400);
  DataLoader loader(set, numbers(400), {.batch_size = 10, .workers = 3, .seed = 1});
  for (std::int64_t epoch = 0; epoch < 20; ++epoch) {
    loader.start(epoch);
    const std::vector<std::int64_t> order = loader.order(epoch);
    for (int b = 0; b < 3; ++b) {
      const auto batch = loader.next();
      ASSERT_TRUE(batch);
      EXPECT_EQ(batch->labels.data<std::int64_t>()[0], order[static_cast<std::size_t>(10 * b)] % 10);
    }
  }
}

TEST(DataLoader, BeginsAnEpochAtAnyBatch) {
  const Dataset set = numbered(60);
  for (const int workers : {0, 3}) {
    LoaderOptions options{.batch_size = 8, .drop_last = false, .workers = workers, .seed = 4};
    options.augment = [](std::span<float> pixels, Generator& generator) { pixels[3] = generator.uniform(); };
    DataLoader loader(set, numbers(60), options);
    std::vector<std::vector<float>> whole;
    loader.start(3);
    while (const auto batch = loader.next()) whole.push_back(batch->images.to_vector<float>());
    for (std::int64_t first = 0; first <= loader.batches(); ++first) {
      loader.start(3, first);
      for (auto at = static_cast<std::size_t>(first); at < whole.size(); ++at) {
        const auto batch = loader.next();
        ASSERT_TRUE(batch);
        EXPECT_EQ(batch->images.to_vector<float>(), whole[at]) << workers << " workers, batch " << at;
      }
      EXPECT_FALSE(loader.next());
    }
    EXPECT_THROW(loader.start(0, 9), Error);
    EXPECT_THROW(loader.start(0, -1), Error);
  }
}

TEST(DataLoader, RethrowsAFailureInItsBatch) {
  const Dataset set = numbered(40);
  for (const int workers : {0, 1, 4}) {
    LoaderOptions options{.batch_size = 10, .shuffle = false, .workers = workers};
    options.augment = [](std::span<float> pixels, Generator&) {
      if (std::lround(pixels[0] * 255.0F) == 25) throw std::runtime_error("image 25 is broken");
    };
    DataLoader loader(set, numbers(40), options);
    loader.start(0);
    EXPECT_TRUE(loader.next());
    EXPECT_TRUE(loader.next());
    EXPECT_THROW(loader.next(), std::runtime_error);
    EXPECT_TRUE(loader.next());
    EXPECT_FALSE(loader.next());
  }
}

TEST(DataLoader, AugmentsByEpochAndImageAlone) {
  const Dataset set = numbered(60);
  const auto pixels_of = [&](int workers, std::int64_t epoch) {
    LoaderOptions options{.batch_size = 20, .shuffle = false, .workers = workers, .seed = 2};
    options.augment = [](std::span<float> pixels, Generator& generator) {
      for (float& pixel : pixels) pixel += generator.uniform();
    };
    DataLoader loader(set, numbers(60), options);
    std::vector<float> all;
    loader.start(epoch);
    while (const auto batch = loader.next()) {
      const std::vector<float> some = batch->images.to_vector<float>();
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  };
  EXPECT_EQ(pixels_of(0, 1), pixels_of(3, 1));
  EXPECT_NE(pixels_of(0, 1), pixels_of(0, 2));
}

TEST(DataLoader, CountsItsMemoryToTheThreadThatMadeIt) {
  const Dataset set = numbered(400);
  const IntrusivePtr<Allocator> counted = make_caching_allocator();
  {
    const AllocatorScope scope(counted);
    DataLoader loader(set, numbers(400), {.batch_size = 100, .workers = 2});
    loader.start(0);
    while (loader.next()) {
    }
  }
  EXPECT_EQ(counted->stats().current, 0);
  EXPECT_GE(counted->stats().peak, 100 * 4 * 4 + 100 * 8);
}

TEST(DataLoader, NormalisesToZeroMeanAndUnitDeviation) {
  const Dataset set = digits(200);
  const std::vector<std::int64_t> indices = numbers(200);
  DataLoader loader(set, indices, {.batch_size = 200, .normalisation = measure_normalisation(set, indices)});
  loader.start(0);
  const std::vector<float> pixels = loader.next()->images.to_vector<float>();
  double sum = 0.0;
  double squares = 0.0;
  for (const float pixel : pixels) {
    sum += pixel;
    squares += static_cast<double>(pixel) * pixel;
  }
  EXPECT_NEAR(sum / static_cast<double>(pixels.size()), 0.0, 1e-5);
  EXPECT_NEAR(squares / static_cast<double>(pixels.size()), 1.0, 1e-5);
}

TEST(DataLoader, NormalisesEachChannel) {
  Dataset set{.name = "colour", .classes = 1};
  set.images = Tensor::empty({50, 3, 4, 5}, {.dtype = kUInt8});
  set.labels = Tensor::zeros({50}, {.dtype = kUInt8});
  Generator generator(4);
  for (std::int64_t i = 0; i < set.images.numel(); ++i) {
    const std::int64_t channel = i / 20 % 3;  // in [0, 60), [60, 180) and always 7
    set.images.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(channel == 0   ? generator.below(60)
                                                                   : channel == 1 ? 60 + generator.below(120)
                                                                                  : std::uint64_t{7});
  }
  const Normalisation measured = measure_normalisation(set, numbers(50));
  ASSERT_EQ(measured.mean.size(), 3U);
  EXPECT_EQ(measured.mean[2], 7.0 / 255.0);
  EXPECT_EQ(measured.stddev[2], 1.0);
  DataLoader loader(set, numbers(50), {.batch_size = 50, .shuffle = false, .normalisation = measured});
  loader.start(0);
  const Tensor images = loader.next()->images;
  ASSERT_EQ(images.shape(), (Shape{50, 3, 4, 5}));
  const std::uint8_t* byte = set.images.data<std::uint8_t>();
  for (std::int64_t c = 0; c < 3; ++c) {
    double sum = 0.0;
    double squares = 0.0;
    for (std::int64_t i = 0; i < images.numel(); ++i) {
      if (i / 20 % 3 != c) continue;
      const auto at = static_cast<std::size_t>(c);
      const double expected = (byte[i] / 255.0 - measured.mean[at]) / measured.stddev[at];
      ASSERT_NEAR(images.data<float>()[i], expected, 1e-6);
      sum += expected;
      squares += expected * expected;
    }
    EXPECT_NEAR(sum / 1000.0, 0.0, 1e-9);
    EXPECT_NEAR(squares / 1000.0, c == 2 ? 0.0 : 1.0, 1e-9);
  }
  EXPECT_THROW(DataLoader(set, numbers(50), {.normalisation = {.mean = {0, 0}, .stddev = {1, 1}}}), Error);
  EXPECT_THROW(DataLoader(set, numbers(50), {.normalisation = {.mean = {0}, .stddev = {1, 1, 1}}}), Error);
}

/// A source of the user's own: pixel 0 holds the index, the others are drawn anew each time.
class Noise : public ExampleSource {
 public:
  std::string name() const override { return "noise"; }
  std::int64_t size() const override { return 90; }
  std::int64_t classes() const override { return 1000; }
  Shape image_shape() const override { return {2, 3, 3}; }
  std::int64_t label(std::int64_t index) const override { return 900 + index; }
  void load(std::int64_t index, Generator& generator, std::span<std::uint8_t> pixels) const override {
    for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(generator.below(256));
    pixels[0] = static_cast<std::uint8_t>(index);
  }
};

TEST(DataLoader, ServesASourceTheSameForAnyNumberOfWorkers) {
  const auto source = std::make_shared<const Noise>();
  const auto pixels_of = [&](int workers, std::int64_t epoch) {
    DataLoader loader(source, numbers(90), {.batch_size = 20, .workers = workers, .seed = 3});
    std::vector<float> all;
    loader.start(epoch);
    while (const auto batch = loader.next()) {
      EXPECT_EQ(batch->images.shape(), (Shape{20, 2, 3, 3}));
      for (std::int64_t j = 0; j < 20; ++j) {
        EXPECT_EQ(batch->labels.data<std::int64_t>()[j], 900 + std::lround(batch->images.data<float>()[18 * j] * 255));
      }
      const std::vector<float> some = batch->images.to_vector<float>();
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  };
  const std::vector<float> first = pixels_of(0, 0);
  EXPECT_EQ(first.size(), 80U * 18U);
  EXPECT_EQ(pixels_of(4, 0), first);
  EXPECT_NE(pixels_of(0, 1), first);
}

TEST(DataLoader, RefusesWhatCannotWork) {
  const Dataset set = numbered(20);
  EXPECT_THROW(DataLoader(set, {0, 20}, {.batch_size = 1}), Error);
  EXPECT_THROW(DataLoader(set, numbers(20), {.batch_size = 21}), Error);
  Dataset wrong = numbered(20);
  wrong.classes = 9;
  EXPECT_THROW(DataLoader(wrong, numbers(20), {.batch_size = 1}), Error);
  DataLoader loader(set, numbers(20), {.batch_size = 5});
  EXPECT_THROW(loader.next(), Error);
}

}  // namespace
}  // namespace coppice::train
