#include <coppice/core/backend.h>
#include <coppice/core/error.h>

namespace coppice {

bool cuda_available() { return false; }

namespace detail {

Backend& cuda_backend() { fail("[cuda] built without CUDA"); }

}  // namespace detail
}  // namespace coppice
