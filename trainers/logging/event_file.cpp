#include <coppice/trainers/logging/event_file.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>

#include <coppice/core/error.h>

namespace coppice::train {

namespace {

static_assert(std::endian::native == std::endian::little, "the numbers of a record are little-endian");

constexpr std::array<std::uint32_t, 256> make_table() {
  constexpr std::uint32_t kReflected = 0x82F63B78;
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? kReflected : 0);
    table[byte] = remainder;
  }
  return table;
}

/// TFRecord stores sums of data that may hold sums themselves.
std::uint32_t masked(std::uint32_t sum) { return std::rotr(sum, 15) + 0xA282EAD8; }

template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// Fields of a protocol buffer: a key of number and wire type, then the value.
enum Wire : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string key(unsigned number, Wire wire) { return varint(number << 3 | wire); }
std::string integer(unsigned number, std::int64_t value) {
  return key(number, kVarint) + varint(static_cast<std::uint64_t>(value));
}
std::string bytes(unsigned number, std::string_view value) {
  std::string field = key(number, kBytes) + varint(value.size());
  return field.append(value);
}

/// An Event: wall_time = 1, step = 2, and what happened.
std::string event(double wall_time, std::int64_t step, const std::string& what) {
  return key(1, kFixed64) + raw(wall_time) + integer(2, step) + what;
}
std::string file_version() { return bytes(3, "brain.Event:2"); }
std::string session_start() { return bytes(7, integer(1, 1)); }
std::string summary(std::string_view tag, double value) {
  const std::string point = bytes(1, tag) + key(2, kFixed32) + raw(static_cast<float>(value));
  return bytes(5, bytes(1, point));
}

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  std::string host(name.data());
  for (char& c : host) c = c == '/' ? '_' : c;
  return host;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = make_table();
  std::uint32_t sum = ~std::uint32_t{0};
  for (const char c : bytes) sum = (sum >> 8) ^ kTable[(sum ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~sum;
}

EventFile::EventFile(const std::filesystem::path& directory, std::int64_t first_step) {
  static std::atomic<int> count{0};
  const double time = now();
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  std::string name = "events.out.tfevents." + std::to_string(static_cast<std::int64_t>(time)) + '.' + host_name();
  (name += '.') += std::to_string(::getpid());
  (name += '.') += std::to_string(count++);
  path_ = directory / name;
  file_.reset(std::fopen(path_.c_str(), "wbx"));
  COPPICE_CHECK(file_, "[EventFile] ", path_.string(), ": cannot be made; ", std::strerror(errno));
  write_record(event(time, 0, file_version()));
  if (first_step > 0) write_record(event(time, first_step, session_start()));
}

EventFile::~EventFile() = default;

void EventFile::write_record(const std::string& event) {
  const std::string length = raw(static_cast<std::uint64_t>(event.size()));
  const std::string record = length + raw(masked(crc32c(length))) + event + raw(masked(crc32c(event)));
  const bool written =
      std::fwrite(record.data(), 1, record.size(), file_.get()) == record.size() && std::fflush(file_.get()) == 0;
  COPPICE_CHECK(written, "[EventFile] ", path_.string(), ": cannot be written; ", std::strerror(errno));
}

void EventFile::scalar(std::string_view tag, std::int64_t step, double value) { scalar(tag, step, value, now()); }

void EventFile::scalar(std::string_view tag, std::int64_t step, double value, double wall_time) {
  write_record(event(wall_time, step, summary(tag, value)));
}

}  // namespace coppice::train
