#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "tests/autograd/leak_check.h"
#include "tests/autograd/test_ops.h"

namespace coppice {
namespace {

using namespace test_ops;
using Tensors = std::vector<Tensor>;

TEST(Leak, OperationsFreeEverything) {
  expect_no_leak([](const Tensors& in) { return Tensors{exponential(times(in[0], plus(in[0], in[1])))}; },
                 {leaf({1, 2}), leaf({3, 4})});
  expect_no_leak([](const Tensors& in) { return Tensors{square_once(in[0])}; }, {leaf({1})}, {.create_graph = false});
}

TEST(Leak, AnOperationThatKeepsItsOutputIsCaught) {
  Tensors kept;
  const auto keeping = [&kept](const Tensors& in) {
    kept.push_back(exponential(in[0]));
    return Tensors{kept.back()};
  };
  testing::TestPartResultArray failures;
  {
    const testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    expect_no_leak(keeping, {leaf({1})});
  }
  // Memory in all four runs, nodes in the three that record.
  EXPECT_EQ(failures.size(), 7);
}

}  // namespace
}  // namespace coppice
