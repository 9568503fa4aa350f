#pragma once

#include <cstddef>

#include <coppice/core/allocator.h>
#include <coppice/core/device.h>
#include <coppice/core/export.h>

namespace coppice {

/// What the core asks of a device: memory and raw transfers. The CPU's is in core; CUDA's is declared here and
/// defined in cuda/, or in its CPU-only stub, chosen by CMake at link time.
class COPPICE_API Backend {
 public:
  virtual ~Backend() = default;
  virtual Allocator& allocator(Device device) = 0;
  /// Copies bytes between two places, of which at least one is on this backend's device. Returns when done.
  virtual void copy(void* destination, Device to, const void* source, Device from, std::size_t bytes) = 0;
  virtual void fill_zero(void* destination, Device device, std::size_t bytes) = 0;
  virtual void synchronize(Device device) = 0;
};

/// The backend of a device type. Throws `[cuda] built without CUDA` where there is none.
COPPICE_API Backend& backend(DeviceType type);

/// Whether a CUDA device can be used by this build on this machine.
COPPICE_API bool cuda_available();

namespace detail {
/// Defined by cuda/ or cuda/stubs/.
Backend& cuda_backend();
}  // namespace detail

}  // namespace coppice
