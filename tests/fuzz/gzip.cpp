#include "tests/fuzz/gzip.h"

#include <zlib.h>

#include <stdexcept>

namespace coppice::fuzz {

std::string deflate(std::string_view bytes, Wrapper wrapper) {
  z_stream stream{};
  constexpr int kWindow = 9;  // the smallest, for small inputs
  constexpr int kMemory = 1;
  const int bits = wrapper == Wrapper::Gzip ? kWindow + 16 : kWindow;
  if (::deflateInit2(&stream, 1, Z_DEFLATED, bits, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2 failed");
  }
  std::string text(bytes);
  std::string result(::deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  const int code = ::deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  ::deflateEnd(&stream);
  if (code != Z_STREAM_END) throw std::runtime_error("deflate failed");
  return result;
}

}  // namespace coppice::fuzz
