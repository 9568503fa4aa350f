#pragma once

#include <coppice/core/export.h>

namespace coppice {

/// Whether operations on this thread are recorded for back-propagation. True at start.
COPPICE_API bool grad_enabled();

/// Sets grad_enabled() for the scope's life.
class COPPICE_API GradMode {
 public:
  explicit GradMode(bool enabled);
  ~GradMode();
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool previous_;
};

/// Nothing is recorded while it lives.
class COPPICE_API NoGrad : public GradMode {
 public:
  NoGrad() : GradMode(false) {}
};

}  // namespace coppice
