#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/trainers/measure/latency_table.h>

namespace coppice::train::measure {

/// A convolution whose channels vary, square and with padding kernel / 2.
struct LatencyLayer {
  std::string name{};
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  std::int64_t size = 14;  ///< of the input, height and width
};

/// Reads `conv:3:1:14`: name, kernel, stride, size. Throws `[latency] …`.
COPPICE_API LatencyLayer parse_layer(const std::string& text);

struct LatencyOptions {
  std::vector<LatencyLayer> layers{};
  std::int64_t batch = 1;
  std::int64_t largest = 128;     ///< numbers of channels are 8 to 64 in steps of 8, then in steps of 32 up to this
  int rounds = 3;                 ///< each there and back
  double sample_seconds = 0.004;  ///< a sample lasts about so long, and at least 20 calls
};

/// The numbers of channels of a grid.
COPPICE_API std::vector<std::int64_t> latency_channels(std::int64_t largest);

/// Measures the forward pass over the whole grid, on num_threads() threads.
///
/// Every point works on buffers that rotate through more than twice the second-level cache, on random data. Points are
/// sampled in rounds of a shuffled order, there and back, with a fixed matrix product between them, by whose time every
/// sample is divided (and multiplied by its median): what slows the machine down for a while slows both. Points whose
/// median deviation exceeds 2 % are measured again, at most twice.
COPPICE_API LatencyTable measure_latency(const LatencyOptions& options, const std::string& command);

}  // namespace coppice::train::measure
