#include <coppice/ops/loss.h>

#include <algorithm>
#include <cmath>

#include <coppice/autograd/record.h>
#include <coppice/core/parallel.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>

// A loss of elements is a function of two numbers, x and t, with its first and second partial derivatives: one kernel
// computes any of them, and the backward of a derivative asks for the next.

namespace coppice {
namespace {

/// Which partial derivative: how often by x and by t, together at most twice.
struct Order {
  int x = 0, t = 0;
};

/// The functions of a loss g(x − t): derivatives by t have the other sign.
template <class T, class F>
T of_difference(const F& f, T x, T t, Order order) {
  const T d = x - t;
  const T value = f.derivative(d, order.x + order.t);
  return order.t == 1 ? -value : value;
}

struct SquaredError {
  template <class T>
  T derivative(T d, int order) const {
    return order == 0 ? d * d : order == 1 ? T{2} * d : T{2};
  }
  template <class T>
  T operator()(T x, T t, Order order) const {
    return of_difference(*this, x, t, order);
  }
};

template <class T>
T sign_of(T d) {
  return d > T{0} ? T{1} : d < T{0} ? T{-1} : d;  // NaN stays
}

/// inside · d² / 2 up to |d| = bound, then a line of slope inside · bound. At an infinite `inside` it is |d|.
struct Rounded {
  double bound;
  double inside;
  bool closed;  ///< whether |d| = bound is inside

  template <class T>
  T derivative(T d, int order) const {
    const T b = static_cast<T>(bound), slope = bound == 0.0 ? T{1} : static_cast<T>(inside * bound);
    const T size = std::abs(d);
    if (closed ? size <= b : size < b) {
      const T s = static_cast<T>(inside);
      return order == 0 ? T{0.5} * s * d * d : order == 1 ? s * d : s;
    }
    return order == 0 ? slope * (size - T{0.5} * b) : order == 1 ? slope * sign_of(d) : T{0};
  }
  template <class T>
  T operator()(T x, T t, Order order) const {
    return of_difference(*this, x, t, order);
  }
};

struct BinaryCrossEntropy {
  template <class T>
  T operator()(T x, T t, Order order) const {
    const T log_x = std::max(std::log(x), T{-100}), log_rest = std::max(std::log1p(-x), T{-100});
    const T width = std::max(x * (T{1} - x), T(1e-12));
    if (order.t == 2) return T{0};
    if (order.t == 1) return order.x == 0 ? log_rest - log_x : T{-1} / width;
    if (order.x == 0) return (t - T{1}) * log_rest - t * log_x;
    if (order.x == 1) return (x - t) / width;
    return (x * x - T{2} * t * x + t) / (width * width);
  }
};

/// The same of sigmoid(x).
struct BinaryCrossEntropyWithLogits {
  template <class T>
  T operator()(T x, T t, Order order) const {
    if (order.t == 2) return T{0};
    if (order.t == 1) return order.x == 0 ? -x : T{-1};
    const T small = std::exp(-std::abs(x));
    if (order.x == 0) return std::max(x, T{0}) - x * t + std::log1p(small);
    const T sigmoid = (x >= T{0} ? T{1} : small) / (T{1} + small);
    return order.x == 1 ? sigmoid - t : small / ((T{1} + small) * (T{1} + small));
  }
};

struct KlDivergence {
  template <class T>
  T operator()(T x, T t, Order order) const {
    if (order.x == 2) return T{0};
    if (order.x == 1) return order.t == 0 ? -t : T{-1};
    if (order.t == 0) return (t > T{0} ? t * std::log(t) : T{0} * t) - t * x;
    if (order.t == 1) return (t > T{0} ? std::log(t) + T{1} : T{0}) - x;
    return t > T{0} ? T{1} / t : T{0};
  }
};

struct KlDivergenceOfLogs {
  template <class T>
  T operator()(T x, T t, Order order) const {
    if (order.x == 2) return T{0};
    const T probability = std::exp(t);
    if (order.x == 1) return -probability;
    return probability * (t - x + static_cast<T>(order.t));
  }
};

/// The elements f^(order)(x, t); both tensors have one shape.
template <class F>
Tensor losses_of(const char* op, const F& f, const Tensor& x, const Tensor& t, Order order = {}) {
  constexpr std::int64_t kGrain = 8192;
  Tensor output = Tensor::empty(x.shape(), {.dtype = x.dtype()});
  const Tensor inputs = detail::raw_contiguous(x), targets = detail::raw_contiguous(t);
  dispatch_floating(x.dtype(), op, [&]<class T>() {
    const T* const input = inputs.data<T>();
    const T* const target = targets.data<T>();
    T* const out = output.data<T>();
    parallel_for(0, output.numel(), kGrain, [&](std::int64_t first, std::int64_t end) {
      for (std::int64_t i = first; i < end; ++i) out[i] = f(input[i], target[i], order);
    });
  });
  if (order.x + order.t == 2) {
    return record_once(op, output, {x, t}, {}, [](const Saved&, const Tensor&) { return Gradients(2); });
  }
  return record(op, output, {x, t}, {x, t}, [op, f, order](const Saved& saved, const Tensor& d_output) {
    Gradients gradients(2);
    if (saved.needs(0)) {
      gradients[0] = d_output * losses_of(op, f, saved[0], saved[1], {.x = order.x + 1, .t = order.t});
    }
    if (saved.needs(1)) {
      gradients[1] = d_output * losses_of(op, f, saved[0], saved[1], {.x = order.x, .t = order.t + 1});
    }
    return gradients;
  });
}

template <class F>
Tensor broadcast_losses(const char* op, const F& f, const Tensor& input, const Tensor& target) {
  const TensorImpl& x = detail::require_strided(input, op);
  const TensorImpl& t = detail::require_strided(target, op);
  COPPICE_CHECK(x.dtype == t.dtype && (x.dtype == kFloat32 || x.dtype == kFloat64), "[", op,
                "] expects input and target of one dtype, float32 or float64; got input ", x.dtype, " ", x.shape,
                ", target ", t.dtype, " ", t.shape, "; cast with to(…)");
  COPPICE_CHECK(x.device.is_cpu() && t.device.is_cpu(), "[", op, "] has no kernel for ", x.device, " and ", t.device,
                "; copy with to(kCpu)");
  const Shape shape = broadcast_shapes(x.shape, t.shape, op);
  return losses_of(op, f, x.shape == shape ? input : input.expand(shape),
                   t.shape == shape ? target : target.expand(shape));
}

Tensor weigh(const Tensor& losses, const Tensor& weight) { return weight.defined() ? losses * weight : losses; }

}  // namespace

Tensor mse_loss(const Tensor& input, const Tensor& target, LossOptions options) {
  return detail::reduce_losses(broadcast_losses("mse_loss", SquaredError{}, input, target), options.reduction);
}

Tensor l1_loss(const Tensor& input, const Tensor& target, LossOptions options) {
  const Rounded absolute{.bound = 0.0, .inside = 0.0, .closed = false};
  return detail::reduce_losses(broadcast_losses("l1_loss", absolute, input, target), options.reduction);
}

Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, SmoothL1LossOptions options) {
  COPPICE_CHECK(options.beta >= 0.0, "[smooth_l1_loss] beta must be at least 0; got ", options.beta);
  const Rounded smooth{
      .bound = options.beta, .inside = options.beta == 0.0 ? 0.0 : 1.0 / options.beta, .closed = false};
  return detail::reduce_losses(broadcast_losses("smooth_l1_loss", smooth, input, target), options.reduction);
}

