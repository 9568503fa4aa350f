#include <coppice/trainers/checkpoint.h>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>

#include <coppice/core/weight_state.h>
#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/conv2d.h>
#include <coppice/models/nn/flatten.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/sequential.h>
#include <coppice/ops/optim/adamw.h>
#include <coppice/ops/optim/schedule.h>
#include <coppice/ops/optim/sgd.h>
#include <coppice/sparsity/controller.h>
#include <coppice/trainers/data/digits.h>
#include <tests/core/io/temporary_folder.h>
#include <tests/error_of.h>

namespace coppice::train {
namespace {

constexpr std::int64_t kSteps = 26;

sparsity::MaskPolicy exploring() {
  sparsity::MaskPolicy policy = sparsity::iee();
  policy.density = 0.2;
  policy.interval = 3;
  policy.accuracy_steps = 2;
  policy.exploration_steps = 4;
  policy.start = sparsity::Start::Dormant;
  return policy;
}

const Dataset& data() {
  static const Dataset set = digits(80);
  return set;
}

/// A small convolutional network with batch norms under a policy, and all that trains it.
struct Example {
  explicit Example(const std::optional<sparsity::MaskPolicy>& policy, std::int64_t hidden = 16, bool adam = false,
                   int workers = 0) {
    model = std::make_shared<nn::Sequential>();
    model->append(std::make_shared<nn::Conv2d>(1, 4, 5, nn::Conv2dLayerOptions{.stride = {3, 3}}));
    model->append(std::make_shared<nn::BatchNorm2d>(4));
    model->append(std::make_shared<nn::ReLU>());
    model->append(std::make_shared<nn::Flatten>());
    model->append(std::make_shared<nn::Linear>(4 * 8 * 8, hidden));
    model->append(std::make_shared<nn::ReLU>());
    model->append(std::make_shared<nn::Linear>(hidden, 10));
    nn::initialize(*model, 1);
    if (policy) sparsity::make_sparse(*model, *policy, 1);
    if (adam) {
      optimizer = std::make_unique<optim::AdamW>(model->parameters(), optim::AdamWOptions{.lr = 0.01});
    } else {
      optimizer = std::make_unique<optim::SGD>(optim::split_decay(model->parameters(), 1e-3),
                                               optim::SgdOptions{.lr = 0.05, .momentum = 0.9});
    }
    if (policy) controller.emplace(*model, *policy, sparsity::Plan{.total_steps = kSteps, .seed = 1});
    std::vector<std::int64_t> all(80);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
    loader = std::make_unique<DataLoader>(data(), all, LoaderOptions{.batch_size = 8, .workers = workers, .seed = 1});
  }

  Trainee trainee() { return {*model, *optimizer, controller ? &*controller : nullptr}; }
  FitResult train(FitOptions options) {
    options.steps = kSteps;
    options.lr_factor = optim::schedule::cosine(kSteps);
    options.record_every = 4;
    options.validate = [&] { return evaluate(*model, data(), std::vector<std::int64_t>{1, 2, 3, 4, 5}, {}); };
    return fit(*model, *optimizer, *loader, controller ? &*controller : nullptr, options);
  }

