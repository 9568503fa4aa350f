#include <coppice/core/io/pth.h>

#include <filesystem>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include <coppice/core/generator.h>
#include <coppice/core/mask.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

/// A file that tests/golden/pth.py wrote.
std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(COPPICE_SOURCE_DIR) / "tests" / "golden" / "pth" / name;
}

std::set<std::string> names_of(const Pth& file) {
  std::set<std::string> names;
  for (const auto& [name, _] : file.tensors) names.insert(name);
  return names;
}

TEST(Pth, ReadsEveryTypeAndView) {
  const Pth file = load_pth(golden("types.pth"));
  const auto at = [&](const std::string& name) { return file.tensors.at(name); };
  const Tensor numbers = Tensor::arange(24).to(kFloat32);
  EXPECT_TRUE(bit_equal(at("f64"), numbers.to(kFloat64).view({2, 12})));
  EXPECT_TRUE(bit_equal(at("f16"), numbers.to(kFloat16)));
  EXPECT_TRUE(bit_equal(at("bf16"), numbers.to(kBFloat16)));
  EXPECT_EQ(at("i64").to_vector<std::int64_t>().front(), -12);
  EXPECT_EQ(at("i32").to_vector<std::int32_t>().back(), 11);
  EXPECT_TRUE(bit_equal(at("u8"), numbers.to(kUInt8)));
  EXPECT_EQ(at("bool").dtype(), kBool);
  EXPECT_TRUE(at("bool").to_vector<bool>()[3]);
  EXPECT_FALSE(at("bool").to_vector<bool>()[4]);
  EXPECT_TRUE(bit_equal(at("transposed").contiguous(), numbers.view({4, 6}).transpose(0, 1).contiguous()));
  EXPECT_EQ(at("column").to_vector<float>(), (std::vector<float>{8, 14, 20}));
  EXPECT_EQ(at("scalar").shape(), Shape{});
  EXPECT_EQ(at("scalar").item<float>(), 2.5F);
  EXPECT_EQ(at("empty").shape(), (Shape{0, 3}));
  EXPECT_EQ(at("parameter").to_vector<float>(), (std::vector<float>{1, 1}));
  EXPECT_EQ(at("list.0").item<std::int64_t>(), 1);
  EXPECT_EQ(at("list.1.0").item<std::int64_t>(), 2);
  EXPECT_EQ(file.values.at("list.1.1"), "3");
  EXPECT_EQ(file.tensors.size(), 14U);
}

TEST(Pth, ReadsBothFormatsAlike) {
  const Pth zip = load_pth(golden("network.pth")), legacy = load_pth(golden("legacy.pth"));
  ASSERT_EQ(names_of(zip), names_of(legacy));
  EXPECT_TRUE(zip.tensors.contains("1.running_var"));
  for (const auto& [name, tensor] : zip.tensors) EXPECT_TRUE(bit_equal(tensor, legacy.tensors.at(name))) << name;
}

TEST(Pth, NamesWhatIsNestedInACheckpoint) {
  const Pth file = load_pth(golden("checkpoint.pth"));
  const Pth network = load_pth(golden("network.pth"));
  EXPECT_TRUE(bit_equal(file.tensors.at("state_dict.module.0.weight"), network.tensors.at("0.weight")));
  EXPECT_EQ(file.tensors.at("optimizer.state.0.momentum_buffer").shape(), (Shape{6, 3, 3, 3}));
  EXPECT_EQ(file.values.at("epoch"), "3");
  EXPECT_EQ(file.values.at("loss"), "0.25");
  EXPECT_EQ(file.values.at("name"), "tiny");
  EXPECT_EQ(file.values.at("best"), "none");
  EXPECT_EQ(file.values.at("finished"), "true");
  EXPECT_EQ(file.values.at("optimizer.param_groups.0.lr"), "0.1");
}

TEST(Pth, RefusesWhatWouldHaveToBeExecuted) {
  const std::string file = golden("module.pth").string();
  EXPECT_EQ(error_of([&] { load_pth(file); }),
            "[pth] " + file +
                ": expects tensors, numbers, text, lists and dictionaries; got 'torch.nn.modules.container' "
                "'Sequential', which is not built; save a state dict alone");
}

TEST(Pth, WritesWhatItReads) {
  const TemporaryFolder folder;
  Generator generator(1);
  const Tensor dense = Tensor::randn({3, 4}, generator);
  const Mask alive = Mask::random({3, 4}, 5, generator);
  const std::map<std::string, Tensor> tensors = {{"a.weight", dense},
                                                 {"a.masked", Tensor::masked(dense, alive)},
                                                 {"b", Tensor::arange(5)},
                                                 {"flags", Tensor::of<bool>({true, false})},
                                                 {"none", Tensor::empty({0, 2})},
                                                 {"scalar", Tensor::full({}, 2.5)},
                                                 {"transposed", dense.transpose(0, 1)}};
  save_pth(folder / "a.pth", tensors);
  const Pth read = load_pth(folder / "a.pth");
  ASSERT_EQ(read.tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const Tensor expected = tensor.is_masked() ? tensor.to_dense() : tensor.contiguous();
    EXPECT_TRUE(bit_equal(read.tensors.at(name), expected)) << name;
  }
}

TEST(Pth, SaysWhatIsWrongWithAFile) {
  const TemporaryFolder folder;
  const std::string name = (folder / "a.pth").string();
  const auto error = [&](const std::string& bytes) {
    write_bytes(folder / "a.pth", bytes);
    return error_of([&] { load_pth(name); });
  };
  const std::string good = read_bytes(golden("network.pth")), old = read_bytes(golden("legacy.pth"));
  EXPECT_EQ(error(""),
            "[pth] " + name + ": must start as a zip archive or with the number of torch.save; got other bytes");
  EXPECT_EQ(error(good.substr(0, good.size() - 30)),
            "[zip] " + name + ": must end with a directory; is the file complete?");
  std::string damaged = good;
  damaged[good.find("\x80\x02") + 3000] ^= 1;  // somewhere in the data
  EXPECT_NE(error(damaged).find("is damaged: its checksum differs"), std::string::npos) << error(damaged);
  EXPECT_NE(error(old.substr(0, old.size() - 5)).find("expects"), std::string::npos);
  EXPECT_EQ(error_of([&] { load_pth(folder / "no.pth"); }),
            "[pth] " + (folder / "no.pth").string() + ": must be a file");
}

}  // namespace
}  // namespace coppice
