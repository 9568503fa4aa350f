#pragma once

#include <cstdint>
#include <iosfwd>

#include <coppice/core/export.h>

namespace coppice {

enum class DeviceType : std::uint8_t { Cpu, Cuda };

/// Where a tensor's bytes are.
struct COPPICE_API Device {
  DeviceType type = DeviceType::Cpu;
  std::int8_t index = 0;

  bool is_cpu() const { return type == DeviceType::Cpu; }
  bool is_cuda() const { return type == DeviceType::Cuda; }
  friend bool operator==(const Device&, const Device&) = default;
};

inline constexpr Device kCpu{};
inline constexpr Device kCuda{DeviceType::Cuda, 0};

/// `cpu`, `cuda:0`
COPPICE_API std::ostream& operator<<(std::ostream& out, Device device);

}  // namespace coppice