Tensor huber_loss(const Tensor& input, const Tensor& target, HuberLossOptions options) {
  COPPICE_CHECK(options.delta > 0.0, "[huber_loss] delta must be greater than 0; got ", options.delta);
  const Rounded huber{.bound = options.delta, .inside = 1.0, .closed = true};
  return detail::reduce_losses(broadcast_losses("huber_loss", huber, input, target), options.reduction);
}

Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const BinaryCrossEntropyOptions& options) {
  COPPICE_CHECK(input.shape() == target.shape(), "[binary_cross_entropy] expects input and target of one shape; got ",
                input.shape(), " and ", target.shape());
  const Tensor losses = broadcast_losses("binary_cross_entropy", BinaryCrossEntropy{}, input, target);
  return detail::reduce_losses(weigh(losses, options.weight), options.reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                        const BinaryCrossEntropyWithLogitsOptions& options) {
  constexpr const char* kOp = "binary_cross_entropy_with_logits";
  COPPICE_CHECK(input.shape() == target.shape(), "[", kOp, "] expects input and target of one shape; got ",
                input.shape(), " and ", target.shape());
  const BinaryCrossEntropyWithLogits f;
  Tensor losses = broadcast_losses(kOp, f, input, target);
  if (options.pos_weight.defined()) {
    const Tensor of_ones = losses_of(kOp, f, input, Tensor::ones(input.shape(), {.dtype = input.dtype()}));
    losses = losses + (options.pos_weight - 1.0) * target * of_ones;
  }
  return detail::reduce_losses(weigh(losses, options.weight), options.reduction);
}

Tensor kl_div(const Tensor& input, const Tensor& target, KlDivOptions options) {
  using Kind = KlDivOptions::Reduction;
  const Tensor losses = options.log_target ? broadcast_losses("kl_div", KlDivergenceOfLogs{}, input, target)
                                           : broadcast_losses("kl_div", KlDivergence{}, input, target);
  switch (options.reduction) {
    case Kind::Mean: return mean(losses);
    case Kind::Sum: return sum(losses);
    case Kind::None: return losses;
    default: break;
  }
  COPPICE_CHECK(losses.dim() >= 1, "[kl_div] a mean over the batch expects a dimension; got ", losses.shape());
  return sum(losses) / static_cast<double>(losses.size(0));
}

}  // namespace coppice
