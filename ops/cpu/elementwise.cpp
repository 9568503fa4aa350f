// The contiguous loops of ops/cpu/elementwise.h.
//
// Mapping        plain loops over the functors, compiled once per instruction set and vectorised by the compiler.
// Bound          memory; in L1, one load and store per vector.
// Deterministic  yes, and the same bits on every instruction set: no contraction, no reassociation.
// Measure        coppice-bench --benchmark_filter=elementwise

#include <coppice/ops/cpu/elementwise.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/elementwise.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/exp-inl.h>
#include <coppice/ops/functors.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

template <class F, class T, class R>
void binary_loop(const void* a, const void* b, void* out, std::int64_t count) {
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  R* HWY_RESTRICT z = static_cast<R*>(out);
  for (std::int64_t i = 0; i < count; ++i) z[i] = static_cast<R>(F{}(x[i], y[i]));
}

template <class F, class T>
void unary_loop(const void* in, void* out, std::int64_t count, double parameter) {
  const T* x = static_cast<const T*>(in);
  T* HWY_RESTRICT z = static_cast<T*>(out);
  if constexpr (std::is_same_v<F, functor::Pow>) {
    for (std::int64_t i = 0; i < count; ++i) z[i] = F{parameter}(x[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) z[i] = F{}(x[i]);
  }
}

/// As unary_loop<functor::Exp, float>, bit for bit.
void exp_loop(const void* in, void* out, std::int64_t count, double) {
  exp_run(static_cast<const float*>(in), 0.0F, count, static_cast<float*>(out));
}

template <class T>
void where_loop(const void* condition, const void* a, const void* b, void* out, std::int64_t count) {
  const std::uint8_t* c = static_cast<const std::uint8_t*>(condition);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  T* HWY_RESTRICT z = static_cast<T*>(out);
  for (std::int64_t i = 0; i < count; ++i) z[i] = c[i] != 0 ? x[i] : y[i];
}

struct Table : ElementwiseKernels {
  template <class T>
  static std::size_t column() {
    return static_cast<std::size_t>(dtype_of<T>());
  }
  template <class F, class T, class R = T>
  void set(BinaryOp op) {
    binary[static_cast<std::size_t>(op)][column<T>()] = binary_loop<F, T, R>;
  }
  template <class F, class T>
  void set(UnaryOp op) {
    unary[static_cast<std::size_t>(op)][column<T>()] = unary_loop<F, T>;
  }

  template <class T>
  void set_all() {
    set<functor::Add, T>(BinaryOp::Add);
    set<functor::Sub, T>(BinaryOp::Sub);
    set<functor::Mul, T>(BinaryOp::Mul);
    set<functor::Maximum, T>(BinaryOp::Maximum);
    set<functor::Minimum, T>(BinaryOp::Minimum);
    set<functor::ReluBackward, T>(BinaryOp::ReluBackward);
    set<functor::Equal, T, std::uint8_t>(BinaryOp::Equal);
    set<functor::NotEqual, T, std::uint8_t>(BinaryOp::NotEqual);
    set<functor::Less, T, std::uint8_t>(BinaryOp::Less);
    set<functor::LessEqual, T, std::uint8_t>(BinaryOp::LessEqual);
    set<functor::Neg, T>(UnaryOp::Neg);
    set<functor::Abs, T>(UnaryOp::Abs);
    set<functor::Sign, T>(UnaryOp::Sign);
    set<functor::Relu, T>(UnaryOp::Relu);
    if constexpr (std::is_floating_point_v<T>) {
      set<functor::Div, T>(BinaryOp::Div);
      set<functor::Exp, T>(UnaryOp::Exp);
      set<functor::Log, T>(UnaryOp::Log);
      set<functor::Sqrt, T>(UnaryOp::Sqrt);
      set<functor::Pow, T>(UnaryOp::Pow);
      set<functor::Silu, T>(UnaryOp::Silu);
      set<functor::Gelu, T>(UnaryOp::Gelu);
      set<functor::GeluTanh, T>(UnaryOp::GeluTanh);
      set<functor::SiluBackward, T>(BinaryOp::SiluBackward);
      set<functor::GeluBackward, T>(BinaryOp::GeluBackward);
      set<functor::GeluTanhBackward, T>(BinaryOp::GeluTanhBackward);
    }
  }

  /// bool is a byte that is 0 or 1: + is or, · is and; - and neg have no meaning.
  void set_bool() {
    const auto from = static_cast<std::size_t>(kUInt8);
    const auto to = static_cast<std::size_t>(kBool);
    for (auto& row : binary) row[to] = row[from];
    const auto row = [this](BinaryOp op) -> auto& { return binary[static_cast<std::size_t>(op)]; };
    row(BinaryOp::Add)[to] = row(BinaryOp::Maximum)[from];
    row(BinaryOp::Sub)[to] = nullptr;
  }

  Table() {
    set_all<float>();
    set_all<double>();
    set_all<std::int32_t>();
    set_all<std::int64_t>();
    set_all<std::uint8_t>();
    set_bool();
    unary[static_cast<std::size_t>(UnaryOp::Exp)][column<float>()] = exp_loop;
    where[1] = where_loop<std::uint8_t>;
    where[4] = where_loop<std::uint32_t>;
    where[8] = where_loop<std::uint64_t>;
  }
};

const ElementwiseKernels& table() {
  static const Table kernels;
  return kernels;
}

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(table);

const ElementwiseKernels& elementwise_kernels() {
  static const ElementwiseKernels& kernels = HWY_DYNAMIC_DISPATCH(table)();
  return kernels;
}

}  // namespace coppice::cpu
#endif
