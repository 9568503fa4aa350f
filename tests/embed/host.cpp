// Compiles with a warning: it must not become an error because coppice treats its own as errors.

#include <coppice/coppice.h>

#ifdef HWY_DISABLED_TARGETS
#error "a definition of coppice's own sources reached its user"
#endif

double host_sum() {
  int unused;
  return coppice::sum(coppice::Tensor::ones({2})).item<double>();
}