  std::shared_ptr<nn::Sequential> model;
  std::unique_ptr<optim::Optimizer> optimizer;
  std::optional<sparsity::MaskController> controller;
  std::unique_ptr<DataLoader> loader;
};

std::filesystem::path save(Example& run, const FitResult& result, const std::filesystem::path& folder, int keep = 3) {
  return save_checkpoint(folder, run.trainee(), result, {{"recipe", "name = \"tést\"\n"}}, keep);
}

/// A training stopped at `step`, saved.
std::filesystem::path checkpoint_at(std::int64_t step, const std::filesystem::path& folder) {
  Example run(exploring());
  std::filesystem::path file;
  std::atomic<bool> stop{false};
  FitOptions options{.on_step = [&](std::int64_t done) { stop = done == step; }, .stop = &stop};
  options.on_checkpoint = [&](const FitResult& so_far) { file = save(run, so_far, folder); };
  run.train(options);
  return file;
}

TEST(Checkpoint, ResumingAfterAnyStepGivesTheSameFile) {
  for (const bool adam : {false, true}) {
    const TemporaryFolder folder;
    Example unbroken(exploring(), 16, adam);
    FitOptions options{.checkpoint_every = 1};
    options.on_checkpoint = [&](const FitResult& so_far) { save(unbroken, so_far, folder / "unbroken", 100); };
    const FitResult whole = unbroken.train(options);
    const std::string expected = read_bytes(folder / "unbroken/step-000000026.safetensors");
    ASSERT_FALSE(expected.empty());
    for (std::int64_t step = 1; step < kSteps; step += adam ? 5 : 1) {
      const Checkpoint from = load_checkpoint(folder / ("unbroken/step-0000000" + std::string(step < 10 ? "0" : "") +
                                                        std::to_string(step) + ".safetensors"));
      EXPECT_EQ(from.progress.steps, step);
      EXPECT_TRUE(from.measured);
      Example resumed(exploring(), 16, adam, step % 2 == 0 ? 0 : 2);
      restore(from, resumed.trainee());
      FitOptions rest{.resume = &from.progress};
      rest.on_checkpoint = [&](const FitResult& so_far) { save(resumed, so_far, folder / "resumed"); };
      const FitResult result = resumed.train(rest);
      EXPECT_EQ(read_bytes(folder / "resumed/step-000000026.safetensors") == expected, true) << "from step " << step;
      ASSERT_EQ(result.records.size(), whole.records.size());
      for (std::size_t r = 0; r < whole.records.size(); ++r) {
        EXPECT_EQ(result.records[r].loss, whole.records[r].loss);
        EXPECT_EQ(result.records[r].learning_rate, whole.records[r].learning_rate);
        EXPECT_EQ(result.records[r].validation.has_value(), whole.records[r].validation.has_value());
        EXPECT_EQ(result.records[r].effective_flops, whole.records[r].effective_flops);
      }
      EXPECT_EQ(result.flops.total_effective(), whole.flops.total_effective());
      EXPECT_GT(result.seconds, from.progress.seconds);
      EXPECT_FALSE(result.stopped);
    }
  }
}

TEST(Checkpoint, HoldsADenseTrainingAndItsText) {
  const TemporaryFolder folder;
  Example run({});
  FitOptions options;
  std::filesystem::path file;
  options.on_checkpoint = [&](const FitResult& so_far) { file = save(run, so_far, folder.path()); };
  run.train(options);
  const Checkpoint checkpoint = load_checkpoint(file);
  EXPECT_EQ(checkpoint.metadata, (std::map<std::string, std::string>{{"recipe", "name = \"tést\"\n"}}));
  Example other({});
  restore(checkpoint, *other.model);
  EXPECT_EQ(evaluate(*other.model, data(), std::vector<std::int64_t>{0, 1, 2, 3}, {}).loss,
            evaluate(*run.model, data(), std::vector<std::int64_t>{0, 1, 2, 3}, {}).loss);
}

TEST(Checkpoint, GivesADenseNetworkItsMasks) {
  const TemporaryFolder folder;
  const Checkpoint checkpoint = load_checkpoint(checkpoint_at(5, folder.path()));
  Example trained(exploring());
  restore(checkpoint, trained.trainee());
  Example dense({});
  restore(checkpoint, *dense.model);
  const std::vector<std::int64_t> images = {0, 1, 2, 3};
  EXPECT_EQ(evaluate(*dense.model, data(), images, {}).loss, evaluate(*trained.model, data(), images, {}).loss);
  EXPECT_TRUE(dense.model->parameter("0.weight").is_masked());
  Example wider({}, 17);
  EXPECT_NE(error_of([&] { restore(checkpoint, *wider.model); }).find("4.bias"), std::string::npos);
}

TEST(Checkpoint, KeepsTheNewest) {
  const TemporaryFolder folder;
  Example run(exploring());
  write_bytes(folder / "step-000000004.safetensors.tmp.1.0", "what a killed process left");
  FitOptions options{.checkpoint_every = 5};
  options.on_checkpoint = [&](const FitResult& so_far) { save(run, so_far, folder.path(), 2); };
  run.train(options);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"step-000000025.json", "step-000000025.safetensors", "step-000000026.json",
                                             "step-000000026.safetensors"}));
  EXPECT_EQ(latest_checkpoint(folder.path()).checkpoint->progress.steps, 26);
  EXPECT_FALSE(latest_checkpoint(folder / "none").checkpoint);
}

TEST(Checkpoint, FindsEveryFlippedBitAndCut) {
  const TemporaryFolder folder;
  const std::filesystem::path file = checkpoint_at(7, folder.path());
  const std::string good = read_bytes(file);
  ASSERT_EQ(load_checkpoint(file).progress.steps, 7);
  std::uint64_t header = 0;
  std::copy_n(good.data(), 8, reinterpret_cast<char*>(&header));
  ASSERT_LT(header + 8, good.size());

  const std::filesystem::path damaged = folder / "damaged.safetensors";
  const auto refused = [&](const std::string& bytes) {
    write_bytes(damaged, bytes);
    return error_of([&] { load_checkpoint(damaged); });
  };
  // Every byte of the length and every eleventh of the header, its last, and 200 over the data.
  std::vector<std::size_t> positions;
  for (std::size_t at = 0; at < header + 8; at += at < 8 ? 1 : 11) positions.push_back(at);
  positions.push_back(header + 7);
  for (std::size_t i = 0; i < 200; ++i) positions.push_back(header + 8 + i * (good.size() - header - 8) / 200);
  for (const std::size_t at : positions) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ (at == header + 7 ? 32 : 1 << (at % 8)));
    const std::string message = refused(bytes);
    EXPECT_NE(message.find(damaged.string()), std::string::npos)
        << "byte " << at << " after '" << good.substr(at - std::min<std::size_t>(at, 60), 61) << "': " << message;
  }
  for (std::size_t i = 0; i < 100; ++i) {
    const std::string message = refused(good.substr(0, i * good.size() / 100));
    EXPECT_NE(message.find(damaged.string()), std::string::npos) << i << " %: " << message;
  }
  EXPECT_NE(refused(good + '\0'), "");
  EXPECT_EQ(refused(good), "");
}

