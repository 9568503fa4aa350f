#include <coppice/core/io/npy.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include <coppice/core/io/atomic_file.h>
#include <coppice/core/tensor_impl.h>

namespace coppice {

static_assert(std::endian::native == std::endian::little, "the data written here is little-endian");

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kLargestHeader = 10'000;  // the limit of numpy.load
constexpr std::size_t kLargestPrefix = 12 + kLargestHeader;
constexpr std::size_t kAlignment = 64;
constexpr std::array<std::pair<std::string_view, DType>, 7> kTypes{{{"|b1", kBool},
                                                                    {"|u1", kUInt8},
                                                                    {"<i4", kInt32},
                                                                    {"<i8", kInt64},
                                                                    {"<f2", kFloat16},
                                                                    {"<f4", kFloat32},
                                                                    {"<f8", kFloat64}}};

struct Header {
  DType dtype = kFloat32;
  Shape shape;
  std::uint64_t data_begin = 0;
  std::uint64_t data_bytes = 0;
};

/// A text as it may stand in a message: quoted, cut, printable.
std::string printable(std::string_view text) {
  std::string shown = "'";
  for (const char c : text.substr(0, 40)) shown += c < 0x20 || c == 0x7F ? '?' : c;
  return shown + (text.size() > 40 ? "…'" : "'");
}

/// Reads the dictionary of a header, a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
class Dictionary {
 public:
  Dictionary(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  Header read() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr" && !dtype_) {
        read_type();
      } else if (key == "fortran_order" && !order_) {
        read_order();
      } else if (key == "shape" && !shape_) {
        read_shape();
      } else {
        reject("only descr, fortran_order and shape, each once; got ", printable(key));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (!rest_.empty()) reject("an end after its dictionary; got ", printable(rest_));
    if (!dtype_ || !order_ || !shape_) reject("descr, fortran_order and shape");
    return {.dtype = *dtype_, .shape = *shape_};
  }

 private:
  std::string_view rest_;
  const std::string& name_;
  std::optional<DType> dtype_;
  std::optional<bool> order_;
  std::optional<Shape> shape_;

  template <class... Parts>
  [[noreturn]] void reject(const Parts&... expectation) const {
    detail::fail("[npy] ", name_, ": header expects ", expectation...);
  }

  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size())); }

  bool accept(char wanted) {
    skip_space();
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) reject("a '", wanted, "'; got ", printable(rest_));
  }

  std::string_view string() {
    skip_space();
    const char quote = rest_.empty() ? '\0' : rest_.front();
    const std::size_t end = quote == '\'' || quote == '"' ? rest_.find(quote, 1) : std::string_view::npos;
    if (end == std::string_view::npos) reject("a quoted text; got ", printable(rest_));
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool accept_word(std::string_view word) {
    skip_space();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  void read_type() {
    skip_space();
    const std::string_view type = string();
    const auto* known = std::ranges::find(kTypes, type, &std::pair<std::string_view, DType>::first);
    if (known == kTypes.end()) reject("a descr among |b1 |u1 <i4 <i8 <f2 <f4 <f8; got ", printable(type));
    dtype_ = known->second;
  }

  void read_order() {
    if (accept_word("True")) reject("C order; got Fortran order; write numpy.ascontiguousarray(a)");
    if (!accept_word("False")) reject("fortran_order True or False; got ", printable(rest_));
    order_ = false;
  }

  void read_shape() {
    expect('(');
    Dims sizes;
    while (!accept(')')) {
      skip_space();
      std::int64_t size = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc{} || size < 0) reject("sizes from 0 to 2^63 - 1; got ", printable(rest_));
      if (sizes.rank() == kMaxRank) reject("at most ", kMaxRank, " dimensions; got more");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      sizes.push_back(size);
      if (accept(',')) continue;
      if (sizes.rank() == 1) reject("a tuple like (3,); got a number in parentheses");
      expect(')');
      break;
    }
    try {
      shape_ = Shape(sizes);
    } catch (const Error& error) {
      reject("a possible shape; got ", error.what());
    }
  }
};

