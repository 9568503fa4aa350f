#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include <coppice/core/export.h>

namespace coppice {

/// Every failure this library reports. The message reads `[op] expectation; got …; hint`.
class COPPICE_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

[[noreturn]] COPPICE_API void throw_error(const std::string& message);

template <class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw_error(message.str());
}

}  // namespace detail
}  // namespace coppice

/// Throws Error with the streamed parts unless `condition` holds. One line a check.
#define COPPICE_CHECK(condition, ...)       \
  do {                                      \
    if (!(condition)) [[unlikely]]          \
      ::coppice::detail::fail(__VA_ARGS__); \
  } while (false)
