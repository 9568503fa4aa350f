#include <coppice/core/io/safetensors_header.h>

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include <coppice/core/error.h>
#include <nlohmann/json.hpp>

namespace coppice::detail {

namespace {

constexpr std::string_view kMetadata = "__metadata__";

constexpr std::array<std::pair<std::string_view, DType>, 8> kDTypes{{{"F32", kFloat32},
                                                                     {"F64", kFloat64},
                                                                     {"I32", kInt32},
                                                                     {"I64", kInt64},
                                                                     {"U8", kUInt8},
                                                                     {"BOOL", kBool},
                                                                     {"F16", kFloat16},
                                                                     {"BF16", kBFloat16}}};

/// A name as it may stand in a message: quoted, cut, printable.
std::string printable(std::string_view name) {
  std::string text = "'";
  for (const char c : name.substr(0, 80)) text += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  return text + (name.size() > 80 ? "…'" : "'");
}

/// Receives the parser's events and accepts only what a header may hold, so that no document tree is ever built.
class HeaderReader {
 public:
  explicit HeaderReader(const std::string& file) : file_(file) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() { unexpected("null"); }
  bool boolean(bool) { unexpected("a boolean"); }
  bool number_integer(std::int64_t) { unexpected("a negative number"); }
  bool number_float(double, const std::string&) { unexpected("a number that is not an integer of 64 bits"); }
  bool binary(std::vector<std::uint8_t>&) { unexpected("binary data"); }

  bool number_unsigned(std::uint64_t value) {
    if (place_ != Place::Shape && place_ != Place::Offsets) unexpected("a number");
    if (place_ == Place::Shape && value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      reject("sizes below 2^63; got ", value);
    }
    if (numbers_.size() == static_cast<std::size_t>(place_ == Place::Shape ? kMaxRank : 2)) {
      reject("at most ", numbers_.size(), " numbers; got more");
    }
    numbers_.push_back(value);
    return true;
  }

  bool string(std::string& value) {
    if (place_ == Place::Metadata) {
      header_.metadata[key_] = value;
    } else if (place_ == Place::Tensor && key_ == "dtype") {
      const auto* known = std::ranges::find(kDTypes, value, &std::pair<std::string_view, DType>::first);
      if (known == kDTypes.end()) reject("one of F64 F32 F16 BF16 I64 I32 U8 BOOL; got ", printable(value));
      entry_.dtype = known->second;
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool start_object(std::size_t) {
    if (place_ == Place::Start) {
      place_ = Place::Top;
    } else if (place_ == Place::Top) {
      place_ = name_ == kMetadata ? Place::Metadata : Place::Tensor;
      entry_ = {};
      entry_.name = name_;
      fields_.clear();
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(std::string& value) {
    if (place_ == Place::Top) {
      name_ = value;
      key_.clear();
      if (!names_.insert(value).second) reject("each name once; got it twice");
    } else {
      key_ = value;
      if (place_ == Place::Tensor && key_ != "dtype" && key_ != "shape" && key_ != "data_offsets") {
        reject("only dtype, shape and data_offsets");
      }
      if (!fields_.insert(value).second) reject("each key once; got it twice");
    }
    return true;
  }

  bool end_object() {
    if (place_ == Place::Top) {
      place_ = Place::End;
      return true;
    }
    if (place_ == Place::Tensor) {
      key_.clear();
      if (fields_.size() != 3) reject("dtype, shape and data_offsets; got ", fields_.size(), " of them");
      header_.entries.push_back(std::move(entry_));
    }
    place_ = Place::Top;
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ != Place::Tensor || key_ == "dtype") unexpected("an array");
    place_ = key_ == "shape" ? Place::Shape : Place::Offsets;
    numbers_.clear();
    return true;
  }

  bool end_array() {
    if (place_ == Place::Shape) {
      const std::vector<std::int64_t> sizes(numbers_.begin(), numbers_.end());
      try {
        entry_.shape = Shape(std::span(sizes));
      } catch (const Error& error) {
        reject("a possible shape; got ", error.what());
      }
    } else {
      if (numbers_.size() != 2) reject("two numbers; got ", numbers_.size());
      entry_.begin = numbers_[0];
      entry_.end = numbers_[1];
    }
    place_ = Place::Tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    fail("[safetensors] ", file_, ": header must be JSON in UTF-8; got a syntax error at byte ", position);
  }

 private:
  enum class Place { Start, Top, Metadata, Tensor, Shape, Offsets, End };

  const std::string& file_;
  SafetensorsHeader header_;
  Place place_ = Place::Start;
  SafetensorsEntry entry_;
  std::string name_, key_;
  std::set<std::string> names_, fields_;
  std::vector<std::uint64_t> numbers_;

  template <class... Parts>
  [[noreturn]] void reject(const Parts&... expectation) const {
    fail("[safetensors] ", file_, ": ", name_.empty() ? "header" : printable(name_), key_.empty() ? "" : ", ",
         key_.empty() ? "" : printable(key_), " expects ", expectation...);
  }
  [[noreturn]] void unexpected(const char* what) const { reject("something else; got ", what); }
};

void check_layout(std::vector<SafetensorsEntry>& entries, std::uint64_t data_bytes, const std::string& file) {
  std::ranges::sort(entries, [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t covered = 0;
  for (const SafetensorsEntry& entry : entries) {
    const auto where = [&] { return "[safetensors] " + file + ": " + printable(entry.name) + ", 'data_offsets' "; };
    COPPICE_CHECK(entry.begin <= entry.end && entry.end <= data_bytes, where(), "expects a range within the ",
                  data_bytes, " bytes of data; got [", entry.begin, ", ", entry.end, ")");
    std::uint64_t bytes = 0;
    const bool overflow =
        __builtin_mul_overflow(static_cast<std::uint64_t>(entry.shape.numel()), size_of(entry.dtype), &bytes);
    COPPICE_CHECK(!overflow && entry.end - entry.begin == bytes, where(), "expects the bytes of ", entry.dtype, " ",
                  entry.shape, "; got ", entry.end - entry.begin);
    COPPICE_CHECK(entry.begin == covered, where(), "expects data that follows without gap or overlap, at ", covered,
                  "; got ", entry.begin);
    covered = entry.end;
  }
  COPPICE_CHECK(covered == data_bytes, "[safetensors] ", file, ": data expects ", covered, " bytes; got ", data_bytes);
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes, const std::string& file) {
  COPPICE_CHECK(json.find('\0') == json.npos, "[safetensors] ", file, ": header must be text; got a NUL byte");
  HeaderReader reader(file);
  nlohmann::json::sax_parse(json, &reader);
  SafetensorsHeader header = reader.take();
  check_layout(header.entries, data_bytes, file);
  return header;
}

std::string format_safetensors_header(const SafetensorsHeader& header, const std::string& file) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!header.metadata.empty()) json[std::string(kMetadata)] = header.metadata;
  for (const SafetensorsEntry& entry : header.entries) {
    COPPICE_CHECK(entry.name != kMetadata, "[safetensors] ", file, ": no tensor may be called ", kMetadata);
    const auto* dtype = std::ranges::find(kDTypes, entry.dtype, &std::pair<std::string_view, DType>::second);
    json[entry.name] = {{"dtype", std::string(dtype->first)},
                        {"shape", std::vector<std::int64_t>(entry.shape.begin(), entry.shape.end())},
                        {"data_offsets", {entry.begin, entry.end}}};
  }
  std::string text;
  try {
    text = json.dump();
  } catch (const nlohmann::json::exception&) {
    fail("[safetensors] ", file, ": names and metadata must be UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace coppice::detail
