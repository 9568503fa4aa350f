#include <gtest/gtest.h>
#include <zlib.h>

#include <functional>

#include <coppice/core/generator.h>
#include <coppice/core/io/idx.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

std::string bytes_of(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes += static_cast<char>(value);
  return bytes;
}

void write_gzip(const std::filesystem::path& file, const std::string& bytes) {
  const gzFile out = ::gzopen(file.c_str(), "wb");
  ASSERT_EQ(::gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
  ::gzclose(out);
}

std::string failure(const std::filesystem::path& file) {
  return error_of([&] { load_idx(file); });
}

const std::string kSmall = bytes_of({0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255});

TEST(Idx, ReadsPlainAndCompressed) {
  const TemporaryFolder folder;
  write_bytes(folder / "plain", kSmall);
  write_gzip(folder / "compressed.gz", kSmall);
  for (const char* name : {"plain", "compressed.gz"}) {
    const Tensor tensor = load_idx(folder / name);
    EXPECT_EQ(tensor.shape(), (Shape{2, 3}));
    EXPECT_EQ(tensor.dtype(), kUInt8);
    EXPECT_EQ(tensor.to_vector<int>(), (std::vector<int>{1, 2, 3, 4, 5, 255}));
  }
}

TEST(Idx, EveryDTypeSurvivesAndIsBigEndian) {
  const TemporaryFolder folder;
  Generator generator(1);
  for (const DType dtype : {kUInt8, kInt32, kFloat32, kFloat64}) {
    const Tensor tensor = Tensor::randint(0, 200, {3, 4, 5}, generator).to(dtype).permute({2, 0, 1});
    save_idx(folder / "a", tensor);
    EXPECT_TRUE(bit_equal(load_idx(folder / "a"), tensor)) << dtype;
  }
  save_idx(folder / "a", Tensor::of<std::int32_t>({0x01020304}));
  EXPECT_EQ(read_bytes(folder / "a"), bytes_of({0, 0, 12, 1, 0, 0, 0, 1, 1, 2, 3, 4}));
  save_idx(folder / "a", Tensor::zeros({0, 5}));
  EXPECT_EQ(load_idx(folder / "a").shape(), (Shape{0, 5}));
  EXPECT_THROW(save_idx(folder / "a", Tensor::zeros({2}, {.dtype = kInt64})), Error);
  EXPECT_THROW(save_idx(folder / "a", Tensor::zeros({})), Error);
}

TEST(Idx, RefusesWhatIsInconsistentAndSaysWhy) {
  const TemporaryFolder folder;
  const struct {
    const char* expectation;
    std::string bytes;
  } cases[] = {
      {"magic number expects 4 bytes; got 2", bytes_of({0, 0})},
      {"magic number expects 0, 0 and a type", bytes_of({1, 0, 8, 1, 0, 0, 0, 0})},
      {"magic number expects 0, 0 and a type", bytes_of({0, 0, 9, 1, 0, 0, 0, 0})},
      {"number of dimensions must be in [1, 8]; got 0", bytes_of({0, 0, 8, 0})},
      {"number of dimensions must be in [1, 8]; got 200", bytes_of({0, 0, 8, 200})},
      {"sizes expects 4 bytes; got 1", bytes_of({0, 0, 8, 1, 0})},
      {"shape (2, 3) expects 6 bytes of data; got 5", kSmall.substr(0, kSmall.size() - 1)},
      {"shape (2, 3) expects 6 bytes of data; got 7", kSmall + "x"},
      {"shape (4294967295) expects 4294967295 bytes", bytes_of({0, 0, 8, 1, 255, 255, 255, 255, 1})},
      {"sizes must have a product below 2^64",
       bytes_of({0, 0, 14, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255})},
      {"sizes must be possible", bytes_of({0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255})},
  };
  for (const auto& [expectation, bytes] : cases) {
    write_bytes(folder / "bad", bytes);
    const std::string message = failure(folder / "bad");
    EXPECT_TRUE(message.starts_with("[idx] ") && message.find("/bad: ") != std::string::npos &&
                message.find(expectation) != std::string::npos)
        << "expected '" << expectation << "'; got '" << message << "'";
  }
  EXPECT_NE(failure(folder / "missing"), "");
  EXPECT_NE(failure(folder.path()), "");
}

TEST(Idx, RefusesDamagedGzip) {
  const TemporaryFolder folder;
  Generator generator(2);
  save_idx(folder / "plain", Tensor::randint(0, 256, {20, 20}, generator).to(kUInt8));
  write_gzip(folder / "good.gz", read_bytes(folder / "plain"));
  const std::string good = read_bytes(folder / "good.gz");
  EXPECT_EQ(failure(folder / "good.gz"), "");
  for (std::size_t length = 0; length < good.size(); ++length) {
    write_bytes(folder / "bad.gz", good.substr(0, length));
    EXPECT_NE(failure(folder / "bad.gz"), "") << length;
  }
  for (std::size_t at = 10; at < good.size(); ++at) {  // the first ten bytes are gzip's own header
    std::string damaged = good;
    damaged[at] ^= 4;
    write_bytes(folder / "bad.gz", damaged);
    EXPECT_NE(failure(folder / "bad.gz"), "") << at;
  }
}

TEST(Idx, RefusesABombBeforeAskingForMemory) {
  const TemporaryFolder folder;
  write_gzip(folder / "bomb.gz", bytes_of({0, 0, 8, 2, 127, 255, 255, 255, 127, 255, 255, 255}) + std::string(1000, 0));
  const std::string message = failure(folder / "bomb.gz");
  EXPECT_NE(message.find("compressed bytes cannot hold them"), std::string::npos) << message;
  write_gzip(folder / "long.gz", kSmall + std::string(100000, 0));
  EXPECT_NE(failure(folder / "long.gz").find("expects an end where its shape ends"), std::string::npos);
}

}  // namespace
}  // namespace coppice
