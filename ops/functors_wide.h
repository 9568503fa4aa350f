#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

// Transcendental functions for f32, worked out in double: range reduction is a subtraction, a polynomial of moderate
// degree is far below half an ulp of f32, and denormal inputs and results need no care. Vectorisable, and free of
// operations whose rounding depends on the instruction set. Relative errors are below 2^-40 unless said otherwise, so
// that the f32 result is within 0.51 ulp. Polynomials are Chebyshev fits. They take what an f32 can hold.

#define COPPICE_FUNCTOR [[gnu::always_inline]] inline

namespace coppice::functor::wide {

inline constexpr double kLn2 = 0.69314718055994530942;
inline constexpr double kHalfPi = 1.57079632679489661923;
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kRound = 0x1.8p52;  // adding it leaves round(x) in the low bits

/// e^x = power · (1 + rest)
struct Exponential {
  double power;
  double rest;
};

/// Any x; beyond ±700 the result is 0 or infinity as an f32.
COPPICE_FUNCTOR Exponential split_exp(double x) {
  const double below = x > 700.0 ? 700.0 : x;
  const double inside = below < -700.0 ? -700.0 : below;
  const double shifted = inside * (1.0 / kLn2) + kRound;
  const double n = shifted - kRound;
  const double r = (inside - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33;
  double p = 2.761383680137229345e-7;
  p = p * r + 2.762515151794847856e-6;
  p = p * r + 2.480153633472461593e-5;
  p = p * r + 1.98412086677559201e-4;
  p = p * r + 1.388888890890856255e-3;
  p = p * r + 8.333333353761831566e-3;
  p = p * r + 4.166666666665132256e-2;
  p = p * r + 1.666666666664824918e-1;
  p = p * r + 0.5;
  return {std::bit_cast<double>((std::bit_cast<std::uint64_t>(shifted) + 1023) << 52), p * (r * r) + r};
}

COPPICE_FUNCTOR double exp(double x) {
  const Exponential e = split_exp(x);
  return e.power * e.rest + e.power;
}

COPPICE_FUNCTOR double expm1(double x) {
  const Exponential e = split_exp(x);
  return x == 0.0 ? x : e.power * e.rest + (e.power - 1.0);
}

/// x = m · 2^e with m between √½ and √2; log m = 2 artanh((m − 1) / (m + 1)).
struct Logarithm {
  double exponent;
  double log_m;
};

/// Of a positive, finite x that is not denormal as a double.
COPPICE_FUNCTOR Logarithm split_log(double x) {
  constexpr std::uint64_t kOne = std::uint64_t{1023} << 52;
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t biased = (bits - 0x3FE6A09E667F3BCD + kOne) >> 52;
  const double m = std::bit_cast<double>(bits - (biased << 52) + kOne);
  const double s = (m - 1.0) / (m + 1.0);
  const double u = s * s;
  double p = 7.308242099183301578e-2;
  p = p * u + 7.665859404140035431e-2;
  p = p * u + 9.09144460463329805e-2;
  p = p * u + 1.111110556682104219e-1;
  p = p * u + 1.42857143129912741e-1;
  p = p * u + 1.999999999994974446e-1;
  p = p * u + 3.333333333333334843e-1;
  return {std::bit_cast<double>(biased | 0x4330000000000000) - (0x1p52 + 1023.0), 2.0 * (p * (u * s) + s)};
}

/// What log x is where split_log does not hold, else `inside`.
COPPICE_FUNCTOR double with_log_limits(double x, double inside) {
  const double finite = x < kInfinity ? inside : x;  // also NaN
  const double positive = x == 0.0 ? -kInfinity : finite;
  return x < 0.0 ? kNan : positive;
}

COPPICE_FUNCTOR double log(double x) {
  const Logarithm l = split_log(x);
  return with_log_limits(x, l.exponent * kLn2 + l.log_m);
}

/// Exact for powers of 2.
COPPICE_FUNCTOR double log2(double x) {
  const Logarithm l = split_log(x);
  return with_log_limits(x, l.exponent + l.log_m * (1.0 / kLn2));
}

COPPICE_FUNCTOR double log1p(double x) {
  const double u = 1.0 + x;
  const double lost = x < 1.0 ? x - (u - 1.0) : 0.0;
  const Logarithm l = split_log(u);
  const double inside = with_log_limits(u, l.exponent * kLn2 + l.log_m) + lost;
  return (x < kInfinity) & (x != 0.0) ? inside : x;
}

/// Angles whose reduction by multiples of π/2 needs more digits of π than reduce() has.
inline constexpr float kFarAngle = 0x1p19F;

struct Reduced {
  double r;  // |r| ≤ π/4
  std::uint64_t quadrant;
};

/// x − n · π/2, for |x| < kFarAngle. Source of the three parts of π/2: fdlibm.
COPPICE_FUNCTOR Reduced reduce(double x) {
  const double shifted = x * (1.0 / kHalfPi) + kRound;
  const double n = shifted - kRound;
  const double r = ((x - n * 1.57079632673412561417) - n * 6.07710050630396597660e-11) - n * 2.02226624879595063154e-21;
  return {r, std::bit_cast<std::uint64_t>(shifted)};
}

/// As reduce, for any finite |x| ≥ kFarAngle: the integer of x's digits times the 96 bits of 2/π that are neither whole
/// turns nor below the result. Within 2^-60, which is 2^-28 of the smallest r of an f32.
/// Source: Payne and Hanek, SIGNUM Newsletter 18, 1983.
inline Reduced reduce_far(float x) {
  constexpr std::uint32_t kTwoOverPi[] = {// the 32 bits that end with digit 8 (i + 1)
                                          0x000000a2, 0x0000a2f9, 0x00a2f983, 0xa2f9836e, 0xf9836e4e, 0x836e4e44,
                                          0x6e4e4415, 0x4e441529, 0x441529fc, 0x1529fc27, 0x29fc2757, 0xfc2757d1,
                                          0x2757d1f5, 0x57d1f534, 0xd1f534dd, 0xf534ddc0, 0x34ddc0db, 0xddc0db62,
                                          0xc0db6295, 0xdb629599, 0x6295993c, 0x95993c43, 0x993c4390, 0x3c439041};
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t* const digits = kTwoOverPi + (bits >> 26 & 15);
  const std::uint32_t integer = ((bits & 0x7FFFFF) | 0x800000) << (bits >> 23 & 7);
  const std::uint64_t high = std::uint64_t{integer * digits[0]} << 32;
  const std::uint64_t middle = std::uint64_t{integer} * digits[4];
  const std::uint64_t low = std::uint64_t{integer} * digits[8] >> 32;
  const std::uint64_t turned = high + middle + low;  // quarter turns, 62 bits after the point
  const std::uint64_t quadrant = (turned + (std::uint64_t{1} << 61)) >> 62;
  const double r = static_cast<double>(static_cast<std::int64_t>(turned - (quadrant << 62))) * (kHalfPi * 0x1p-62);
  return x < 0.0F ? Reduced{-r, std::uint64_t{0} - quadrant} : Reduced{r, quadrant};
}

COPPICE_FUNCTOR double sin_reduced(double r) {
  const double u = r * r;
  double p = -2.480553693618375061e-8;
  p = p * u + 2.755598985724313728e-6;
  p = p * u - 1.984126691344120413e-4;
  p = p * u + 8.333333331075577313e-3;
  p = p * u - 1.666666666666388031e-1;
  return r * (p * u + 1.0);
}

COPPICE_FUNCTOR double cos_reduced(double r) {
  const double u = r * r;
  double p = 2.070052946604424509e-9;
  p = p * u - 2.755636892872319384e-7;
  p = p * u + 2.4801585208455595e-5;
  p = p * u - 1.388888888727473581e-3;
  p = p * u + 4.166666666666467458e-2;
  return p * (u * u) + (1.0 - 0.5 * u);
}

/// sin(r + quadrant · π/2)
COPPICE_FUNCTOR double sin_of(Reduced angle) {
  const double value = (angle.quadrant & 1) != 0 ? cos_reduced(angle.r) : sin_reduced(angle.r);
  return (angle.quadrant & 2) != 0 ? -value : value;
}

COPPICE_FUNCTOR double cos_of(Reduced angle) { return sin_of({angle.r, angle.quadrant + 1}); }

COPPICE_FUNCTOR double tan_of(Reduced angle) {
  const double s = sin_reduced(angle.r), c = cos_reduced(angle.r);
  const bool odd = (angle.quadrant & 1) != 0;
  return (odd ? -c : s) / (odd ? s : c);
}

/// The angle of the point (x, y), by one division: atan of the smaller over the larger coordinate, or of what it is
/// beyond π/8 from π/4.
COPPICE_FUNCTOR double atan2(double y, double x) {
  const double a = std::fabs(y), b = std::fabs(x);
  const double larger = a > b ? a : b;
  const double smaller = a > b ? b : a;
  const bool middle = (smaller > 0.41421356237309504880 * larger) | (smaller == kInfinity);
  const double difference = smaller == larger ? 0.0 : smaller - larger;  // also of infinities
  const double numerator = middle ? difference : smaller;
  const double sum = middle ? smaller + larger : larger;
  const double t = numerator / (larger == 0.0 ? 1.0 : sum);
  const double u = t * t;
  double p = -2.531472973194232974e-2;
  p = p * u + 5.024634245596043327e-2;
  p = p * u - 6.505944155503310705e-2;
  p = p * u + 7.673529098467826527e-2;
  p = p * u - 9.089529357362554915e-2;
  p = p * u + 1.111104882058514481e-1;
  p = p * u - 1.428571266065905409e-1;
  p = p * u + 1.999999997837686871e-1;
  p = p * u - 3.333333333332213411e-1;
  const double low = p * (u * t) + t + (middle ? 0.5 * kHalfPi : 0.0);
  const double angle = a > b ? kHalfPi - low : low;
  return std::copysign(std::copysign(1.0, x) < 0.0 ? 2.0 * kHalfPi - angle : angle, y);
}

/// Below 2 an odd polynomial, else 1 − e^(−x²) times a polynomial.
COPPICE_FUNCTOR double erf(double x) {
  const double a = std::fabs(x) > 4.0 ? 4.0 : std::fabs(x);
  const double u = a * a;
  double p = -1.113073705726576179e-12;
  p = p * u + 4.488067162312538027e-11;
  p = p * u - 9.270354932313355325e-10;
  p = p * u + 1.350521211291941211e-8;
  p = p * u - 1.596525779944097464e-7;
  p = p * u + 1.637368913085662294e-6;
  p = p * u - 0.000014911708737937775;
  p = p * u + 0.000120537869618393493;
  p = p * u - 0.0008548209893154894735;
  p = p * u + 0.005223971848276433184;
  p = p * u - 0.02686616893164845857;
  p = p * u + 0.1128379164434923697;
  p = p * u - 0.3761263890155183128;
  p = p * u + 1.128379167095346127;
  double q = -0.00002365606081170003656;
  q = q * a + 0.0005914952324124192612;
  q = q * a - 0.006498335510509328344;
  q = q * a + 0.04119403216168646721;
  q = q * a - 0.166300459665136801;
  q = q * a + 0.4447129788282121819;
  q = q * a - 0.7913504734206059223;
  q = q * a + 0.9036628320320212765;
  const double size = a < 2.0 ? p * a : 1.0 - exp(-u) * q;
  return std::copysign(size, x);
}

/// x^y as C defines it, within 2^-37.
COPPICE_FUNCTOR double pow(double x, double y) {
  const double magnitude = exp(y * log(std::fabs(x)));
  const bool integral = std::trunc(y) == y;  // also infinities
  const double half = 0.5 * y;
  const bool odd = integral & (std::trunc(half) != half);
  const double plain =
      (y == 0.0) | (x == 1.0) | ((std::fabs(x) == 1.0) & (std::fabs(y) == kInfinity)) ? 1.0 : magnitude;
  const double with_sign = odd ? std::copysign(plain, x) : plain;
  return (x < 0.0) & (x > -kInfinity) & !integral & (y == y) ? kNan : with_sign;
}

}  // namespace coppice::functor::wide

#undef COPPICE_FUNCTOR
