#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

/// Images side by side in the Blocked format: the elements of that dtype (f32 or f64) in a vector of this processor.
/// Batches of fewer images are better left contiguous.
COPPICE_API std::int64_t image_block(DType dtype);

/// Counts conversions between memory formats by ops on this thread while it lives, gradients' included; scopes nest,
/// and each sees what the inner ones see. A network that keeps its format makes one at its entry and one at its exit.
class COPPICE_API FormatScope {
 public:
  FormatScope();
  ~FormatScope();
  FormatScope(const FormatScope&) = delete;
  FormatScope& operator=(const FormatScope&) = delete;

  std::int64_t conversions() const { return conversions_; }
  /// Elements moved by them.
  std::int64_t elements() const { return elements_; }

 private:
  friend void count_conversion(std::int64_t elements);
  std::int64_t conversions_ = 0;
  std::int64_t elements_ = 0;
  FormatScope* outer_;
};

/// Called by every op that writes its result in another memory format than its input's.
COPPICE_API void count_conversion(std::int64_t elements);

}  // namespace coppice
