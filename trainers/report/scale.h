#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace coppice::train::report {

/// How values are spread along an axis.
enum class Stretch : std::uint8_t {
  Linear,
  Log,    ///< positive values
  Error,  ///< fractions below 1, by the logarithm of 1 − value: the closer to 1, the more room
};

/// A value an axis names.
struct Tick {
  double value = 0.0;
  std::string label{};
};

/// Places values between two positions.
class Scale {
 public:
  /// `low` < `high` come to lie at the positions `from` and `to`.
  Scale(Stretch stretch, double low, double high, double from, double to);

  double operator()(double value) const;
  /// At most `most` round values in range, unlabelled; the finest choice of them.
  std::vector<double> ticks(int most) const;

 private:
  double warp(double value) const;

  Stretch stretch_;
  double low_;
  double high_;
  double from_;
  double to_;
};

/// Round values in [low, high]: multiples of 1, 2 or 5 times a power of ten, or with `logarithmic` the choice of
/// mantissas that fits best, at most `most`.
std::vector<double> round_values(double low, double high, int most, bool logarithmic);

}  // namespace coppice::train::report