/// What the first bytes of a file of `size` bytes say; `prefix` holds kLargestPrefix of them, or all.
Header parse_header(std::string_view prefix, std::uint64_t size, const std::string& name) {
  COPPICE_CHECK(prefix.size() >= 10 && prefix.starts_with(kMagic), "[npy] ", name,
                ": must start with \\x93NUMPY, a version and a header length");
  const auto byte = [&](std::size_t at) { return std::uint32_t{static_cast<unsigned char>(prefix[at])}; };
  const std::uint32_t version = byte(6);
  COPPICE_CHECK(version >= 1 && version <= 3 && byte(7) == 0, "[npy] ", name, ": version must be 1.0, 2.0 or 3.0; got ",
                version, '.', byte(7));
  const std::size_t begin = version == 1 ? 10 : 12;
  COPPICE_CHECK(prefix.size() >= begin, "[npy] ", name, ": header length expects 4 bytes; got ", prefix.size() - 8);
  std::uint64_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  COPPICE_CHECK(length <= kLargestHeader && length <= prefix.size() - begin, "[npy] ", name,
                ": header length must be at most ", std::min(kLargestHeader, prefix.size() - begin), "; got ", length);

  Header header = Dictionary(prefix.substr(begin, length), name).read();
  header.data_begin = begin + length;
  const bool overflow = __builtin_mul_overflow(static_cast<std::uint64_t>(header.shape.numel()), size_of(header.dtype),
                                               &header.data_bytes);
  COPPICE_CHECK(!overflow && header.data_bytes == size - header.data_begin, "[npy] ", name,
                ": data expects the bytes of ", header.dtype, ' ', header.shape, "; got ", size - header.data_begin);
  return header;
}

void check_booleans(const Tensor& tensor, const std::string& name) {
  if (tensor.dtype() != kBool) return;
  const auto* byte = static_cast<const unsigned char*>(tensor.raw_data());
  COPPICE_CHECK(std::all_of(byte, byte + tensor.numel(), [](unsigned char value) { return value <= 1; }), "[npy] ",
                name, ": data expects 0 or 1 in every bool; got another byte");
}

}  // namespace

Tensor parse_npy(std::string_view bytes, const std::string& name) {
  const Header header = parse_header(bytes.substr(0, kLargestPrefix), bytes.size(), name);
  const Tensor tensor = Tensor::empty(header.shape, {.dtype = header.dtype});
  if (header.data_bytes > 0) std::memcpy(tensor.raw_data(), bytes.data() + header.data_begin, header.data_bytes);
  check_booleans(tensor, name);
  return tensor;
}

Tensor load_npy(const std::filesystem::path& file) {
  const std::string name = file.string();
  std::error_code failure;
  COPPICE_CHECK(std::filesystem::is_regular_file(file, failure), "[npy] ", name, ": must be a file");
  const std::uint64_t size = std::filesystem::file_size(file, failure);
  std::ifstream in(file, std::ios::binary);
  COPPICE_CHECK(!failure && in, "[npy] ", name, ": cannot be opened");
  const auto read = [&](void* destination, std::uint64_t bytes) {
    in.read(static_cast<char*>(destination), static_cast<std::streamsize>(bytes));
    COPPICE_CHECK(in, "[npy] ", name, ": expects ", size, " bytes; its end came before");
  };
  std::string prefix(std::min<std::uint64_t>(size, kLargestPrefix), '\0');
  read(prefix.data(), prefix.size());
  const Header header = parse_header(prefix, size, name);
  in.seekg(static_cast<std::streamoff>(header.data_begin));
  const Tensor tensor = Tensor::empty(header.shape, {.dtype = header.dtype});
  read(tensor.raw_data(), header.data_bytes);
  check_booleans(tensor, name);
  return tensor;
}

void save_npy(const std::filesystem::path& file, const Tensor& tensor) {
  const auto* type = std::ranges::find(kTypes, tensor.dtype(), &std::pair<std::string_view, DType>::second);
  COPPICE_CHECK(type != kTypes.end(), "[npy] ", file.string(), ": NumPy has no ", tensor.dtype(),
                "; cast with to(kFloat32)");
  std::string text = "{'descr': '";
  (text += type->first) += "', 'fortran_order': False, 'shape': (";
  for (int dim = 0; dim < tensor.dim(); ++dim) {
    if (dim > 0) text += ", ";
    text += std::to_string(tensor.size(dim));
  }
  if (tensor.dim() == 1) text += ',';
  text += "), }";
  const std::size_t used = 10 + text.size() + 1;
  text.append((used + kAlignment - 1) / kAlignment * kAlignment - used, ' ');
  text += '\n';

  std::string start(kMagic);
  start += {'\x01', '\x00', static_cast<char>(text.size()), static_cast<char>(text.size() >> 8)};
  const Tensor elements = tensor.to_dense();
  AtomicFile out(file);
  out.write(start.data(), start.size());
  out.write(text.data(), text.size());
  out.write(elements.raw_data(), static_cast<std::size_t>(elements.nbytes()));
  out.commit();
}

}  // namespace coppice
