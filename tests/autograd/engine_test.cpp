#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/grad_mode.h>

#include "tests/autograd/test_ops.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

using namespace test_ops;
using Values = std::vector<double>;

TEST(Engine, SumsBothSidesOfADiamond) {
  const Tensor x = leaf({2, 3});
  const Tensor y = times(x, x);
  total(plus(times(y, x), y)).backward();  // x³ + x²
  EXPECT_EQ(values(x.grad()), (Values{3 * 4 + 4, 3 * 9 + 6}));
}

TEST(Engine, RunsNestedDiamondsOncePerNode) {
  const Tensor x = leaf({1});
  int runs = 0;
  Tensor y = x;
  for (int i = 0; i < 40; ++i) {  // 2^40 paths
    y = record("double", plus(y, y).detach(), {y, y}, {}, [&runs](const Saved&, const Tensor& d) {
      ++runs;
      return Gradients{d, d};
    });
  }
  total(y).backward();
  EXPECT_EQ(runs, 40);
  EXPECT_EQ(x.grad().item<double>(), std::ldexp(1.0, 40));
}

TEST(Engine, RunsANodeOnlyAfterAllItsConsumers) {
  // The consumers of `early` are recorded long apart, and the longest path is not the youngest.
  const Tensor x = leaf({1});
  const Tensor early = times(x, x);
  Tensor late = early;
  for (int i = 0; i < 5; ++i) late = times(late, leaf({1}));
  const Tensor side = times(early, early);
  int seen = 0;
  early.register_hook([&seen](const Tensor& d) {
    ++seen;
    EXPECT_EQ(d.item<double>(), 1 + 2 + 1);
    return Tensor();
  });
  backward({side, late, early}, {});
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(x.grad().item<double>(), 8);
}

TEST(Engine, AccumulatesOverBackwardsAndUses) {
  const Tensor x = leaf({1, 2});
  for (int i = 0; i < 3; ++i) total(times(x, x)).backward();
  EXPECT_EQ(values(x.grad()), (Values{6, 12}));
  x.set_grad({});
  EXPECT_FALSE(x.grad().defined());
  total(plus(plus(x, x), x)).backward();
  EXPECT_EQ(values(x.grad()), (Values{3, 3}));
}

TEST(Engine, LeavesOwnTheirGradients) {
  const Tensor x = leaf({1, 2});
  const Tensor y = leaf({3, 4});
  const Tensor seed = Tensor::of({1.0, 1.0});
  plus(x, y).backward(seed);  // one tensor is sent to both leaves, and the caller holds it too
  EXPECT_NE(x.grad().data<double>(), y.grad().data<double>());
  EXPECT_NE(x.grad().data<double>(), seed.data<double>());
  plus(x, x).backward(seed);
  EXPECT_EQ(values(x.grad()), (Values{3, 3}));
  EXPECT_EQ(values(y.grad()), (Values{1, 1}));
  EXPECT_EQ(values(seed), (Values{1, 1}));
}

TEST(Engine, GradientsOfLeavesHaveNoHistory) {
  const Tensor x = leaf({2});
  const Tensor seed = leaf({5});
  times(x, x).backward(seed);
  EXPECT_FALSE(x.grad().requires_grad());
  plus(x, x).backward(seed);
  EXPECT_FALSE(x.grad().requires_grad());
  x.set_grad(times(seed, seed));
  EXPECT_FALSE(x.grad().requires_grad());
  EXPECT_EQ(values(x.grad()), (Values{25}));
}

TEST(Engine, ALeafIsItsOwnGradient) {
  const Tensor x = leaf({2});
  x.backward();
  EXPECT_EQ(values(x.grad()), (Values{1}));
}

TEST(Engine, NothingIsRecordedWithoutGradMode) {
  const Tensor x = leaf({2});
  {
    const NoGrad no_grad;
    EXPECT_FALSE(grad_enabled());
    EXPECT_FALSE(times(x, x).requires_grad());
    {
      const GradMode on(true);
      EXPECT_TRUE(times(x, x).requires_grad());
    }
    EXPECT_FALSE(grad_enabled());
  }
  EXPECT_TRUE(grad_enabled());
  const Tensor plain = Tensor::of({2.0});
  EXPECT_FALSE(times(plain, plain).requires_grad());
  EXPECT_EQ(error_of([&] { times(plain, plain).backward(); }).substr(0, 45),
            "[backward] output 0 does not require a gradie");
}

TEST(Engine, BackwardRunsWithoutRecordingAndRestoresTheMode) {
  const Tensor x = leaf({2});
  bool recorded = true;
  const Tensor y = record("probe", Tensor::of({1.0}), {x}, {}, [&](const Saved&, const Tensor& d) {
    recorded = grad_enabled();
    return d;
  });
  y.backward();
  EXPECT_FALSE(recorded);
  EXPECT_TRUE(grad_enabled());
  const Tensor z = record("throws", Tensor::of({1.0}), {x}, {},
                          [](const Saved&, const Tensor&) -> Tensor { throw Error("inside"); });
  EXPECT_EQ(error_of([&] { z.backward(); }), "inside");
  EXPECT_TRUE(grad_enabled());
}

