#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>

#include <coppice/core/generator.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/core/weight_state.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + data;
}

TEST(Safetensors, WritesTheDocumentedBytes) {
  const TemporaryFolder folder;
  save_safetensors(folder / "a", {.tensors = {{"x", Tensor::of<float>({1.0F, -2.0F})}}, .metadata = {{"k", "v"}}});
  std::string header = R"({"__metadata__":{"k":"v"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  EXPECT_EQ(read_bytes(folder / "a"), file_of(header, std::string("\0\0\x80\x3F\0\0\0\xC0", 8)));
}

TEST(Safetensors, EveryDTypeAndShapeSurvives) {
  const TemporaryFolder folder;
  Safetensors content;
  Generator generator(1);
  const Tensor source = Tensor::randint(0, 2, {3, 5}, generator);
  for (const DType dtype : {kFloat32, kFloat64, kInt32, kInt64, kUInt8, kBool, kFloat16, kBFloat16}) {
    content.tensors[std::string(name_of(dtype))] = source.to(dtype);
  }
  content.tensors["scalar"] = Tensor::full({}, 7.0);
  content.tensors["empty"] = Tensor::zeros({0, 3});
  content.tensors["transposed"] = Tensor::randn({4, 3}, generator).t();
  content.tensors["näme \"quoted\""] = Tensor::ones({1});
  content.metadata = {{"format", "pt"}, {"empty", ""}};
  save_safetensors(folder / "all", content);
  const Safetensors loaded = load_safetensors(folder / "all");
  EXPECT_EQ(loaded.metadata, content.metadata);
  ASSERT_EQ(loaded.tensors.size(), content.tensors.size());
  for (const auto& [name, tensor] : content.tensors) EXPECT_TRUE(bit_equal(loaded.tensors.at(name), tensor)) << name;

  save_safetensors(folder / "none", {});
  EXPECT_TRUE(load_safetensors(folder / "none").tensors.empty());
}

TEST(Safetensors, RefusesToWriteWhatCannotBeRead) {
  const TemporaryFolder folder;
  const Tensor one = Tensor::ones({1});
  for (const Safetensors& bad :
       {Safetensors{.tensors = {{"x", Tensor()}}}, Safetensors{.tensors = {{"__metadata__", one}}},
        Safetensors{.tensors = {{"\xFF", one}}}, Safetensors{.metadata = {{"a", "\xC3"}}}}) {
    EXPECT_THROW(save_safetensors(folder / "bad", bad), Error);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "bad"));
}

struct BadFile {
  const char* expectation;  // what the message must say
  std::string bytes;
};

std::vector<BadFile> bad_files() {
  const auto with = [](const std::string& header, std::size_t data = 8) {
    return file_of(header, std::string(data, '\0'));
  };
  const auto tensor = [&](const std::string& fields, std::size_t data = 8) {
    return with(R"({"x":{)" + fields + "}}", data);
  };
  const std::string x = R"("x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  return {
      {"header length expects 8 bytes; got 3", "abc"},
      {"header length must be at most", std::string(8, '\xFF')},
      {"header length must be at most", file_of("{}", "").replace(0, 1, "\x03")},
      {"syntax error", with("")},
      {"syntax error", with("{")},
      {"syntax error", with("{" + x + "},")},
      {"syntax error", with("{\"\xFF\":1}")},
      {"header expects something else; got an array", with("[]")},
      {"got a number", with("3")},
      {"'x' expects something else; got a number", with(R"({"x":3})")},
      {"'x' expects each name once", with("{" + x + "," + x + "}")},
      {"'shape' expects each key once", tensor(R"("dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8])")},
      {"'offset' expects only dtype, shape and data_offsets", tensor(R"("offset":0)")},
      {"'x' expects dtype, shape and data_offsets; got 2", tensor(R"("dtype":"F32","shape":[2])")},
      {"'dtype' expects one of", tensor(R"("dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8])")},
      {"'dtype' expects something else; got an array", tensor(R"("dtype":["F32"])")},
      {"'shape' expects something else; got a negative number", tensor(R"("dtype":"F32","shape":[-2])")},
      {"'shape' expects something else; got a number that is not", tensor(R"("dtype":"F32","shape":[1e300])")},
      {"'shape' expects something else; got a number that is not", tensor(R"("shape":[99999999999999999999])")},
      {"'shape' expects sizes below 2^63", tensor(R"("dtype":"F32","shape":[18446744073709551615])")},
      {"'shape' expects a possible shape", tensor(R"("shape":[4294967296,4294967296])")},
      {"'shape' expects at most 8 numbers", tensor(R"("shape":[1,1,1,1,1,1,1,1,1])")},
      {"'shape' expects something else; got an array", tensor(R"("shape":[[2]])")},
      {"'shape' expects something else; got an object", tensor(R"("shape":[{}])")},
      {"'data_offsets' expects two numbers", tensor(R"("data_offsets":[0])")},
      {"'data_offsets' expects at most 2 numbers", tensor(R"("data_offsets":[0,4,8])")},
      {"expects a range within the 8 bytes", tensor(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])")},
      {"expects a range within the 4 bytes", tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])", 4)},
      {"expects the bytes of float32 (3); got 8", tensor(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])")},
      {"expects the bytes of float64", tensor(R"("dtype":"F64","shape":[2305843009213693953],"data_offsets":[0,8])")},
      {"without gap or overlap, at 0; got 4", tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])")},
      {"without gap or overlap, at 8; got 4",
       with("{" + x + R"(,"y":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12)},
      {"data expects 8 bytes; got 9", with("{" + x + "}", 9)},
      {"'__metadata__', 'a' expects something else; got a number", with(R"({"__metadata__":{"a":1}})")},
      {"'__metadata__', 'a' expects each key once", with(R"({"__metadata__":{"a":"1","a":"2"}})")},
      {"expects 0 or 1 in every BOOL", file_of(R"({"x":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})", "\x02")},
  };
}

