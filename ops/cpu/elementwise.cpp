// The contiguous loops of ops/cpu/elementwise.h.
//
// Mapping        plain loops over the functors, compiled once per instruction set and vectorised by the compiler.
// Bound          memory; in L1, one load and store per vector.
// Deterministic  yes, and but for exp of f32 the same bits on every instruction set: no contraction, no reassociation.
// Measure        coppice-bench --benchmark_filter=elementwise

#include <coppice/ops/cpu/elementwise.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/elementwise.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/elementwise_loops-inl.h>
#include <coppice/ops/cpu/exp-inl.h>
#include <coppice/ops/cpu/stream-inl.h>
#include <coppice/ops/cpu/stream.h>
#include <coppice/ops/functors.h>
#include <coppice/ops/functors_discrete.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

void exp_loop(const void* in, void* out, std::int64_t count, double) {
  const float* const x = static_cast<const float*>(in);
  const bool past = is_streamed(count * static_cast<std::int64_t>(sizeof(float)));
  write_pieces(count, past, static_cast<float*>(out), [&](std::int64_t first, std::int64_t here, float* to) HWY_ATTR {
    exp_run(x + first, 0.0F, here, to, x + first + here);
  });
  if (past) hwy::FlushStream();
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
  void set_all() {
    set<functor::Add, T>(*this, BinaryOp::Add);
    set<functor::Sub, T>(*this, BinaryOp::Sub);
    set<functor::Mul, T>(*this, BinaryOp::Mul);
    set<functor::Maximum, T>(*this, BinaryOp::Maximum);
    set<functor::Minimum, T>(*this, BinaryOp::Minimum);
    set<functor::ReluBackward, T>(*this, BinaryOp::ReluBackward);
    set<functor::Remainder, T>(*this, BinaryOp::Remainder);
    set<functor::Fmod, T>(*this, BinaryOp::Fmod);
    set<functor::Equal, T, std::uint8_t>(*this, BinaryOp::Equal);
    set<functor::NotEqual, T, std::uint8_t>(*this, BinaryOp::NotEqual);
    set<functor::Less, T, std::uint8_t>(*this, BinaryOp::Less);
    set<functor::LessEqual, T, std::uint8_t>(*this, BinaryOp::LessEqual);
    set<functor::LogicalAnd, T, std::uint8_t>(*this, BinaryOp::LogicalAnd);
    set<functor::LogicalOr, T, std::uint8_t>(*this, BinaryOp::LogicalOr);
    set<functor::LogicalXor, T, std::uint8_t>(*this, BinaryOp::LogicalXor);
    set<functor::Neg, T>(*this, UnaryOp::Neg);
    set<functor::Abs, T>(*this, UnaryOp::Abs);
    set<functor::Sign, T>(*this, UnaryOp::Sign);
    set<functor::Relu, T>(*this, UnaryOp::Relu);
    set<functor::Floor, T>(*this, UnaryOp::Floor);
    set<functor::Ceil, T>(*this, UnaryOp::Ceil);
    set<functor::Round, T>(*this, UnaryOp::Round);
    set<functor::Trunc, T>(*this, UnaryOp::Trunc);
    if constexpr (std::is_floating_point_v<T>) {
      set<functor::Div, T>(*this, BinaryOp::Div);
      set<functor::Exp, T>(*this, UnaryOp::Exp);
      set<functor::Sqrt, T>(*this, UnaryOp::Sqrt);
    } else {
      set<functor::BitwiseAnd, T>(*this, BinaryOp::BitwiseAnd);
      set<functor::BitwiseOr, T>(*this, BinaryOp::BitwiseOr);
      set<functor::BitwiseXor, T>(*this, BinaryOp::BitwiseXor);
      set<functor::BitwiseNot, T>(*this, UnaryOp::BitwiseNot);
    }
  }

  /// bool is a byte that is 0 or 1: + is or, · is and; - and the remainders have no meaning.
  void set_bool() {
    const auto from = static_cast<std::size_t>(kUInt8);
    const auto to = static_cast<std::size_t>(kBool);
    for (auto& row : binary) row[to] = row[from];
    const auto row = [this](BinaryOp op) -> auto& { return binary[static_cast<std::size_t>(op)]; };
    row(BinaryOp::Add)[to] = row(BinaryOp::Maximum)[from];
    for (const BinaryOp op : {BinaryOp::Sub, BinaryOp::Remainder, BinaryOp::Fmod}) row(op)[to] = nullptr;
    unary[static_cast<std::size_t>(UnaryOp::BitwiseNot)][to] = unary_loop<functor::FlipBool, std::uint8_t>;
  }

  Table() {
    set_all<float>();
    set_all<double>();
    set_all<std::int32_t>();
    set_all<std::int64_t>();
    set_all<std::uint8_t>();
    set_bool();
    unary[static_cast<std::size_t>(UnaryOp::Exp)][static_cast<std::size_t>(kFloat32)] = exp_loop;
    where[1] = where_loop<std::uint8_t>;
    where[4] = where_loop<std::uint32_t>;
    where[8] = where_loop<std::uint64_t>;
    add_math_kernels(*this);
    add_activation_kernels(*this);
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

const ElementwiseKernels& elementwise_kernels() { return HWY_DYNAMIC_DISPATCH(table)(); }

}  // namespace coppice::cpu
#endif
