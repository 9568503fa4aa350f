#pragma once

#include <cmath>
#include <vector>

#include <coppice/ops/functional.h>

// Elementwise functions of one number: what the tests check by one table.

namespace coppice::cases {

struct MathCase {
  const char* name;
  Tensor (*run)(const Tensor&);
  double (*expected)(double);  ///< written without the engine
  double ulps;                 ///< allowed error in float32, in units of the last place
  double low, high;            ///< where the function is smooth: gradients are checked here
  bool smooth = true;          ///< otherwise the gradient is 0 and not recorded
};

inline double sigmoid_of(double x) { return 1.0 / (1.0 + std::exp(-x)); }

inline const std::vector<MathCase>& math_cases() {
  static const std::vector<MathCase> cases{
      {"log", log, std::log, 0.51, 0.1, 9},
      {"log2", log2, std::log2, 0.51, 0.1, 9},
      {"log10", log10, std::log10, 0.51, 0.1, 9},
      {"log1p", log1p, std::log1p, 0.51, -0.9, 9},
      {"expm1", expm1, std::expm1, 0.51, -3, 3},
      {"erf", erf, std::erf, 0.51, -3, 3},
      {"rsqrt", rsqrt, [](double x) { return 1.0 / std::sqrt(x); }, 0.51, 0.1, 9},
      {"reciprocal", reciprocal, [](double x) { return 1.0 / x; }, 0.5, 0.2, 9},
      {"square", square, [](double x) { return x * x; }, 0.5, -3, 3},
      {"sqrt", sqrt, [](double x) { return std::sqrt(x); }, 0.5, 0.1, 9},
      {"pow 1.5", [](const Tensor& x) { return pow(x, 1.5); }, [](double x) { return std::pow(x, 1.5); }, 0.51, 0.1, 9},
      {"pow -3", [](const Tensor& x) { return pow(x, -3.0); }, [](double x) { return std::pow(x, -3.0); }, 0.51, -5,
       -0.3},
      {"1.5 to x", [](const Tensor& x) { return pow(1.5, x); }, [](double x) { return std::pow(1.5, x); }, 0.51, -3, 3},
      {"sin", sin, std::sin, 0.51, -9, 9},
      {"cos", cos, std::cos, 0.51, -9, 9},
      {"tan", tan, std::tan, 0.51, -1.3, 1.3},
      {"asin", asin, std::asin, 0.51, -0.9, 0.9},
      {"acos", acos, std::acos, 0.51, -0.9, 0.9},
      {"atan", atan, std::atan, 0.51, -5, 5},
      {"sinh", sinh, std::sinh, 0.51, -3, 3},
      {"cosh", cosh, std::cosh, 0.51, -3, 3},
      {"tanh", tanh, std::tanh, 0.51, -3, 3},
      {"floor", floor, [](double x) { return std::floor(x); }, 0, 0, 0, false},
      {"ceil", ceil, [](double x) { return std::ceil(x); }, 0, 0, 0, false},
      {"round", round, [](double x) { return std::nearbyint(x); }, 0, 0, 0, false},
      {"trunc", trunc, [](double x) { return std::trunc(x); }, 0, 0, 0, false},
      {"sigmoid", sigmoid, sigmoid_of, 0.51, -5, 5},
      {"log_sigmoid", log_sigmoid,
       [](double x) { return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x)); }, 0.51, -5, 5},
      {"softplus", [](const Tensor& x) { return softplus(x); },
       [](double x) { return x > 20 ? x : std::log1p(std::exp(x)); }, 0.51, -5, 5},
      {"elu", [](const Tensor& x) { return elu(x); }, [](double x) { return x > 0 ? x : std::expm1(x); }, 0.51, -5,
       -0.1},
      {"elu 0.3", [](const Tensor& x) { return elu(x, 0.3); }, [](double x) { return x > 0 ? x : 0.3 * std::expm1(x); },
       0.51, 0.1, 5},
      {"mish", mish, [](double x) { return x > 40 ? x : x * std::tanh(std::log1p(std::exp(x))); }, 0.51, -4, 4},
      {"relu6", relu6, [](double x) { return x > 6    ? 6.0
                                             : x <= 0 ? 0.0
                                                      : x; }, 0, 0.1, 5.9},
      {"leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.25); }, [](double x) { return x > 0 ? x : 0.25 * x; },
       0.5, -5, -0.1},
      {"hardtanh", [](const Tensor& x) { return hardtanh(x); }, [](double x) { return x < -1  ? -1
                                                                                      : x > 1 ? 1
                                                                                              : x; }, 0,
       -0.9, 0.9},
      {"hardswish", hardswish, [](double x) { return x <= -3  ? 0.0 * x
                                                     : x >= 3 ? x
                                                              : x * (x + 3) / 6; }, 0.51, -2.9,
       2.9},
      {"hardsigmoid", hardsigmoid, [](double x) { return x <= -3  ? 0
                                                         : x >= 3 ? 1
                                                                  : (x + 3) / 6; }, 0.51, -2.9, 2.9},
  };
  return cases;
}

}  // namespace coppice::cases
