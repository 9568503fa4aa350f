#include <coppice/trainers/measure/latency.h>

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/error.h>
#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>
#include <coppice/ops/conv2d_candidates.h>
#include <coppice/ops/matmul.h>
#include <coppice/ops/memory_format.h>
#include <coppice/trainers/measure/clock.h>
#include <coppice/trainers/measure/samples.h>

namespace coppice::train::measure {
namespace {

constexpr int kFewestCalls = 20;
constexpr double kMostPointDeviation = 0.02;
constexpr int kMeasuredAgain = 2;

std::int64_t second_level_cache() {
  const long bytes = ::sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? bytes : std::int64_t{1} << 20;
}

double seconds_of(const Sample& sample) { return num_threads() == 1 ? sample.cpu : sample.wall; }

/// One point of the grid, ready to be sampled.
class Point {
 public:
  Point(const LatencyLayer& layer, std::int64_t batch, std::int64_t c_in, std::int64_t c_out, Generator& generator)
      : result_{.layer = layer.name, .c_in = c_in, .c_out = c_out} {
    options_ = {.stride = {layer.stride, layer.stride}, .padding = {layer.kernel / 2, layer.kernel / 2}};
    std::int64_t bytes = 0;
    do {
      Tensor input = Tensor::randn({batch, c_in, layer.size, layer.size}, generator);
      if (batch >= image_block(kFloat32)) input = input.to(MemoryFormat::Blocked);
      const Tensor weight = Tensor::randn({c_out, c_in, layer.kernel, layer.kernel}, generator);
      bytes += 4 * (input.numel() + weight.numel());
      buffers_.emplace_back(input, weight);
    } while (bytes <= 2 * second_level_cache());
    const auto& [input, weight] = buffers_[0];
    result_.kernel = choose_conv2d({.phase = FlopPhase::Forward,
                                    .input = input.shape(),
                                    .weight = weight.shape(),
                                    .output = check_conv2d(input, weight, {}, options_),
                                    .options = options_,
                                    .dtype = kFloat32,
                                    .format = input.memory_format()})
                         .name;
  }

  void call() {
    const auto& [input, weight] = buffers_[next_];
    next_ = (next_ + 1) % buffers_.size();
    conv2d(input, weight, {}, options_);
  }

  void calibrate(double sample_seconds) {
    call();
    const double once = std::max(1e-9, time_calls(2, [&] { call(); }).wall);
    calls_ = std::max(kFewestCalls, static_cast<int>(std::min(sample_seconds / once, 1e5)));
  }

  /// A sample beside what the sentinel took right after it.
  void sample(double sentinel_seconds, const std::function<double()>& sentinel, std::vector<double>& sentinels) {
    const double before = sentinel_seconds;
    const double seconds = seconds_of(time_calls(calls_, [&] { call(); }));
    const double after = sentinel();
    sentinels.push_back(after);
    ratios_.push_back(seconds / (0.5 * (before + after)));
  }

  bool noisy() const { return median_deviation(ratios_) > kMostPointDeviation * median(ratios_); }
  void forget() { ratios_.clear(); }

  LatencyPoint result(double sentinel_median) const {
    LatencyPoint point = result_;
    point.seconds = median(ratios_) * sentinel_median;
    point.deviation = median_deviation(ratios_) * sentinel_median;
    point.samples = static_cast<int>(ratios_.size());
    return point;
  }

 private:
  LatencyPoint result_;
  Conv2dOptions options_;
  std::vector<std::pair<Tensor, Tensor>> buffers_;
  std::size_t next_ = 0;
  int calls_ = kFewestCalls;
  std::vector<double> ratios_;  // to the sentinel
};

/// The rounds over some points: shuffled, there and back.
void run_rounds(const std::vector<Point*>& points, int rounds, Generator& generator,
                const std::function<double()>& sentinel, std::vector<double>& sentinels) {
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::int64_t> order = generator.permutation(static_cast<std::int64_t>(points.size()));
    for (int way = 0; way < 2; ++way) {
      sentinels.push_back(sentinel());
      for (const std::int64_t at : order) {
        points[static_cast<std::size_t>(at)]->sample(sentinels.back(), sentinel, sentinels);
      }
      std::ranges::reverse(order);
    }
  }
}

}  // namespace

LatencyLayer parse_layer(const std::string& text) {
  LatencyLayer layer;
  std::int64_t* const numbers[] = {&layer.kernel, &layer.stride, &layer.size};
  std::size_t at = text.find(':');
  layer.name = text.substr(0, at);
  for (std::int64_t* number : numbers) {
    const std::size_t begin = at == std::string::npos ? text.size() : at + 1;
    at = text.find(':', begin);
    const char* const end = text.data() + std::min(at, text.size());
    const auto [stop, error] = std::from_chars(text.data() + begin, end, *number);
    COPPICE_CHECK(error == std::errc{} && stop == end && *number >= 1,
                  "[latency] expects NAME:KERNEL:STRIDE:SIZE; got '", text, "'");
  }
  COPPICE_CHECK(at == std::string::npos && !layer.name.empty(), "[latency] expects NAME:KERNEL:STRIDE:SIZE; got '",
                text, "'");
  return layer;
}

std::vector<std::int64_t> latency_channels(std::int64_t largest) {
  std::vector<std::int64_t> channels;
  for (std::int64_t c = 8; c <= largest; c += c < 64 ? 8 : 32) channels.push_back(c);
  return channels;
}

LatencyTable measure_latency(const LatencyOptions& options, const std::string& command) {
  const NoGrad no_grad;
  Generator generator(1);
  const Tensor a = Tensor::randn({192, 192}, generator), b = Tensor::randn({192, 192}, generator);
  const auto sentinel = [&] { return seconds_of(time_calls(4, [&] { matmul(a, b); })); };
  sentinel();

  std::vector<LatencyPoint> results;
  for (const LatencyLayer& layer : options.layers) {
    std::vector<Point> points;
    for (const std::int64_t c_in : latency_channels(options.largest)) {
      for (const std::int64_t c_out : latency_channels(options.largest)) {
        points.emplace_back(layer, options.batch, c_in, c_out, generator).calibrate(options.sample_seconds);
      }
    }
    std::vector<Point*> to_measure;
    for (Point& point : points) to_measure.push_back(&point);
    std::vector<double> sentinels;
    for (int attempt = 0; attempt <= kMeasuredAgain && !to_measure.empty(); ++attempt) {
      for (Point* point : to_measure) point->forget();
      run_rounds(to_measure, options.rounds, generator, sentinel, sentinels);
      std::erase_if(to_measure, [](const Point* point) { return !point->noisy(); });
    }
    for (const Point& point : points) results.push_back(point.result(median(sentinels)));
  }
  Conditions conditions = current_conditions(command);
  conditions.insert(conditions.begin(), {"device", "cpu"});
  conditions.emplace_back("batch", std::to_string(options.batch));
  for (const LatencyLayer& layer : options.layers) {
    conditions.emplace_back("layer." + layer.name, "convolution " + std::to_string(layer.kernel) + ", stride " +
                                                       std::to_string(layer.stride) + ", input " +
                                                       std::to_string(layer.size) + ", f32, forward");
  }
  return {std::move(conditions), std::move(results)};
}

}  // namespace coppice::train::measure
