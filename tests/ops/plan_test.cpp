#include <coppice/ops/plan.h>

#include <gtest/gtest.h>

#include <coppice/core/generator.h>
#include <coppice/core/mask.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/conv2d_candidates.h>
#include <coppice/ops/linear.h>
#include <coppice/ops/linear_candidates.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/trial.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

TEST(Plan, IsReadAsItIsWritten) {
  Plan plan;
  plan.set("linear/forward 8 * 4x5 float32 7 alive", "csr/panel");
  plan.set("conv2d/forward 1x2x3x4 * 2x2x1x1 contiguous float32", "im2col");
  EXPECT_EQ(Plan::parse(plan.to_string()), plan);
  EXPECT_EQ(Plan::parse("# a comment\n\n  a b = c  \r\nd=e"), Plan::parse("d = e\na b = c\n"));
  const TemporaryFolder folder;
  const std::string path = folder.path() / "a.plan";
  plan.save(path);
  EXPECT_EQ(Plan::load(path), plan);
  EXPECT_EQ(Plan::parse(""), Plan());
}

TEST(Plan, SaysWhatIsWrongInALine) {
  EXPECT_EQ(error_of([] { Plan::parse("a = b\nnonsense\n"); }),
            "[Plan] line 2 expects `problem = candidate`; got: nonsense");
  EXPECT_EQ(error_of([] { Plan::parse(" = b"); }), "[Plan] line 1 expects `problem = candidate`; got: = b");
  EXPECT_EQ(error_of([] { Plan::parse("a = "); }), "[Plan] line 1 expects `problem = candidate`; got: a =");
  EXPECT_EQ(error_of([] { Plan::parse("a = b\n\na = c"); }), "[Plan] line 3 gives a problem for the second time: a");
  EXPECT_EQ(error_of([] { Plan::load("/no/such/file"); }), "[Plan] cannot read /no/such/file");
}

TEST(Plan, KeepsConditions) {
  const Plan plan = Plan::parse("@isa = AVX2\n@commit =\na = b\n");
  EXPECT_EQ(plan.conditions().at("isa"), "AVX2");
  EXPECT_EQ(plan.conditions().at("commit"), "");
  EXPECT_EQ(plan.entries().size(), 1U);
  EXPECT_EQ(Plan::parse(plan.to_string()), plan);
  EXPECT_EQ(error_of([] { Plan::parse("@isa = a\n@isa = b", "f.plan"); }),
            "[Plan] f.plan: line 2 gives a condition for the second time: isa");
  EXPECT_EQ(error_of([] { Plan::parse("@isa"); }), "[Plan] line 1 expects `problem = candidate`; got: @isa");
}

TEST(Plan, ChecksNames) {
  EXPECT_EQ(error_of([] { Plan::parse("conv2d/forward 1x2 = im2col\nlinear/weight_gradient 3 = sampled").check(); }),
            "");
  const std::string unknown = error_of([] { Plan::parse("conv2d/forward 1x2 = im2cool").check(); });
  EXPECT_EQ(unknown.substr(0, unknown.find("; it has")),
            "[Plan] conv2d has no candidate im2cool for conv2d/forward 1x2");
  const std::string other_pass = error_of([] { Plan::parse("linear/forward 3 = sampled").check(); });
  EXPECT_EQ(other_pass.substr(0, other_pass.find("; it has")),
            "[Plan] linear has no candidate sampled for linear/forward 3");
  for (const char* text : {"pool2d/forward 3 = x", "conv2d/forwards 3 = im2col", "conv2d = im2col"}) {
    EXPECT_TRUE(error_of([&] { Plan::parse(text).check(); }).starts_with("[Plan] expects problems that begin")) << text;
  }
}

/// The kernel that conv2d would take by itself for a sparse filter.
const Conv2dCandidate& find_builtin(const Conv2dProblem&) {
  for (const Conv2dCandidate& candidate : conv2d_candidates(FlopPhase::Forward)) {
    if (candidate.name == std::string_view("blocked/rows")) return candidate;
  }
  detail::fail("[test] there is no blocked/rows");
}

/// A small network of one sparse convolution and one sparse linear layer.
class PlannedStep : public ::testing::Test {
 protected:
  PlannedStep() {
    Generator generator(1);
    const Tensor filter = Tensor::randn({8, 4, 3, 3}, generator), matrix = Tensor::randn({5, 8}, generator);
    filter_ = Tensor::masked(filter, Mask::random(filter.shape(), 60, generator)).requires_grad_();
    matrix_ = Tensor::masked(matrix, Mask::random(matrix.shape(), 12, generator)).requires_grad_();
    images_ = Tensor::randn({16, 4, 6, 6}, generator);
  }