TEST(Safetensors, RefusesWhatIsInconsistentAndSaysWhy) {
  const TemporaryFolder folder;
  for (const BadFile& bad : bad_files()) {
    write_bytes(folder / "bad.safetensors", bad.bytes);
    const std::string message = error_of([&] { load_safetensors(folder / "bad.safetensors"); });
    EXPECT_TRUE(message.starts_with("[safetensors] ") && message.find("bad.safetensors: ") != std::string::npos &&
                message.find(bad.expectation) != std::string::npos)
        << "expected '" << bad.expectation << "'; got '" << message << "'";
  }
  EXPECT_THROW(load_safetensors(folder / "missing"), Error);
  EXPECT_THROW(load_safetensors(folder.path()), Error);
}

/// A weight in the middle of an exploration, with every set different and two optimiser vectors.
Tensor exploring_weight() {
  Generator generator(3);
  const Shape shape{9, 15};
  const Tensor weight = Tensor::masked(Tensor::randn(shape, generator), Mask::random(shape, 30, generator));
  WeightState& state = weight.weight_state();
  Tensor& momentum = state.state("momentum_buffer");
  momentum.copy_(Tensor::randn(momentum.shape(), generator));
  state.state("exp_avg");
  Mask dropped = Mask::none(shape);
  std::int64_t left = 5;
  Buffer<std::uint64_t> words(static_cast<std::int64_t>(dropped.words().size()));
  for (auto& word : words) word = 0;
  state.alive().for_each([&](std::int64_t position, std::int64_t) {
    if (left-- > 0) words[position / 64] |= std::uint64_t{1} << (position % 64);
  });
  state.prune(Mask::from_words(shape, std::move(words)), Dormant::Keep);
  state.wake(Mask::random(shape, 40, generator) - state.alive(), WakeValue::Dormant);
  return weight;
}

void expect_same_state(const WeightState& a, const WeightState& b) {
  EXPECT_TRUE(a.alive() == b.alive() && a.trainable() == b.trainable() && a.stateful() == b.stateful() &&
              a.stored() == b.stored() && a.awake() == b.awake() && a.dormant() == b.dormant());
  EXPECT_EQ(a.pattern(), b.pattern());
  EXPECT_EQ(a.alive().pattern(), b.alive().pattern());
  EXPECT_EQ(a.trainable().pattern(), b.trainable().pattern());
  EXPECT_EQ(a.stateful().pattern(), b.stateful().pattern());
  EXPECT_TRUE(bit_equal(a.values(), b.values()));
  EXPECT_TRUE(bit_equal(a.dormant_values(), b.dormant_values()));
  ASSERT_EQ(a.states().size(), b.states().size());
  for (const auto& [key, vector] : a.states()) EXPECT_TRUE(bit_equal(vector, b.states().at(key))) << key;
}

