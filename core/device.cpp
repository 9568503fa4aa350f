#include <coppice/core/device.h>

#include <ostream>

namespace coppice {

std::ostream& operator<<(std::ostream& out, Device device) {
  if (device.is_cpu()) return out << "cpu";
  return out << "cuda:" << static_cast<int>(device.index);
}

}  // namespace coppice
