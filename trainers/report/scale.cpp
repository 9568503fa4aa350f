#include <coppice/trainers/report/scale.h>

#include <algorithm>
#include <cmath>

namespace coppice::train::report {
namespace {

constexpr double kSlack = 1e-9;          // of the range: an end that is a round value is in it
constexpr double kSmallestError = 1e-5;  // where Stretch::Error ends

std::vector<double> multiples(double low, double high, double step) {
  const double slack = kSlack * (high - low);
  std::vector<double> values;
  for (double k = std::ceil((low - slack) / step); k * step <= high + slack; k += 1.0)
    values.push_back(k * step + 0.0);  // + 0: no −0
  return values;
}

std::vector<double> linear_values(double low, double high, int most) {
  double power = std::pow(10.0, std::floor(std::log10((high - low) / most)));
  for (;; power *= 10.0) {
    for (const double mantissa : {1.0, 2.0, 5.0}) {
      std::vector<double> values = multiples(low, high, mantissa * power);
      if (static_cast<int>(values.size()) <= most) return values;
    }
  }
}

}  // namespace

std::vector<double> round_values(double low, double high, int most, bool logarithmic) {
  if (!(high > low) || most < 1) return {};
  if (!logarithmic) return linear_values(low, high, most);
  static const std::vector<std::vector<double>> choices = {
      {1, 1.5, 2, 3, 4, 5, 6, 8}, {1, 2, 3, 5, 7}, {1, 2, 5}, {1, 3}, {1}};
  for (const std::vector<double>& mantissas : choices) {
    std::vector<double> values;
    for (double power = std::floor(std::log10(low)); power <= std::ceil(std::log10(high)); power += 1.0) {
      for (const double mantissa : mantissas) {
        const double value = mantissa * std::pow(10.0, power);
        if (value >= low * (1.0 - kSlack) && value <= high * (1.0 + kSlack)) values.push_back(value);
      }
    }
    if (static_cast<int>(values.size()) > most) continue;
    // Less than half a decade has few round mantissas; there the axis is nearly linear anyway.
    return values.size() >= 2 ? values : linear_values(low, high, most);
  }
  std::vector<double> decades;
  const double first = std::ceil(std::log10(low) - kSlack);
  const double last = std::floor(std::log10(high) + kSlack);
  const double step = std::ceil((last - first + 1.0) / most);
  for (double power = first; power <= last; power += step) decades.push_back(std::pow(10.0, power));
  return decades;
}

Scale::Scale(Stretch stretch, double low, double high, double from, double to)
    : stretch_(stretch), low_(low), high_(high), from_(from), to_(to) {}

double Scale::warp(double value) const {
  if (stretch_ == Stretch::Log) return std::log(value);
  if (stretch_ == Stretch::Error) return -std::log(std::max(kSmallestError, 1.0 - value));
  return value;
}

double Scale::operator()(double value) const {
  const double share = (warp(value) - warp(low_)) / (warp(high_) - warp(low_));
  return from_ + share * (to_ - from_);
}

std::vector<double> Scale::ticks(int most) const {
  if (stretch_ != Stretch::Error) return round_values(low_, high_, most, stretch_ == Stretch::Log);
  std::vector<double> values = round_values(std::max(kSmallestError, 1.0 - high_), 1.0 - low_, most, true);
  for (double& value : values) value = 1.0 - value;
  return values;
}

}  // namespace coppice::train::report
