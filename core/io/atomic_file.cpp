#include <coppice/core/io/atomic_file.h>

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include <coppice/core/error.h>

namespace coppice {

namespace {

std::filesystem::path unique_sibling(const std::filesystem::path& target) {
  static std::atomic<unsigned> count{0};
  std::filesystem::path sibling = target;
  sibling += ".tmp." + std::to_string(::getpid()) + '.' + std::to_string(count++);
  return sibling;
}

/// Makes the renaming itself durable. A file system that cannot sync folders is not an error.
void sync_folder_of(const std::filesystem::path& file) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)), aside_(unique_sibling(target_)) {
  descriptor_ = ::open(aside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("cannot be created");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(aside_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor_, next, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    next += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail("cannot be synced");
  if (std::rename(aside_.c_str(), target_.c_str()) != 0) fail("cannot be replaced");
  ::close(std::exchange(descriptor_, -1));
  sync_folder_of(target_);
}

void AtomicFile::fail(const char* what) const {
  const std::string reason = std::generic_category().message(errno);
  detail::fail("[AtomicFile] ", target_.string(), " ", what, ": ", reason);
}

void save_text(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text.data(), text.size());
  file.commit();
}

}  // namespace coppice
