#include <coppice/core/error.h>

namespace coppice::detail {

void throw_error(const std::string& message) { throw Error(message); }

}  // namespace coppice::detail
