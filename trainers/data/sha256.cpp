#include <coppice/trainers/data/sha256.h>

#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <iterator>

#include <coppice/core/error.h>

namespace coppice::train {

std::string sha256(const void* data, std::size_t bytes) {
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  const bool done = EVP_Digest(data, bytes, digest.data(), &size, EVP_sha256(), nullptr) == 1;
  COPPICE_CHECK(done && size == digest.size(), "[sha256] libcrypto refuses to compute a digest of ", bytes, " bytes");
  std::string text;
  for (const unsigned char byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string sha256_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  COPPICE_CHECK(file, "[sha256] cannot read ", path.string());
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return sha256(bytes.data(), bytes.size());
}

}  // namespace coppice::train