TEST(SafetensorsMasked, TheMaskedViewGivesAnIdenticalStateBack) {
  const TemporaryFolder folder;
  Generator generator(4);
  const Tensor exploring = exploring_weight();
  EXPECT_GT(exploring.weight_state().dormant().count(), 0);
  const Tensor patterned =
      Tensor::masked(Tensor::ones({4, 8}), Mask::from_tensor(Tensor::arange(32).view({4, 8}).to(kBool)));
  const Tensor dense_stored =
      Tensor::masked(Tensor::randn({7, 9}, generator, {.dtype = kFloat64}), Mask::random({7, 9}, 50, generator));
  const Tensor empty = Tensor::masked(Tensor::ones({3, 3}), Mask::none({3, 3}));
  const Tensor columns = Tensor::masked(Tensor::ones({4, 4}), Mask::all({4, 4}).with_pattern(Pattern::block(2, 4)));
  // Awake, 2:4 is broken for a while; blocks never are, and one is not trained.
  const Mask two = Mask::from_positions({2, 4}, std::vector<std::int64_t>{1, 2, 7}).with_pattern(Pattern::nm(2, 4));
  const Tensor pairs = Tensor::masked(Tensor::ones({2, 4}), two);
  pairs.weight_state().wake(~two);
  const Mask half =
      Mask::from_positions({4, 2}, std::vector<std::int64_t>{0, 2, 5, 7}).with_pattern(Pattern::block(2, 1));
  const Tensor blocks = Tensor::masked(Tensor::ones({4, 2}), half);
  blocks.weight_state().set_trainable(Mask::from_positions({4, 2}, std::vector<std::int64_t>{0, 2}));
  EXPECT_EQ(blocks.weight_state().trainable().pattern(), Pattern::block(2, 1));
  const Safetensors content{.tensors = {{"a", exploring},
                                        {"b", patterned},
                                        {"c", dense_stored},
                                        {"d", empty},
                                        {"e", columns},
                                        {"f", pairs},
                                        {"g", blocks},
                                        {"bias", Tensor::ones({3})}},
                            .metadata = {{"step", "12"}}};
  save_safetensors(folder / "m", content, MaskedView::Masked);
  const Safetensors loaded = load_safetensors(folder / "m");
  EXPECT_EQ(loaded.metadata, content.metadata);
  ASSERT_EQ(loaded.tensors.size(), 8U);
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(loaded.tensors.at(name).is_masked());
    expect_same_state(loaded.tensors.at(name).weight_state(), content.tensors.at(name).weight_state());
  }
  EXPECT_TRUE(bit_equal(loaded.tensors.at("bias"), content.tensors.at("bias")));
}

TEST(SafetensorsMasked, TheDenseViewHasZerosWhereNothingIsAlive) {
  const TemporaryFolder folder;
  const Tensor weight = exploring_weight();
  save_safetensors(folder / "d", {.tensors = {{"w", weight}}});
  const Tensor dense = load_safetensors(folder / "d").tensors.at("w");
  EXPECT_FALSE(dense.is_masked());
  EXPECT_TRUE(bit_equal(dense, weight.to_dense()));
}

TEST(SafetensorsMasked, PositionsAreRowMajorBitsAndRanks) {
  const TemporaryFolder folder;
  const Tensor dense = Tensor::of<float>({0, 1, 0, 2, 0, 0, 0, 0, 0, 3}, Shape{2, 5});
  save_safetensors(folder / "m", {.tensors = {{"w", Tensor::masked(dense, Mask::from_nonzero(dense))}}},
                   MaskedView::Masked);
  const std::string bytes = read_bytes(folder / "m");
  EXPECT_NE(bytes.find(R"("coppice.masked.w":"shape 2 5 pattern free")"), std::string::npos);
  const std::string data = bytes.substr(bytes.size() - 14);  // three floats, two bytes of bits
  EXPECT_EQ(data.substr(12), "\x0A\x02");
  float values[3];
  std::memcpy(values, data.data(), sizeof values);
  EXPECT_EQ(values[0], 1.0F);
  EXPECT_EQ(values[1], 2.0F);
  EXPECT_EQ(values[2], 3.0F);
}

