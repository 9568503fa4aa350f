#include <coppice/ops/roi_align.h>

#include <algorithm>
#include <cmath>

#include <coppice/autograd/record.h>
#include <coppice/ops/regions.h>

namespace coppice {

namespace {

using Plan = std::shared_ptr<const RegionPlan>;

/// The mean of `samples` bilinear reads in each of `bins` bins from `start` on; reads more than a pixel outside are 0.
template <class T>
cpu::Taps axis_taps(std::int64_t size, T start, T bin, std::int64_t bins, std::int64_t samples) {
  cpu::Taps taps{.size = size};
  for (std::int64_t i = 0; i < bins; ++i) {
    std::vector<double> weights(static_cast<std::size_t>(size), 0.0);
    std::int64_t first = size, end = 0;
    for (std::int64_t s = 0; s < samples; ++s) {
      T at = start + static_cast<T>(i) * bin + (static_cast<T>(s) + T(0.5)) * bin / static_cast<T>(samples);
      if (!(at >= T{-1} && at <= static_cast<T>(size))) continue;
      at = std::min(std::max(at, T{0}), static_cast<T>(size - 1));
      const auto low = static_cast<std::int64_t>(at);
      const std::int64_t high = std::min(low + 1, size - 1);
      const T fraction = at - static_cast<T>(low);
      weights[static_cast<std::size_t>(low)] += static_cast<double>((T{1} - fraction) / static_cast<T>(samples));
      weights[static_cast<std::size_t>(high)] += static_cast<double>(fraction / static_cast<T>(samples));
      first = std::min(first, low);
      end = std::max(end, high + 1);
    }
    first = std::min(first, end);
    taps.add(first, std::vector<double>(weights.begin() + first, weights.begin() + end));
  }
  return taps;
}

template <class T>
cpu::Taps box_taps(std::int64_t size, T from, T to, std::int64_t bins, const RoiAlignOptions& options) {
  const T scale = static_cast<T>(options.spatial_scale), shift = options.aligned ? T(0.5) : T{0};
  const T start = from * scale - shift;
  T length = to * scale - shift - start;
  if (!options.aligned) length = std::max(length, T{1});
  const T bin = length / static_cast<T>(bins);
  const std::int64_t samples = options.sampling_ratio > 0
                                   ? options.sampling_ratio
                                   : std::max<std::int64_t>(0, static_cast<std::int64_t>(std::ceil(bin)));
  return axis_taps(size, start, bin, bins, samples);
}

template <class T>
RegionPlan plan_of(const Tensor& input, const Tensor& boxes, std::array<std::int64_t, 2> output_size,
                   const RoiAlignOptions& options) {
  RegionPlan plan{.regions = {}, .images = input.shape(), .output_size = output_size};
  const T* box = boxes.data<T>();
  for (std::int64_t i = 0; i < boxes.size(0); ++i, box += 5) {
    plan.regions.push_back({static_cast<std::int64_t>(box[0]),
                            box_taps(input.size(2), box[2], box[4], output_size[0], options),
                            box_taps(input.size(3), box[1], box[3], output_size[1], options)});
  }
  return plan;
}

Tensor pool(const Tensor& input, const Plan& plan);

Tensor spread(const Tensor& d_output, const Plan& plan) {
  return record("roi_align", spread_regions("roi_align", d_output, *plan), {d_output}, {},
                [plan](const Saved&, const Tensor& g) { return pool(g, plan); });
}

Tensor pool(const Tensor& input, const Plan& plan) {
  return record("roi_align", pool_regions("roi_align", input, *plan), {input}, {},
                [plan](const Saved&, const Tensor& d_output) { return spread(d_output, plan); });
}

}  // namespace

Tensor roi_align(const Tensor& input, const Tensor& boxes, std::array<std::int64_t, 2> output_size,
                 const RoiAlignOptions& options) {
  check_regions("roi_align", input, boxes, output_size);
  const Tensor rows = detail::raw_contiguous(boxes);
  return dispatch_floating(input.dtype(), "roi_align", [&]<class T>() {
    return pool(input, std::make_shared<const RegionPlan>(plan_of<T>(input, rows, output_size, options)));
  });
}

}  // namespace coppice
