// Whole trainings: what a policy finds, and that threads change nothing.

#include <gtest/gtest.h>

#include <vector>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/parallel.h>
#include <coppice/models/nn/linear.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>
#include <tests/sparsity/harness.h>

namespace coppice::sparsity {
namespace {

using testing::short_iee;
using testing::short_rigl;
using testing::Training;

/// A linear teacher with a twentieth of its weights: IoU of the student's mask with the teacher's, before and after.
std::pair<double, double> planted_iou(MaskPolicy policy, std::int64_t steps) {
  constexpr std::int64_t kIn = 60, kOut = 40, kBatch = 64;
  Generator generator(5);
  const Mask planted = Mask::random({kOut, kIn}, kOut * kIn / 20, generator);
  Tensor teacher = Tensor::randn({planted.count()}, generator);
  for (double value : teacher.to_vector<double>()) EXPECT_NE(value, 0.0);
  const Tensor dense_teacher = WeightState::scatter(teacher, planted);
  nn::Linear reference(kIn, kOut, {.bias = false});
  reference.set_parameter("weight", dense_teacher);

  auto student = std::make_shared<nn::Linear>(kIn, kOut);
  student->reset_parameters(6, "student.");
  policy.density = 0.05;
  policy.distribution = Distribution::Uniform;
  make_sparse(*student, policy, 6);
  const auto optimizer = testing::make_optimizer(testing::Rule::Sgd, student->parameters(), 0.0);
  MaskController controller(*student, policy, {.total_steps = steps, .seed = 6});
  const WeightState& state = student->weight().weight_state();
  const double before = Mask::iou(state.alive(), planted);
  for (std::int64_t step = 0; step < steps; ++step) {
    controller.begin_step(step);
    optimizer->zero_grad();
    const Tensor inputs = Tensor::randn({kBatch, kIn}, generator);
    Tensor target;
    {
      NoGrad no_grad;
      target = reference(inputs);
    }
    const Tensor error = (*student)(inputs)-target;
    (sum(error * error) / static_cast<double>(kBatch)).backward();
    controller.end_step(step, *optimizer);
  }
  return {before, Mask::iou(state.alive(), planted)};
}

TEST(Planted, MasksFindTheTeacher) {
  const auto [rigl_before, rigl_after] = planted_iou(short_rigl(10), 400);
  EXPECT_LT(rigl_before, 0.1);
  EXPECT_GT(rigl_after, 0.7);
  const auto [iee_before, iee_after] = planted_iou(short_iee(5, 5, 10), 400);
  EXPECT_LT(iee_before, 0.1);
  EXPECT_GT(iee_after, 0.7);
  const auto [static_before, static_after] = planted_iou(static_mask(), 20);
  EXPECT_EQ(static_before, static_after);
}

TEST(Planted, WithoutExplorationTheTeacherStaysHidden) {
  MaskPolicy stale = iee_no_exploration();
  stale.interval = stale.accuracy_steps = 5;
  EXPECT_LT(planted_iou(stale, 400).second, 0.3);
}

TEST(Reproducible, BitwiseForAnyNumberOfThreads) {
  const int threads_before = num_threads();
  MaskPolicy random = short_rigl(10);
  random.grow = criterion::random();
  for (const MaskPolicy& policy : {short_rigl(10), random, short_iee(10, 5, 5)}) {
    SCOPED_TRACE(policy.name + " " + policy.grow.name);
    std::vector<std::vector<Tensor>> results;
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      Training training(policy, 200, 4, testing::Rule::Sgd, 5e-4, {96, 128, 64, 10});
      training.run();
      EXPECT_GE(training.controller->records().size(), 7U);
      results.push_back(training.snapshot());
    }
    for (std::size_t run = 1; run < results.size(); ++run) {
      for (std::size_t p = 0; p < results[0].size(); ++p) EXPECT_TRUE(bit_equal(results[run][p], results[0][p])) << p;
    }
    Training other(policy, 200, 5, testing::Rule::Sgd, 5e-4, {96, 128, 64, 10});
    other.run();
    EXPECT_FALSE(bit_equal(other.snapshot()[0], results[0][0])) << "another seed is another training";
  }
  set_num_threads(threads_before);
}

}  // namespace
}  // namespace coppice::sparsity
