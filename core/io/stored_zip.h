#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

#include <coppice/core/io/atomic_file.h>

namespace coppice::detail {

/// A zip archive whose entries are stored without compression, as torch.save writes them: the directory is read at
/// once, entries on demand. The file need not be trusted: the directory must fit it, and the sizes of all entries
/// together too. Throws `[zip] file: …`. Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, with its
/// 64-bit sizes.
class StoredZip {
 public:
  struct Entry {
    std::uint64_t header = 0;  ///< where its local header begins
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0;
  };

  explicit StoredZip(const std::filesystem::path& file);

  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }
  /// The entry of that name. Throws when there is none.
  const Entry& at(std::string_view entry) const;
  /// Reads all of an entry into `destination`, and compares its checksum.
  void read(std::string_view entry, void* destination);

 private:
  std::string name_;
  std::ifstream in_;
  std::uint64_t size_ = 0;
  std::map<std::string, Entry, std::less<>> entries_;

  std::string read_at(std::uint64_t offset, std::uint64_t bytes, std::string_view what);
  void read_directory();
};

/// Writes such an archive of at most 4 GiB. Data begin at multiples of 64 bytes.
class StoredZipWriter {
 public:
  explicit StoredZipWriter(const std::filesystem::path& file) : name_(file.string()), out_(file) {}

  void add(std::string_view entry, const void* data, std::size_t bytes);
  /// Writes the directory; the file appears with it.
  void commit();

 private:
  std::string name_;
  AtomicFile out_;
  std::string directory_;
  std::uint64_t written_ = 0;
  std::uint16_t entries_ = 0;

  void write(const void* data, std::size_t bytes);
};

}  // namespace coppice::detail
