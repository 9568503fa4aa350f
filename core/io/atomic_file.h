#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

#include <coppice/core/export.h>

namespace coppice {

/// A file that appears complete or not at all: written aside, synced, and renamed over the target by commit().
/// Without commit() nothing changes.
class COPPICE_API AtomicFile {
 public:
  /// Opens a new file beside `target`. Throws `[AtomicFile] …` naming the path and the system's reason, as do write
  /// and commit.
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t bytes);
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path aside_;
  int descriptor_ = -1;

  [[noreturn]] void fail(const char* what) const;
};

/// Makes `text` the content of the file at `path`, by way of an AtomicFile.
COPPICE_API void save_text(const std::filesystem::path& path, std::string_view text);

}  // namespace coppice
