#include "bench/peers/eigen_gemm.h"

#ifdef COPPICE_BENCH_EIGEN

#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Core>

namespace coppice::peers {

bool has_eigen() { return true; }

void eigen_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                const float* b, float* c) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const Matrix> left(a, transpose_a ? k : m, transpose_a ? m : k);
  const Eigen::Map<const Matrix> right(b, transpose_b ? n : k, transpose_b ? k : n);
  Eigen::Map<Matrix> out(c, m, n);
  if (transpose_a) {
    out.noalias() = left.transpose() * right;
  } else if (transpose_b) {
    out.noalias() = left * right.transpose();
  } else {
    out.noalias() = left * right;
  }
}

}  // namespace coppice::peers

#else

namespace coppice::peers {

bool has_eigen() { return false; }
void eigen_gemm(bool, bool, std::int64_t, std::int64_t, std::int64_t, const float*, const float*, float*) {}

}  // namespace coppice::peers

#endif