TEST(Engine, ASecondBackwardNeedsRetainGraph) {
  const Tensor x = leaf({3});
  const Tensor y = times(x, x);
  backward({y}, {}, {.retain_graph = true});
  y.backward();
  EXPECT_EQ(values(x.grad()), (Values{12}));
  EXPECT_EQ(error_of([&] { y.backward(); }), "[times] backward a second time: pass retain_graph the first time");
}

TEST(Engine, AnUndefinedGradientIsZero) {
  const Tensor x = leaf({3});
  const Tensor y = leaf({4});
  const Tensor z = record("first_only", plus(x, y).detach(), {x, y}, {}, [](const Saved&, const Tensor& d) {
    return Gradients{d, Tensor()};
  });
  total(z).backward();
  EXPECT_EQ(values(x.grad()), (Values{1}));
  EXPECT_FALSE(y.grad().defined());
}

TEST(Engine, HooksSeeAndReplaceTheWholeGradient) {
  const Tensor x = leaf({3});
  const Tensor y = times(x, x);
  std::vector<double> seen;
  y.register_hook([&](const Tensor& d) {
    seen.push_back(d.item<double>());
    return times(d, Tensor::of({10.0}));
  });
  y.register_hook([&](const Tensor& d) {
    seen.push_back(d.item<double>());
    return Tensor();
  });
  x.register_hook([&](const Tensor& d) {
    seen.push_back(d.item<double>());
    return times(d, d);
  });
  total(plus(y, y)).backward();
  EXPECT_EQ(seen, (Values{2, 20, 2 * 3 * 20}));
  EXPECT_EQ(values(x.grad()), (Values{120.0 * 120.0}));
  x.register_hook([](const Tensor&) { return Tensor::of({1.0, 2.0}); });
  EXPECT_EQ(error_of([&] { total(x).backward(); }),
            "[register_hook] a hook must keep shape and dtype; got float64 (2) for float64 (1)");
  EXPECT_THROW(Tensor::of({1.0}).register_hook([](const Tensor& d) { return d; }), Error);
}

TEST(Engine, RefusesGradientsThatDoNotFit) {
  const Tensor x = leaf({1, 2, 3});
  const auto returning = [&](Tensor gradient) {
    return record("shrink", Tensor::of({1.0}), {x}, {}, [=](const Saved&, const Tensor&) { return gradient; });
  };
  EXPECT_EQ(error_of([&] {
              returning(Tensor::of({1.0, 2.0})).backward();
            }),
            "[shrink] backward returns a gradient float64 (2) for input 0, which is float64 (3)");
  EXPECT_EQ(error_of([&] { returning(Tensor::ones({3})).backward(); }),
            "[shrink] backward returns a gradient float32 (3) for input 0, which is float64 (3)");
  const Tensor two =
      record("two", Tensor::of({1.0}), {x, x}, {}, [](const Saved&, const Tensor&) { return Gradients(3); });
  EXPECT_EQ(error_of([&] { two.backward(); }), "[two] backward returns 3 gradients for 2 inputs");
  EXPECT_EQ(error_of([&] { plus(x, x).backward(); }),
            "[backward] needs a gradient for an output of more than one element; got (3)");
  EXPECT_EQ(error_of([&] { plus(x, x).backward(Tensor::of({1.0})); }),
            "[backward] expects a gradient float64 (3) for output 0; got float64 (1)");
  EXPECT_THROW(x.set_grad(Tensor::of({1.0})), Error);
  EXPECT_FALSE(x.grad().defined());
}

TEST(Engine, RefusesInPlaceWritesWhileRecording) {
  Tensor x = leaf({1, 2});
  Tensor y = plus(x, x);
  EXPECT_EQ(error_of([&] { x.zero_(); }).substr(0, 64),
            "[zero_] writes in place on a tensor that requires a gradient; go");
  EXPECT_THROW(y.add_(x), Error);
  Tensor plain = Tensor::of({1.0, 1.0});
  EXPECT_EQ(error_of([&] { plain.add_(y); }).substr(0, 52), "[add_] cannot record what an in-place write reads; g");
  EXPECT_THROW(plain.copy_(x), Error);
  plain.copy_(x.detach());
  EXPECT_THROW(Tensor().requires_grad(), Error);
  EXPECT_THROW(Tensor().backward(), Error);
  {
    const NoGrad no_grad;
    x.fill_(5);
  }
  EXPECT_EQ(values(x), (Values{5, 5}));
}

TEST(Engine, LeavesAreMadeAndUnmade) {
  Tensor x = Tensor::of({1.0});
  EXPECT_TRUE(x.is_leaf());
  EXPECT_FALSE(x.requires_grad());
  x.requires_grad_();
  Tensor y = plus(x, x);
  EXPECT_FALSE(y.is_leaf());
  EXPECT_TRUE(y.requires_grad());
  EXPECT_THROW(y.requires_grad_(false), Error);
  EXPECT_THROW(y.set_grad(x), Error);
  const Tensor cut = y.detach();
  EXPECT_TRUE(cut.is_leaf());
  EXPECT_FALSE(cut.requires_grad());
  EXPECT_EQ(cut.data<double>(), y.data<double>());
  x.requires_grad_(false);
  EXPECT_FALSE(plus(x, x).requires_grad());
  Tensor index = Tensor::arange(3);
  EXPECT_EQ(error_of([&] { index.requires_grad_(); }), "[requires_grad_] expects a floating dtype; got int64 (3)");
}

}  // namespace
}  // namespace coppice