TEST(SafetensorsMasked, RefusesWhatIsInconsistentAndSaysWhy) {
  const TemporaryFolder folder;
  const Tensor three = Tensor::ones({3});
  const auto bits = [](std::initializer_list<std::uint8_t> values) { return Tensor::of<std::uint8_t>(values); };
  const std::string text = "shape 2 4 pattern free";
  struct Case {
    const char* expectation;
    std::string description;
    std::map<std::string, Tensor> tensors;
  };
  const std::vector<Case> cases = {
      {"metadata must read", "", {}},
      {"metadata must read", "shape 2 x pattern free", {}},
      {"metadata must read", "shape 2 4 pattern odd", {}},
      {"metadata must read", "shape 2 4 pattern nm 2", {}},
      {"metadata must read", "shape 2 4 pattern nm 2 4 8", {}},
      {"metadata must read", "shape 1 1 1 1 1 1 1 1 1 pattern free", {}},
      {"must not be negative", "shape -2 4 pattern free", {}},
      {"overflows", "shape 4294967296 4294967296 pattern free", {}},
      {"there must be a tensor 'w.alive'", text, {{"w.values", three}}},
      {"there must be a tensor 'w.values'", text, {{"w.alive", bits({7})}}},
      {"'alive' expects uint8 (1)", text, {{"w.alive", bits({7, 0})}, {"w.values", three}}},
      {"'alive' expects uint8", text, {{"w.alive", three}, {"w.values", three}}},
      {"'alive' expects uint8 (1152921504606846975)", "shape 9223372036854775800 pattern free", {{"w.alive", three}}},
      {"zero bits past the last", "shape 2 3 pattern free", {{"w.alive", bits({0x87})}, {"w.values", three}}},
      {"expects 3 values", text, {{"w.alive", bits({7})}, {"w.values", Tensor::ones({4})}}},
      {"expects float32 or float64", text, {{"w.alive", bits({7})}, {"w.values", Tensor::ones({3}).to(kInt32)}}},
      {"within the alive one", text, {{"w.alive", bits({7})}, {"w.values", three}, {"w.trainable", bits({8})}}},
      {"stateful", text, {{"w.alive", bits({7})}, {"w.values", three}, {"w.stateful", bits({15})}}},
      {"awake", text, {{"w.alive", bits({7})}, {"w.values", three}, {"w.awake", bits({8})}}},
      {"'w.dormant_values'", text, {{"w.alive", bits({7})}, {"w.values", three}, {"w.dormant", bits({8})}}},
      {"'state.m' expects float32 (3)",
       text,
       {{"w.alive", bits({7})}, {"w.values", three}, {"w.state.m", Tensor::ones({2})}}},
      {"[Mask]", "shape 2 4 pattern nm 1 4", {{"w.alive", bits({7})}, {"w.values", three}}},
      {"[Mask]", "shape 2 4 pattern nm 0 0", {{"w.alive", bits({7})}, {"w.values", three}}},
      {"either a tensor or a masked one", text, {{"w.alive", bits({7})}, {"w.values", three}, {"w", three}}},
  };
  for (const Case& bad : cases) {
    save_safetensors(folder / "bad", {.tensors = bad.tensors, .metadata = {{"coppice.masked.w", bad.description}}});
    const std::string message = error_of([&] { load_safetensors(folder / "bad"); });
    EXPECT_TRUE(message.starts_with("[safetensors] ") && message.find("'w'") != std::string::npos &&
                message.find(bad.expectation) != std::string::npos)
        << "expected '" << bad.expectation << "'; got '" << message << "'";
  }
  const Tensor masked = Tensor::masked(Tensor::ones({2, 4}), Mask::all({2, 4}));
  EXPECT_THROW(save_safetensors(folder / "bad", {.tensors = {{"w", masked}, {"w.values", three}}}, MaskedView::Masked),
               Error);
}

TEST(Safetensors, AnyDamageIsAnErrorOrAValidFile) {
  const TemporaryFolder folder;
  save_safetensors(folder / "good", {.tensors = {{"w", exploring_weight()}, {"b", Tensor::ones({3})}}},
                   MaskedView::Masked);
  const std::string good = read_bytes(folder / "good");
  const auto try_to_load = [&](const std::string& bytes) {
    write_bytes(folder / "damaged", bytes);
    try {
      load_safetensors(folder / "damaged");
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  for (std::size_t length = 0; length < good.size(); length += 7) EXPECT_FALSE(try_to_load(good.substr(0, length)));
  Generator generator(8);
  int refused = 0;
  for (int round = 0; round < 500; ++round) {
    std::string damaged = good;
    for (std::uint64_t flips = 1 + generator.below(3); flips > 0; --flips) {
      damaged[generator.below(damaged.size())] ^= static_cast<char>(1U << generator.below(8));
    }
    refused += try_to_load(damaged) ? 0 : 1;
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace coppice
