#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>

#include "tests/autograd/test_ops.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

using namespace test_ops;
using Values = std::vector<double>;

TEST(Grad, CapturesLeavesAndIntermediatesWithoutTouchingGrad) {
  const Tensor x = leaf({2});
  const Tensor w = leaf({5});
  const Tensor y = times(x, x);
  const Tensor z = times(y, w);
  const std::vector<Tensor> gradients = grad({z}, {x, y, w, z, y});
  EXPECT_EQ(values(gradients[0]), (Values{20}));
  EXPECT_EQ(values(gradients[1]), (Values{5}));
  EXPECT_EQ(values(gradients[2]), (Values{4}));
  EXPECT_EQ(values(gradients[3]), (Values{1}));
  EXPECT_EQ(values(gradients[4]), (Values{5}));
  EXPECT_FALSE(x.grad().defined());
  EXPECT_FALSE(w.grad().defined());
}

TEST(Grad, LeavesUnreachedInputsUndefined) {
  const Tensor x = leaf({2});
  const Tensor other = leaf({2});
  const std::vector<Tensor> gradients = grad({times(x, x)}, {other, x});
  EXPECT_FALSE(gradients[0].defined());
  EXPECT_EQ(values(gradients[1]), (Values{4}));
  EXPECT_THROW(grad({times(x, x)}, {Tensor::of({1.0})}), Error);
}

TEST(Grad, RunsOnlyWhatLeadsToTheInputs) {
  const Tensor x = leaf({2});
  const Tensor w = leaf({3});
  bool ran = false;
  const Tensor branch = record("branch", Tensor::of({1.0}), {w}, {}, [&](const Saved&, const Tensor& d) {
    ran = true;
    return d;
  });
  EXPECT_EQ(values(grad({times(x, branch)}, {x})[0]), (Values{1}));
  EXPECT_FALSE(ran);
  const Tensor deep = times(x, x);
  const Tensor top = times(deep, deep);
  EXPECT_EQ(values(grad({top}, {deep})[0]), (Values{8}));
  total(deep).backward();  // not released above: grad stopped before it
  EXPECT_EQ(values(x.grad()), (Values{4}));
}

TEST(Grad, DifferentiatesAgain) {
  const Tensor x = leaf({2, -1});
  const Tensor y = times(times(x, x), x);
  const Tensor first = grad({total(y)}, {x}, {}, {.create_graph = true})[0];
  EXPECT_EQ(values(first), (Values{12, 3}));
  const Tensor second = grad({total(first)}, {x}, {}, {.create_graph = true})[0];
  EXPECT_EQ(values(second), (Values{12, -6}));
  const Tensor third = grad({total(second)}, {x})[0];
  EXPECT_EQ(values(third), (Values{6, 6}));
}

TEST(Grad, RecordsSumsOfGradients) {
  const Tensor x = leaf({3});
  const Tensor y = plus(times(x, x), times(times(x, x), x));  // x receives five gradients
  const Tensor first = grad({y}, {x}, {}, {.create_graph = true})[0];
  EXPECT_EQ(values(first), (Values{2 * 3 + 3 * 9}));
  first.backward();
  EXPECT_EQ(values(x.grad()), (Values{2 + 6 * 3}));
}

TEST(Grad, DifferentiatesThroughAnOwnOutput) {
  const Tensor x = leaf({0.5});
  const Tensor y = exponential(x);
  const Tensor first = grad({y}, {x}, {}, {.create_graph = true})[0];
  const Tensor second = grad({first}, {x}, {}, {.create_graph = true})[0];
  EXPECT_DOUBLE_EQ(second.item<double>(), std::exp(0.5));
  second.backward();
  EXPECT_DOUBLE_EQ(x.grad().item<double>(), std::exp(0.5));
}

TEST(Grad, DifferentiatesWithRespectToTheCotangent) {
  const Tensor x = leaf({3});
  const Tensor u = leaf({1});
  const Tensor first = grad({times(x, x)}, {x}, {u}, {.create_graph = true})[0];  // 2·x·u
  const std::vector<Tensor> second = grad({first}, {x, u});
  EXPECT_EQ(values(second[0]), (Values{2}));
  EXPECT_EQ(values(second[1]), (Values{6}));
}

TEST(Grad, RefusesToDifferentiateOnceOnlyOperationsTwice) {
  const Tensor x = leaf({3});
  const Tensor y = square_once(x);
  EXPECT_EQ(values(grad({y}, {x}, {}, {.retain_graph = true})[0]), (Values{6}));
  EXPECT_EQ(error_of([&] { grad({y}, {x}, {}, {.create_graph = true}); }),
            "[square_once] has no double backward; call grad without create_graph");
  EXPECT_THROW(backward({y}, {}, {.create_graph = true}), Error);
}

TEST(Grad, HooksActOnWhatIsCaptured) {
  const Tensor x = leaf({3});
  const Tensor y = times(x, x);
  const auto tenfold = [](const Tensor& d) { return times(d, Tensor::of({10.0})); };
  y.register_hook(tenfold);
  x.register_hook(tenfold);
  const std::vector<Tensor> gradients = grad({times(y, y)}, {x, y});
  EXPECT_EQ(values(gradients[1]), (Values{180}));
  EXPECT_EQ(values(gradients[0]), (Values{180 * 6 * 10}));
}

}  // namespace
}  // namespace coppice
