#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <coppice/core/export.h>

namespace coppice::train {

/// CRC-32C (Castagnoli) of some bytes. Source: RFC 3720, appendix B.4.
COPPICE_API std::uint32_t crc32c(std::string_view bytes);

/// A file of curves that TensorBoard shows, `events.out.tfevents.<time>.<host>.<process>.<n>` in a directory that
/// TensorBoard is pointed at. Every call hands one record to the system, so that a killed program loses none.
/// Format: TFRecord of Event messages, tensorflow/core/util/event.proto.
class COPPICE_API EventFile {
 public:
  /// Makes the directory if there is none. A resumed training says at which step it goes on: TensorBoard then forgets
  /// what files before this one say of that step and later ones. Throws `[EventFile] …` as do all calls.
  explicit EventFile(const std::filesystem::path& directory, std::int64_t first_step = 0);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// One point of the curve `tag`, e.g. `loss/train`; `wall_time` in seconds since 1970, by default now.
  void scalar(std::string_view tag, std::int64_t step, double value);
  void scalar(std::string_view tag, std::int64_t step, double value, double wall_time);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;

  void write_record(const std::string& event);
};

}  // namespace coppice::train
