#pragma once

#include <cstdint>

namespace coppice::peers {

/// Whether this build has Eigen to compare with.
bool has_eigen();

/// C (m, n) = op(A) · op(B), row-major without padding, by Eigen on one thread, compiled for this machine.
void eigen_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                const float* b, float* c);

}  // namespace coppice::peers
