// OpenBLAS as a peer: matrix products.

#include <cblas.h>

#include <memory>
#include <vector>

#include "bench/peers/protocol.h"

namespace coppice::peers {
namespace {

Call gemm(const Arguments& arguments) {
  const long m = arguments.number("m"), n = arguments.number("n"), k = arguments.number("k");
  const auto a = std::make_shared<std::vector<float>>(m * k), b = std::make_shared<std::vector<float>>(k * n),
             c = std::make_shared<std::vector<float>>(m * n);
  fill(a->data(), m * k);
  fill(b->data(), k * n);
  return [=] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(m), static_cast<int>(n),
                static_cast<int>(k), 1.0F, a->data(), static_cast<int>(k), b->data(), static_cast<int>(n), 0.0F,
                c->data(), static_cast<int>(n));
  };
}

}  // namespace
}  // namespace coppice::peers

int main() {
  const std::string config = openblas_get_config();  // `OpenBLAS 0.3.21 … Zen MAX_THREADS=64`
  std::istringstream words(config);
  std::string name, version;
  words >> name >> version;
  return coppice::peers::serve(name + '\t' + version + "\tkernels of " + openblas_get_corename(),
                               {{"gemm", coppice::peers::gemm}});
}
