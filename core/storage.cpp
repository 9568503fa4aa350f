#include <coppice/core/storage.h>

#include <coppice/core/backend.h>

namespace coppice {

Storage::Storage(std::size_t bytes, Device device)
    : bytes_(bytes),
      device_(device),
      allocator_(device.is_cpu() ? &cpu_allocator() : &backend(device.type).allocator(device)) {
  data_ = allocator_->allocate(bytes);
}

Storage::Storage(void* data, std::size_t bytes, Device device, std::function<void(void*)> deleter)
    : data_(data), bytes_(bytes), device_(device), deleter_(std::move(deleter)) {}

Storage::~Storage() {
  if (allocator_) {
    allocator_->deallocate(data_, bytes_);
  } else if (deleter_) {
    deleter_(data_);
  }
}

}  // namespace coppice
