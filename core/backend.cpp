#include <coppice/core/backend.h>

#include <cstring>

#include <coppice/core/error.h>

namespace coppice {

namespace {

class CpuBackend final : public Backend {
 public:
  Allocator& allocator(Device) override { return cpu_allocator(); }
  void copy(void* destination, Device to, const void* source, Device from, std::size_t bytes) override {
    COPPICE_CHECK(to.is_cpu() && from.is_cpu(), "[copy] the CPU backend copies within the CPU; got ", from, " to ", to);
    if (bytes != 0) std::memmove(destination, source, bytes);
  }
  void fill_zero(void* destination, Device, std::size_t bytes) override {
    if (bytes != 0) std::memset(destination, 0, bytes);
  }
  void synchronize(Device) override {}
};

}  // namespace

Backend& backend(DeviceType type) {
  if (type == DeviceType::Cuda) return detail::cuda_backend();
  static CpuBackend cpu;
  return cpu;
}

}  // namespace coppice
