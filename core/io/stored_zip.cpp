#include <coppice/core/io/stored_zip.h>

#include <zlib.h>

#include <algorithm>
#include <limits>

#include <coppice/core/error.h>

namespace coppice::detail {

namespace {

constexpr std::string_view kLocalHeader{"PK\x03\x04", 4}, kDirectoryEntry{"PK\x01\x02", 4}, kEnd{"PK\x05\x06", 4},
    kEnd64{"PK\x06\x06", 4}, kLocator64{"PK\x06\x07", 4};
constexpr std::size_t kLocalBytes = 30, kEntryBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr std::size_t kLongestComment = 65535;
constexpr std::uint64_t kMost32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kAlignment = 64;
constexpr std::uint16_t kStored = 0, kVersion = 20, kPaddingField = 0x4246, k64BitField = 1;

/// A little-endian number of `width` bytes; 0 past the end, which callers rule out beforehand.
std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = width; i-- > 0;) {
    value = value << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
  }
  return value;
}

void append(std::string& bytes, std::uint64_t value, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) bytes += static_cast<char>(value >> 8 * i);
}

std::uint32_t checksum(const void* data, std::uint64_t bytes) {
  return static_cast<std::uint32_t>(crc32_z(0, static_cast<const Bytef*>(data), bytes));
}

/// Puts what the 64-bit field of an entry says in place of the fields that are full.
void widen(std::string_view extra, std::uint64_t& bytes, std::uint64_t& packed, std::uint64_t& header) {
  while (extra.size() >= 4) {
    const std::size_t length = std::min<std::size_t>(number(extra, 2, 2), extra.size() - 4);
    std::string_view field = extra.substr(4, length);
    if (number(extra, 0, 2) == k64BitField) {
      for (std::uint64_t* value : {&bytes, &packed, &header}) {
        if (*value != kMost32 || field.size() < 8) continue;
        *value = number(field, 0, 8);
        field.remove_prefix(8);
      }
    }
    extra.remove_prefix(4 + length);
  }
}

}  // namespace

StoredZip::StoredZip(const std::filesystem::path& file) : name_(file.string()) {
  std::error_code failure;
  COPPICE_CHECK(std::filesystem::is_regular_file(file, failure), "[zip] ", name_, ": must be a file");
  size_ = std::filesystem::file_size(file, failure);
  in_.open(file, std::ios::binary);
  COPPICE_CHECK(!failure && in_, "[zip] ", name_, ": cannot be opened");
  read_directory();
}

std::string StoredZip::read_at(std::uint64_t offset, std::uint64_t bytes, std::string_view what) {
  COPPICE_CHECK(offset <= size_ && bytes <= size_ - offset, "[zip] ", name_, ": ", what, " expects ", bytes,
                " bytes at ", offset, "; the file has ", size_);
  std::string result(bytes, '\0');
  in_.clear();
  in_.seekg(static_cast<std::streamoff>(offset));
  in_.read(result.data(), static_cast<std::streamsize>(bytes));
  COPPICE_CHECK(in_, "[zip] ", name_, ": ", what, " cannot be read");
  return result;
}

void StoredZip::read_directory() {
  const std::uint64_t tail = std::min<std::uint64_t>(size_, kEndBytes + kLongestComment + kLocatorBytes);
  const std::string last = read_at(size_ - tail, tail, "end");
  const std::size_t end = last.rfind(kEnd);
  COPPICE_CHECK(end != std::string::npos && last.size() - end >= kEndBytes, "[zip] ", name_,
                ": must end with a directory; is the file complete?");
  std::uint64_t count = number(last, end + 10, 2);
  std::uint64_t bytes = number(last, end + 12, 4);
  std::uint64_t begin = number(last, end + 16, 4);
  if (end >= kLocatorBytes && std::string_view(last).substr(end - kLocatorBytes).starts_with(kLocator64)) {
    const std::string wide = read_at(number(last, end - kLocatorBytes + 8, 8), kEnd64Bytes, "64-bit end");
    COPPICE_CHECK(wide.starts_with(kEnd64), "[zip] ", name_, ": expects a 64-bit end of directory; got other bytes");
    count = number(wide, 32, 8);
    bytes = number(wide, 40, 8);
    begin = number(wide, 48, 8);
  }
  const std::string directory = read_at(begin, bytes, "directory");
  COPPICE_CHECK(count <= directory.size() / kEntryBytes, "[zip] ", name_, ": directory expects at most ",
                directory.size() / kEntryBytes, " entries; got ", count);

  std::string_view rest = directory;
  std::uint64_t total = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    COPPICE_CHECK(rest.size() >= kEntryBytes && rest.starts_with(kDirectoryEntry), "[zip] ", name_,
                  ": directory entry ", i, " is damaged");
    const std::size_t name_bytes = number(rest, 28, 2), extra_bytes = number(rest, 30, 2);
    const std::size_t whole = kEntryBytes + name_bytes + extra_bytes + number(rest, 32, 2);
    COPPICE_CHECK(rest.size() >= whole, "[zip] ", name_, ": directory entry ", i, " is cut off");
    const std::string name(rest.substr(kEntryBytes, name_bytes));
    Entry entry{.header = number(rest, 42, 4), .bytes = number(rest, 24, 4), .crc = 0};
    entry.crc = static_cast<std::uint32_t>(number(rest, 16, 4));
    std::uint64_t packed = number(rest, 20, 4);
    widen(rest.substr(kEntryBytes + name_bytes, extra_bytes), entry.bytes, packed, entry.header);
    COPPICE_CHECK(number(rest, 10, 2) == kStored && packed == entry.bytes, "[zip] ", name_, ": entry ", i,
                  " must be stored without compression, as torch.save does; unpack it and pack it with zip -0");
    COPPICE_CHECK(entry.bytes <= size_ - total, "[zip] ", name_, ": entries expect ", size_,
                  " bytes together; got more");
    total += entry.bytes;
    COPPICE_CHECK(entries_.emplace(name, entry).second, "[zip] ", name_, ": entry ", i, " repeats a name");
    rest.remove_prefix(whole);
  }
}

