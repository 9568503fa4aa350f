#include <coppice/trainers/loop.h>

#include <gtest/gtest.h>

#include <atomic>

#include <coppice/core/allocator.h>
#include <coppice/models/mlp.h>
#include <coppice/ops/optim/schedule.h>
#include <coppice/ops/optim/sgd.h>
#include <coppice/sparsity/controller.h>
#include <coppice/trainers/data/digits.h>
#include <coppice/trainers/job_queue.h>

namespace coppice::train {
namespace {

struct Trained {
  FitResult result;
  Evaluation evaluation;
};

Trained train_mlp(int workers, std::int64_t steps, const std::atomic<bool>* stop = nullptr) {
  const Dataset set = digits(640);
  const Split parts = split(set.size(), 128, 0);
  const Normalisation normalisation = measure_normalisation(set, parts.train);
  const auto model = models::mlp({784, 32, 16, 10}, 3);
  optim::SGD optimizer(model->parameters(), {.lr = 0.1, .momentum = 0.9});
  DataLoader loader(set, parts.train,
                    {.batch_size = 64, .workers = workers, .seed = 1, .normalisation = normalisation});
  FitOptions options{.steps = steps, .lr_factor = optim::schedule::cosine(steps), .stop = stop};
  options.validate = [&] { return evaluate(*model, set, parts.validation, normalisation); };
  Trained trained;
  trained.result = fit(*model, optimizer, loader, nullptr, options);
  trained.evaluation = options.validate();
  return trained;
}

TEST(Fit, LearnsAndRecordsEveryEpoch) {
  const Trained trained = train_mlp(0, 80);
  EXPECT_EQ(trained.result.steps, 80);
  ASSERT_EQ(trained.result.records.size(), 10U);
  EXPECT_GT(trained.evaluation.accuracy, 0.75);
  EXPECT_EQ(trained.evaluation.count, 128);
  EXPECT_LT(trained.result.records.back().loss, 0.5 * trained.result.records.front().loss);
  EXPECT_EQ(trained.result.records.back().validation->accuracy, trained.evaluation.accuracy);
  EXPECT_LT(trained.result.records.back().learning_rate, 0.001);
  EXPECT_GT(trained.result.peak_bytes, 784 * 32 * 4);
}

TEST(Fit, CountsTrainingFlopsOnly) {
  // Forward and weight gradient of every layer, data gradient of all but the first, which needs none.
  const double forward = 2.0 * 64 * (784 * 32 + 32 * 16 + 16 * 10);
  const double data = 2.0 * 64 * (32 * 16 + 16 * 10);
  EXPECT_EQ(train_mlp(0, 16).result.flops.total_effective(), 16 * (2 * forward + data));
}

TEST(Fit, DoesNotDependOnWorkers) {
  const Trained alone = train_mlp(0, 24);
  const Trained helped = train_mlp(3, 24);
  EXPECT_EQ(alone.evaluation.loss, helped.evaluation.loss);
  for (std::size_t r = 0; r < alone.result.records.size(); ++r) {
    EXPECT_EQ(alone.result.records[r].loss, helped.result.records[r].loss);
  }
}

TEST(Fit, StopsOnTheFlag) {
  const std::atomic<bool> stop{true};
  const Trained trained = train_mlp(0, 24, &stop);
  EXPECT_TRUE(trained.result.stopped);
  EXPECT_EQ(trained.result.steps, 0);
}

TEST(JobQueue, RunsJobsThatJobsAdd) {
  for (const int threads : {1, 3}) {
    JobQueue queue;
    std::atomic<int> ran{0};
    for (int i = 0; i < 5; ++i) {
      queue.add(i, [&] {
        ++ran;
        queue.add(1.0, [&] { ++ran; });
      });
    }
    queue.run(threads);
    EXPECT_EQ(ran, 10);
  }
}

TEST(JobQueue, GoesByCostAndRethrows) {
  JobQueue queue;
  std::vector<int> order;
  for (const int cost : {1, 5, 3}) queue.add(cost, [&order, cost] { order.push_back(cost); });
  queue.run(1);
  EXPECT_EQ(order, (std::vector<int>{5, 3, 1}));

  order.clear();
  queue.add(2.0, [] { detail::fail("broken"); });
  queue.add(1.0, [&] { order.push_back(1); });
  EXPECT_THROW(queue.run(1), Error);
  EXPECT_TRUE(order.empty());
}

}  // namespace
}  // namespace coppice::train
