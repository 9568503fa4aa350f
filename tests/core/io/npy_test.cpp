#include <gtest/gtest.h>

#include <coppice/core/generator.h>
#include <coppice/core/io/npy.h>
#include <coppice/core/mask.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

/// A file of format 1.0 with that dictionary.
std::string file_of(const std::string& dictionary, const std::string& data, char major = 1) {
  std::string bytes = std::string("\x93NUMPY") + major + '\0';
  bytes += static_cast<char>(dictionary.size() % 256);
  bytes += static_cast<char>(dictionary.size() / 256);
  if (major > 1) bytes += std::string(2, '\0');
  return bytes + dictionary + data;
}

const std::string kTwoFloats("\0\0\x80\x3F\0\0\0\xC0", 8);  // 1, -2

// The bytes that numpy.save(file, numpy.array([1, -2], '<f4')) writes: 128 bytes of header, then two floats.
const std::string kPlain = std::string("\x93NUMPY\x01\x00\x76\x00", 10) +
                           "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }" + std::string(60, ' ') + '\n' +
                           kTwoFloats;

TEST(Npy, ReadsAndWritesTheDocumentedBytes) {
  const TemporaryFolder folder;
  const Tensor expected = Tensor::of<float>({1.0F, -2.0F});
  ASSERT_EQ(kPlain.size(), 128U + 8U);
  EXPECT_TRUE(bit_equal(parse_npy(kPlain, "plain"), expected));
  save_npy(folder / "a.npy", expected);
  EXPECT_EQ(read_bytes(folder / "a.npy"), kPlain);
  EXPECT_TRUE(bit_equal(load_npy(folder / "a.npy"), expected));
}

TEST(Npy, ReadsOtherSpellingsOfAHeader) {
  const std::string fields[] = {
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
      "{\"shape\":(2,),\"descr\":\"<f4\",\"fortran_order\":False}",
      "  { 'fortran_order' : False , 'descr' : '<f4' , 'shape' : ( 2 , ) }  \n",
  };
  for (const std::string& dictionary : fields) {
    for (const char major : {'\1', '\2', '\3'}) {
      const Tensor tensor = parse_npy(file_of(dictionary, kTwoFloats, major), "a");
      EXPECT_EQ(tensor.to_vector<float>(), (std::vector<float>{1.0F, -2.0F})) << dictionary;
    }
  }
  const Tensor matrix = parse_npy(file_of("{'descr':'|u1','fortran_order':False,'shape':(1, 2,)}", "ab"), "a");
  EXPECT_EQ(matrix.shape(), (Shape{1, 2}));
  EXPECT_EQ(parse_npy(file_of("{'descr':'|b1','fortran_order':False,'shape':()}", "\x01"), "a").item<bool>(), true);
}

TEST(Npy, EveryDTypeAndShapeSurvives) {
  const TemporaryFolder folder;
  Generator generator(1);
  for (const DType dtype : {kBool, kUInt8, kInt32, kInt64, kFloat16, kFloat32, kFloat64}) {
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{0, 3}, Shape{2, 3, 4}}) {
      const Tensor tensor = Tensor::randint(0, 2, shape, generator).to(dtype);
      save_npy(folder / "a", tensor);
      EXPECT_TRUE(bit_equal(load_npy(folder / "a"), tensor)) << dtype << shape;
      EXPECT_TRUE(bit_equal(parse_npy(read_bytes(folder / "a"), "a"), tensor)) << dtype << shape;
    }
  }
  const Tensor matrix = Tensor::randn({3, 4}, generator);
  save_npy(folder / "a", matrix.t());
  EXPECT_TRUE(bit_equal(load_npy(folder / "a"), matrix.t().contiguous()));
  const Tensor masked = Tensor::masked(matrix, Mask::random({3, 4}, 5, generator));
  save_npy(folder / "a", masked);
  EXPECT_TRUE(bit_equal(load_npy(folder / "a"), masked.to_dense()));
  expect_error([&] { save_npy("b.npy", matrix.to(kBFloat16)); },
               "[npy] b.npy: NumPy has no bfloat16; cast with to(kFloat32)");
}