const StoredZip::Entry& StoredZip::at(std::string_view entry) const {
  const auto found = entries_.find(entry);
  COPPICE_CHECK(found != entries_.end(), "[zip] ", name_, ": has no entry '", entry, "'");
  return found->second;
}

void StoredZip::read(std::string_view entry, void* destination) {
  const Entry& found = at(entry);
  const std::string local = read_at(found.header, kLocalBytes, "local header");
  COPPICE_CHECK(local.starts_with(kLocalHeader), "[zip] ", name_, ": '", entry, "' expects a local header at ",
                found.header);
  const std::uint64_t begin = found.header + kLocalBytes + number(local, 26, 2) + number(local, 28, 2);
  COPPICE_CHECK(begin <= size_ && found.bytes <= size_ - begin, "[zip] ", name_, ": '", entry, "' expects ",
                found.bytes, " bytes at ", begin, "; the file has ", size_);
  in_.clear();
  in_.seekg(static_cast<std::streamoff>(begin));
  in_.read(static_cast<char*>(destination), static_cast<std::streamsize>(found.bytes));
  COPPICE_CHECK(in_, "[zip] ", name_, ": '", entry, "' cannot be read");
  COPPICE_CHECK(checksum(destination, found.bytes) == found.crc, "[zip] ", name_, ": '", entry,
                "' is damaged: its checksum differs");
}

void StoredZipWriter::write(const void* data, std::size_t bytes) {
  out_.write(data, bytes);
  written_ += bytes;
}

void StoredZipWriter::add(std::string_view entry, const void* data, std::size_t bytes) {
  const std::uint64_t header = written_;
  // What both headers hold alike: version, flags, method, time, date (1980-01-01), checksum, both sizes.
  std::string common;
  append(common, kVersion, 2);
  append(common, 0, 2);
  append(common, kStored, 2);
  append(common, 0, 2);
  append(common, 1 << 5 | 1, 2);
  append(common, checksum(data, bytes), 4);
  append(common, bytes, 4);
  append(common, bytes, 4);
  append(common, entry.size(), 2);

  const std::size_t unpadded = written_ + kLocalBytes + entry.size() + 4;
  const std::size_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
  std::string local(kLocalHeader);
  local += common;
  append(local, 4 + padding, 2);
  local += entry;
  append(local, kPaddingField, 2);
  append(local, padding, 2);
  local.append(padding, 'Z');
  COPPICE_CHECK(written_ + local.size() + bytes < kMost32 && entries_ < std::numeric_limits<std::uint16_t>::max(),
                "[zip] ", name_, ": expects less than 4 GiB and 65535 entries; got more; write safetensors");
  write(local.data(), local.size());
  if (bytes > 0) write(data, bytes);

  directory_ += kDirectoryEntry;
  append(directory_, kVersion, 2);
  directory_ += common;
  directory_.append(12, '\0');  // no extra field, comment, disk or attributes
  append(directory_, header, 4);
  directory_ += entry;
  ++entries_;
}

void StoredZipWriter::commit() {
  std::string end(kEnd);
  append(end, 0, 4);
  append(end, entries_, 2);
  append(end, entries_, 2);
  append(end, directory_.size(), 4);
  append(end, written_, 4);
  append(end, 0, 2);
  out_.write(directory_.data(), directory_.size());
  out_.write(end.data(), end.size());
  out_.commit();
}

}  // namespace coppice::detail
