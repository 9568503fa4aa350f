#pragma once

#include <cmath>

#include <coppice/autograd/record.h>

/// A few double-precision operations on equal shapes, recorded as any op is: the engine's tests need no other room.
namespace coppice::test_ops {

template <class F>
Tensor map2(const Tensor& a, const Tensor& b, F function) {
  Tensor result = Tensor::empty(a.shape(), {.dtype = kFloat64});
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    result.data<double>()[i] = function(a.data<double>()[i], b.data<double>()[i]);
  }
  return result;
}

inline Tensor plus(const Tensor& a, const Tensor& b) {
  return record("plus", map2(a, b, [](double x, double y) { return x + y; }), {a, b}, {},
                [](const Saved&, const Tensor& d) {
                  return Gradients{d, d};
                });
}

inline Tensor times(const Tensor& a, const Tensor& b) {
  return record("times", map2(a, b, [](double x, double y) { return x * y; }), {a, b}, {a, b},
                [](const Saved& saved, const Tensor& d) {
                  return Gradients{saved.needs(0) ? times(d, saved[1]) : Tensor(),
                                   saved.needs(1) ? times(d, saved[0]) : Tensor()};
                });
}

/// Reads its own output in backward.
inline Tensor exponential(const Tensor& a) {
  Tensor output = map2(a, a, [](double x, double) { return std::exp(x); });
  return record("exponential", output, {a}, {output},
                [](const Saved& saved, const Tensor& d) { return times(d, saved[0]); });
}

inline Tensor total(const Tensor& a);

inline Tensor spread(const Tensor& a, const Shape& shape) {
  Tensor result = Tensor::full(shape, a.item<double>(), {.dtype = kFloat64});
  return record("spread", result, {a}, {}, [](const Saved&, const Tensor& d) { return total(d); });
}

inline Tensor total(const Tensor& a) {
  double sum = 0;
  for (const double value : a.to_vector<double>()) sum += value;
  return record("total", Tensor::full({}, sum, {.dtype = kFloat64}), {a}, {},
                [shape = a.shape()](const Saved&, const Tensor& d) { return spread(d, shape); });
}

/// As times(a, a), without double backward.
inline Tensor square_once(const Tensor& a) {
  return record_once("square_once", map2(a, a, [](double x, double y) { return x * y; }), {a}, {a},
                     [](const Saved& saved, const Tensor& d) {
                       return map2(d, saved[0], [](double dy, double x) { return 2 * dy * x; });
                     });
}

inline Tensor leaf(const std::vector<double>& values) {
  Tensor tensor = Tensor::of(values);
  return tensor.requires_grad_();
}

inline std::vector<double> values(const Tensor& tensor) { return tensor.to_vector<double>(); }

}  // namespace coppice::test_ops