TEST(Npy, RefusesWhatIsInconsistentAndSaysWhy) {
  const TemporaryFolder folder;
  const auto with = [](const std::string& type, const std::string& order, const std::string& shape,
                       const std::string& data = kTwoFloats) {
    return file_of("{'descr': " + type + ", 'fortran_order': " + order + ", 'shape': " + shape + "}", data);
  };
  const std::string many(10'001, ' ');
  const struct {
    const char* expectation;
    std::string bytes;
  } cases[] = {
      {"must start with", ""},
      {"must start with", "\x93NUMPX" + kPlain.substr(6)},
      {"must start with", kPlain.substr(0, 9)},
      {"version must be 1.0, 2.0 or 3.0; got 4.0", file_of("{}", "", 4)},
      {"header length expects 4 bytes; got 3", file_of("", "", 2).substr(0, 11)},
      {"header length must be at most 16; got 118", kPlain.substr(0, 26)},
      {"header length must be at most 10000; got 10001", file_of(many, "")},
      {"header expects a '{'; got ''", file_of("", "")},
      {"header expects a '{'; got 'os.system", file_of("os.system('true')", "")},
      {"header expects descr, fortran_order and shape", file_of("{}", "")},
      {"header expects descr, fortran_order and shape", file_of("{'descr': '<f4'}", "")},
      {"only descr, fortran_order and shape, each once; got 'x'", file_of("{'x': 1}", "")},
      {"each once; got 'descr'", file_of("{'descr': '<f4', 'descr': '<f4'}", "")},
      {"a quoted text; got ''descr: 1}'", file_of("{'descr: 1}", "")},
      {"a ':'; got", file_of("{'descr' '<f4'}", "")},
      {"a '}'; got", file_of("{'descr': '<f4' 'shape': (2,)}", "")},
      {"a quoted text; got '[('a'", with("[('a', '<f4')]", "False", "(2,)")},
      {"a descr among |b1 |u1 <i4 <i8 <f2 <f4 <f8; got '>f4'", with("'>f4'", "False", "(2,)")},
      {"a descr among", with("'|O'", "False", "(2,)")},
      {"got Fortran order", with("'<f4'", "True", "(2,)")},
      {"fortran_order True or False; got '1", with("'<f4'", "1", "(2,)")},
      {"header expects a '('; got '2", with("'<f4'", "False", "2")},
      {"a tuple like (3,)", with("'<f4'", "False", "(2)")},
      {"sizes from 0 to 2^63 - 1; got '-2", with("'<f4'", "False", "(-2,)")},
      {"sizes from 0 to 2^63 - 1; got '99999", with("'<f4'", "False", "(99999999999999999999,)")},
      {"sizes from 0 to 2^63 - 1; got ',", with("'<f4'", "False", "(,)")},
      {"at most 8 dimensions", with("'<f4'", "False", "(1,1,1,1,1,1,1,1,2)")},
      {"a possible shape; got", with("'<f4'", "False", "(4294967296,4294967296)")},
      {"data expects the bytes of float64 (2305843009213693952)", with("'<f8'", "False", "(2305843009213693952,)")},
      {"data expects the bytes of float32 (3); got 8", with("'<f4'", "False", "(3,)")},
      {"data expects the bytes of float32 (2); got 9", kPlain + "x"},
      {"an end after its dictionary; got '; x'", file_of("{'descr':'|u1','fortran_order':False,'shape':(0,)}; x", "")},
      {"data expects 0 or 1 in every bool", with("'|b1'", "False", "(1,)", "\x02")},
  };
  for (const auto& [expectation, bytes] : cases) {
    write_bytes(folder / "bad", bytes);
    for (const std::string& message : {error_of([&] { load_npy(folder / "bad"); }),
                                       error_of([&] { parse_npy(bytes, (folder / "bad").string()); })}) {
      EXPECT_TRUE(message.starts_with("[npy] ") && message.find("/bad: ") != std::string::npos &&
                  message.find(expectation) != std::string::npos)
          << "expected '" << expectation << "'; got '" << message << "'";
    }
  }
  EXPECT_NE(error_of([&] { load_npy(folder / "missing"); }), "");
  EXPECT_NE(error_of([&] { load_npy(folder.path()); }), "");
}

}  // namespace
}  // namespace coppice
