#include <coppice/ops/precise_roi_pool.h>

#include <algorithm>
#include <cmath>

#include <coppice/autograd/record.h>
#include <coppice/ops/regions.h>

namespace coppice {

namespace {

/// The interpolating triangle around 0, and its integral up to x.
double hat(double x) { return std::max(0.0, 1.0 - std::abs(x)); }
double hat_integral(double x) {
  x = std::clamp(x, -1.0, 1.0);
  return x < 0.0 ? 0.5 * (x + 1.0) * (x + 1.0) : 1.0 - 0.5 * (1.0 - x) * (1.0 - x);
}

/// Which weights: of the mean over a bin, or of its derivative by the box's start or end.
enum class Of : std::uint8_t { Mean, Start, End };

cpu::Taps bin_taps(std::int64_t size, double from, double to, std::int64_t bins, Of of) {
  cpu::Taps taps{.size = size};
  const double count = static_cast<double>(bins);
  const double length = (to - from) / count;
  for (std::int64_t i = 0; i < bins; ++i) {
    const double low = from + static_cast<double>(i) * length, high = low + length;
    std::vector<double> weights;
    std::int64_t first = 0;
    if (length > 0.0 && high > -1.0 && low < static_cast<double>(size)) {
      first = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(std::max(low, -1.0))));
      const std::int64_t end = std::min<std::int64_t>(
          size, static_cast<std::int64_t>(std::ceil(std::min(high, static_cast<double>(size)))) + 1);
      // How far the bin's ends move with the box's end; with its start they move by the rest.
      const double low_share = static_cast<double>(i) / count, high_share = static_cast<double>(i + 1) / count;
      for (std::int64_t j = first; j < end; ++j) {
        const double x = static_cast<double>(j);
        const double mean = (hat_integral(high - x) - hat_integral(low - x)) / length;
        const double by_high = (hat(high - x) - mean) / length, by_low = (mean - hat(low - x)) / length;
        if (of == Of::Mean) weights.push_back(mean);
        if (of == Of::End) weights.push_back(by_high * high_share + by_low * low_share);
        if (of == Of::Start) weights.push_back(by_high * (1.0 - high_share) + by_low * (1.0 - low_share));
      }
    }
    taps.add(first, weights);
  }
  return taps;
}

RegionPlan plan_of(const Shape& images, const Tensor& boxes, std::array<std::int64_t, 2> output_size,
                   double spatial_scale, Of rows, Of columns) {
  RegionPlan plan{.regions = {}, .images = images, .output_size = output_size};
  const std::vector<double> values = boxes.to_vector<double>();
  for (std::size_t i = 0; i < values.size(); i += 5) {
    const auto at = [&](std::size_t k) { return values[i + k] * spatial_scale; };
    plan.regions.push_back({static_cast<std::int64_t>(values[i]),
                            bin_taps(images[2], at(2), at(4), output_size[0], rows),
                            bin_taps(images[3], at(1), at(3), output_size[1], columns)});
  }
  return plan;
}

/// d_boxes (k, 5): what the bins become with derivatives in place of weights, times d_output.
Tensor box_gradient(const Tensor& input, const Tensor& boxes, std::array<std::int64_t, 2> output_size,
                    double spatial_scale, const Tensor& d_output) {
  const Tensor result = Tensor::zeros(boxes.shape(), {.dtype = boxes.dtype()});
  const Tensor dy = detail::raw_contiguous(d_output);
  struct Corner {
    Of rows, columns;
  };
  const Corner corners[] = {{Of::Mean, Of::Start}, {Of::Start, Of::Mean}, {Of::Mean, Of::End}, {Of::End, Of::Mean}};
  const std::int64_t count = boxes.size(0);
  const std::int64_t each = count == 0 ? 0 : dy.numel() / count;
  for (std::int64_t corner = 0; corner < 4; ++corner) {
    const Tensor change = pool_regions(
        "precise_roi_pool", input,
        plan_of(input.shape(), boxes, output_size, spatial_scale, corners[corner].rows, corners[corner].columns));
    dispatch_floating(dy.dtype(), "precise_roi_pool", [&]<class T>() {
      for (std::int64_t k = 0; k < count; ++k) {
        double sum = 0.0;
        for (std::int64_t i = k * each; i < (k + 1) * each; ++i) {
          sum += static_cast<double>(change.data<T>()[i]) * static_cast<double>(dy.data<T>()[i]);
        }
        result.data<T>()[5 * k + 1 + corner] = static_cast<T>(sum * spatial_scale);
      }
    });
  }
  return result;
}

}  // namespace

Tensor precise_roi_pool(const Tensor& input, const Tensor& boxes, std::array<std::int64_t, 2> output_size,
                        double spatial_scale) {
  check_regions("precise_roi_pool", input, boxes, output_size);
  const RegionPlan plan = plan_of(input.shape(), boxes, output_size, spatial_scale, Of::Mean, Of::Mean);
  return record_once("precise_roi_pool", pool_regions("precise_roi_pool", input, plan), {input, boxes}, {input, boxes},
                     [output_size, spatial_scale](const Saved& saved, const Tensor& d_output) {
                       const Tensor x = saved[0], rows = saved[1];
                       Gradients gradients(2);
                       if (saved.needs(0)) {
                         gradients[0] =
                             spread_regions("precise_roi_pool", d_output,
                                            plan_of(x.shape(), rows, output_size, spatial_scale, Of::Mean, Of::Mean));
                       }
                       if (saved.needs(1)) gradients[1] = box_gradient(x, rows, output_size, spatial_scale, d_output);
                       return gradients;
                     });
}

}  // namespace coppice