TEST(Checkpoint, PassesADamagedNewestOver) {
  const TemporaryFolder folder;
  checkpoint_at(5, folder.path());
  const std::filesystem::path newest = checkpoint_at(7, folder.path());
  std::string bytes = read_bytes(newest);
  bytes[bytes.size() / 2] ^= 1;
  write_bytes(newest, bytes);
  const LatestCheckpoint latest = latest_checkpoint(folder.path());
  ASSERT_TRUE(latest.checkpoint);
  EXPECT_EQ(latest.checkpoint->progress.steps, 5);
  ASSERT_EQ(latest.warnings.size(), 1U);
  EXPECT_NE(latest.warnings.front().find(newest.string()), std::string::npos);
  EXPECT_NE(latest.warnings.front().find("damaged"), std::string::npos);
}

TEST(Checkpoint, NamesANewerSchemaAndAForeignFile) {
  const TemporaryFolder folder;
  Safetensors content = load_safetensors(checkpoint_at(5, folder.path()));
  content.metadata["coppice.checkpoint"] = "2";
  save_safetensors(folder / "newer.safetensors", content, MaskedView::Masked);
  expect_error([&] { load_checkpoint(folder / "newer.safetensors"); },
               "[checkpoint] " + (folder / "newer.safetensors").string() +
                   ": expects schema version 1; got '2': it is damaged, or a newer coppice wrote it");
  save_safetensors(folder / "foreign.safetensors", {.tensors = {{"weight", Tensor::ones({2})}}});
  EXPECT_NE(error_of([&] { load_checkpoint(folder / "foreign.safetensors"); }).find("expects a checkpoint"),
            std::string::npos);
  EXPECT_NE(error_of([&] { load_checkpoint(folder / "none.safetensors"); }).find("must be a file"), std::string::npos);
}

TEST(Checkpoint, NamesWhatDoesNotFitAndLeavesTheNetworkAlone) {
  const TemporaryFolder folder;
  const Checkpoint checkpoint = load_checkpoint(checkpoint_at(7, folder.path()));
  const auto refused = [&](Example& run) {
    save(run, {}, folder / "before");
    const std::string message = error_of([&] { restore(checkpoint, run.trainee()); });
    save(run, {}, folder / "after");
    EXPECT_EQ(read_bytes(folder / "before/step-000000000.safetensors") ==
                  read_bytes(folder / "after/step-000000000.safetensors"),
              !message.empty());
    return message;
  };
  Example wider(exploring(), 17);
  EXPECT_NE(refused(wider).find("'4.bias' expects dense float32 (16) in the network; got dense float32 (17)"),
            std::string::npos)
      << refused(wider);
  Example dense({});
  EXPECT_NE(refused(dense).find("'0.weight' expects sparse"), std::string::npos) << refused(dense);
  sparsity::MaskPolicy other_policy = exploring();
  other_policy.dense_last = true;
  Example other(other_policy);
  EXPECT_NE(refused(other).find("'6.weight' expects sparse"), std::string::npos) << refused(other);
  Example alike(exploring());
  EXPECT_EQ(refused(alike), "");
}

/// Files of this process can grow no further than `bytes` while it lives.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST(Checkpoint, AFullDiskLeavesTheOneBefore) {
  const TemporaryFolder folder;
  const std::filesystem::path file = checkpoint_at(5, folder.path());
  const std::string before = read_bytes(file);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{100}, before.size() / 2, before.size() - 1}) {
    const FileLimit limit(bytes);
    const std::string message = error_of([&] { checkpoint_at(5, folder.path()); });
    EXPECT_NE(message.find("cannot be written: File too large"), std::string::npos) << message;
  }
  EXPECT_EQ(read_bytes(file) == before, true);
  EXPECT_EQ(latest_checkpoint(folder.path()).checkpoint->progress.steps, 5);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 2) << "nothing else is left";
}

}  // namespace
}  // namespace coppice::train
