#pragma once

#include <cstdint>
#include <string>

namespace coppice::train::report {

/// The parts one after the other.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string text;
  ((text += parts), ...);
  return text;
}

/// `98.48`
std::string fixed(double value, int digits);
/// Four significant digits at most: `0.315`, `12.3`, `1,234`.
std::string number(double value);
/// `266,200`
std::string grouped(std::int64_t value);
/// A fraction as percent: 0.975 is `97.5`.
std::string percent(double fraction);
/// A difference of fractions in points: `+0.18`, `−1.20`, `0.00`.
std::string points(double difference);
/// `[−0.24, +0.61]`, or `[no interval]` where it is unbounded.
std::string interval(double low, double high);
/// Bytes in MiB: `4.58`.
std::string mebibytes(std::int64_t bytes);
/// `3 seeds`, `1 seed`.
std::string counted(std::int64_t count, const std::string& noun);

}  // namespace coppice::train::report
