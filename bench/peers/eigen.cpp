// Eigen as a peer: matrix products on one thread.

#include <memory>
#include <vector>

#include "bench/peers/eigen_gemm.h"
#include "bench/peers/protocol.h"

namespace coppice::peers {
namespace {

Call gemm(const Arguments& arguments) {
  const long m = arguments.number("m"), n = arguments.number("n"), k = arguments.number("k");
  const auto a = std::make_shared<std::vector<float>>(m * k), b = std::make_shared<std::vector<float>>(k * n),
             c = std::make_shared<std::vector<float>>(m * n);
  fill(a->data(), m * k);
  fill(b->data(), k * n);
  return [=] { eigen_gemm(false, false, m, n, k, a->data(), b->data(), c->data()); };
}

}  // namespace
}  // namespace coppice::peers

int main() {
  return coppice::peers::serve("Eigen\t3.4\tcompiled for this machine, one thread", {{"gemm", coppice::peers::gemm}});
}