  /// The loss and both gradients.
  std::vector<Tensor> run() {
    filter_.set_grad({});
    matrix_.set_grad({});
    const Tensor x = images_.detach().requires_grad_();
    const Tensor features = conv2d(x.to(MemoryFormat::Blocked), filter_, {}, {.padding = {1, 1}});
    const Tensor loss = sum(linear(mean(features, {2, 3}), matrix_));
    loss.backward();
    return {loss.detach(), filter_.grad(), matrix_.grad(), x.grad()};
  }

  Plan recorded() {
    const PlanRecorder recorder;
    run();
    return recorder.plan();
  }

  Tensor filter_, matrix_, images_;
};

TEST_F(PlannedStep, IsRecordedAndRepeatsToTheBit) {
  const Plan plan = recorded();
  EXPECT_EQ(plan.entries().size(), 6U) << plan.to_string();  // three passes of two layers
  const std::string key = "conv2d/forward 16x4x6x6 * 8x4x3x3 padding 1x1 blocked float32 60 alive";
  ASSERT_NE(plan.find(key), nullptr) << plan.to_string();
  const std::vector<Tensor> expected = run();
  const PlanScope scope(plan);
  const std::vector<Tensor> result = run();
  for (std::size_t i = 0; i < result.size(); ++i) EXPECT_TRUE(bit_equal(result[i], expected[i])) << i;
}

TEST_F(PlannedStep, FollowsThePlan) {
  Plan plan = recorded();
  const auto keys = plan.entries();
  for (const auto& [key, candidate] : keys) {
    plan.set(key, key.starts_with("conv2d")
                      ? "blocked/dense"
                      : (key.find("weight_gradient") != std::string::npos ? "dense/gathered" : "dense/expanded"));
  }
  {
    const PlanScope scope(plan);
    EXPECT_EQ(recorded(), plan);
  }
  EXPECT_NE(recorded(), plan) << "the scope has ended";
}

TEST_F(PlannedStep, SaysWhatNeverCame) {
  Plan plan = recorded();
  const std::string other = "linear/forward 99 * 5x8 float32 12 alive";
  plan.set(other, "csr/panel");
  const PlanScope scope(plan);
  EXPECT_EQ(scope.unmet().size(), plan.entries().size());
  run();
  EXPECT_EQ(scope.unmet(), std::vector<std::string>{other});
}

TEST_F(PlannedStep, ShowsTrials) {
  Plan plan = recorded();
  Plan shown;
  {
    const TrialScope scope([&](const Trial& trial) {
      shown.set(trial.problem, trial.candidates[trial.chosen]);
      for (std::size_t i = 0; i < trial.candidates.size(); ++i) trial.run(i);
    });
    run();
  }
  EXPECT_EQ(shown, plan);
}

TEST_F(PlannedStep, RefusesWhatCannotBe) {
  const std::string key = "conv2d/forward 16x4x6x6 * 8x4x3x3 padding 1x1 blocked float32 60 alive";
  Plan plan;
  plan.set(key, "blocked/panels");
  {
    const PlanScope scope(plan);
    EXPECT_EQ(error_of([&] { run(); }), "[Plan] blocked/panels cannot run " + key);
  }
  plan.set(key, "blocked/row");
  const PlanScope scope(plan);
  const std::string error = error_of([&] { run(); });
  EXPECT_EQ(error.substr(0, error.find("; it has")), "[Plan] conv2d has no candidate blocked/row for " + key);
}

TEST_F(PlannedStep, TakesARegisteredCandidate) {
  static int calls = 0;
  const Conv2dCandidate mine{.name = "test/counting",
                             .can_run =
                                 [](const Conv2dProblem& p) {
                                   return p.weight == Shape{8, 4, 3, 3};
                                 },
                             .cost = [](const Conv2dProblem&) { return 1e30; },
                             .run =
                                 [](const Conv2dProblem& p, const Conv2dOperands& o) {
                                   ++calls;
                                   return find_builtin(p).run(p, o);
                                 }};
  register_conv2d_candidate(FlopPhase::Forward, mine);
  EXPECT_EQ(conv2d_candidates(FlopPhase::Forward).back().name, std::string("test/counting"));
  EXPECT_EQ(error_of([&] { register_conv2d_candidate(FlopPhase::Forward, mine); }),
            "[conv2d] has a candidate test/counting already; give another name");
  const std::vector<Tensor> expected = run();
  EXPECT_EQ(calls, 0) << "the cost model prefers every other";
  Plan plan;
  plan.set("conv2d/forward 16x4x6x6 * 8x4x3x3 padding 1x1 blocked float32 60 alive", "test/counting");
  const PlanScope scope(plan);
  const std::vector<Tensor> result = run();
  EXPECT_EQ(calls, 1);
  for (std::size_t i = 0; i < result.size(); ++i) EXPECT_TRUE(bit_equal(result[i], expected[i])) << i;
}

}  // namespace
}  // namespace coppice
