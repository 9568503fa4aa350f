#include <coppice/ops/reduction.h>

#include <coppice/ops/reduce.h>

namespace coppice::detail {

Tensor reduce_losses(const Tensor& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::Mean: return mean(losses);
    case Reduction::Sum: return sum(losses);
    default: return losses;
  }
}

}  // namespace coppice::detail
