// The program, killed again and again while it trains.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include <coppice/core/generator.h>
#include <coppice/trainers/checkpoint.h>
#include <tests/core/io/temporary_folder.h>

namespace coppice::train {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr const char* kRecipe = R"(name = "killed"
[data]
set = "digits"
train_images = 300
test_images = 20
validation_images = 40
[model]
widths = [784, 24, 16, 10]
[training]
batch_size = 16
steps = 200
record_every = 30
[policy]
preset = "iee"
density = 0.15
interval = 11
accuracy_steps = 6
exploration_steps = 9
[checkpoint]
every = 8
)";
constexpr const char* kLast = "checkpoints/step-000000200.safetensors";

/// The program training that recipe in a directory.
class Training {
 public:
  Training(const TemporaryFolder& folder, const std::string& out, int workers) {
    const std::string recipe = folder / "recipe.toml";
    const std::string directory = folder / out;
    const std::string log = directory + ".log";
    const std::string setting = "training.workers=" + std::to_string(workers);
    process_ = ::fork();
    if (process_ != 0) return;
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666), STDERR_FILENO);
    ::execl(COPPICE_PROGRAM, "coppice", "train", recipe.c_str(), "--out", directory.c_str(), "--set", setting.c_str(),
            "--resume", nullptr);
    ::_exit(127);
  }
  ~Training() {
    if (process_ <= 0) return;
    kill(SIGKILL);
    wait();
  }
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  void kill(int signal) const { ::kill(process_, signal); }
  /// How it ended, as waitpid says.
  int wait() {
    int status = 0;
    EXPECT_EQ(::waitpid(process_, &status, 0), process_);
    process_ = -1;
    return status;
  }

 private:
  pid_t process_;
};

bool succeeded(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

/// The final checkpoint of an unbroken training, and how long that took.
struct Unbroken {
  std::string checkpoint;
  Seconds duration{};

  Unbroken(const TemporaryFolder& folder, int workers) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(succeeded(Training(folder, "unbroken", workers).wait())) << read_bytes(folder / "unbroken.log");
    duration = std::chrono::steady_clock::now() - start;
    checkpoint = read_bytes(folder / ("unbroken/" + std::string(kLast)));
  }
};

class Killed : public ::testing::TestWithParam<int> {};

// A kill counts when it hit a living process that had trained since it was started. A training that ends before its
// kill is compared and begun anew. So the test waits for its kills, however fast or slow the machine is.
TEST_P(Killed, TwentyTimesEndsAsTheUnbrokenTraining) {
  constexpr int kKills = 20;
  const TemporaryFolder folder;
  write_bytes(folder / "recipe.toml", kRecipe);
  const Unbroken unbroken(folder, GetParam());
  ASSERT_FALSE(unbroken.checkpoint.empty());
  const auto trained_steps = [&] {
    const LatestCheckpoint latest = latest_checkpoint(folder / "killed/checkpoints");
    for (const std::string& warning : latest.warnings) ADD_FAILURE() << warning;
    return latest.checkpoint ? latest.checkpoint->progress.steps : 0;
  };
  const auto compare = [&] {
    EXPECT_EQ(read_bytes(folder / ("killed/" + std::string(kLast))) == unbroken.checkpoint, true);
    std::filesystem::remove_all(folder / "killed");
  };

  Generator moments(static_cast<std::uint64_t>(GetParam()) + 1);
  int kills = 0;
  for (int attempt = 0; attempt < 20 * kKills && kills < kKills; ++attempt) {
    const std::int64_t before = trained_steps();
    Training training(folder, "killed", GetParam());
    std::this_thread::sleep_for(0.6 * moments.uniform() * unbroken.duration);
    training.kill(SIGKILL);
    const int status = training.wait();
    if (WIFSIGNALED(status)) {
      EXPECT_EQ(WTERMSIG(status), SIGKILL);
      kills += trained_steps() > before ? 1 : 0;
    } else {
      ASSERT_TRUE(succeeded(status)) << read_bytes(folder / "killed.log");
      compare();
    }
  }
  EXPECT_EQ(kills, kKills);
  ASSERT_TRUE(succeeded(Training(folder, "killed", GetParam()).wait())) << read_bytes(folder / "killed.log");
  compare();
}

INSTANTIATE_TEST_SUITE_P(Workers, Killed, ::testing::Values(0, 4));

TEST(Interrupted, SavesWhereItIsAndSaysHowToGoOn) {
  const TemporaryFolder folder;
  write_bytes(folder / "recipe.toml", kRecipe);
  const Unbroken unbroken(folder, 0);
  int interrupted = 0;
  int signal = SIGINT;
  // Until the first record there may be no handler yet, and near the end no time to catch the signal.
  for (int attempt = 0; attempt < 100 && interrupted < 2; ++attempt) {
    const std::string name = "interrupted" + std::to_string(attempt);
    Training training(folder, name, 0);
    for (int wait = 0; wait < 5000 && read_bytes(folder / (name + "/log.jsonl")).empty(); ++wait) {
      std::this_thread::sleep_for(Seconds(0.002));
    }
    training.kill(signal);
    const int status = training.wait();
    ASSERT_TRUE(WIFEXITED(status));
    const std::string log = read_bytes(folder / (name + ".log"));
    if (WEXITSTATUS(status) == 0) continue;
    EXPECT_EQ(WEXITSTATUS(status), 130) << log;
    EXPECT_NE(log.find("go on with\n  coppice train "), std::string::npos) << log;
    EXPECT_NE(log.find("saved "), std::string::npos) << log;
    ASSERT_TRUE(latest_checkpoint(folder / (name + "/checkpoints")).checkpoint);
    EXPECT_TRUE(succeeded(Training(folder, name, 0).wait())) << read_bytes(folder / (name + ".log"));
    EXPECT_EQ(read_bytes(folder / (name + "/" + kLast)) == unbroken.checkpoint, true);
    ++interrupted;
    signal = SIGTERM;
  }
  EXPECT_EQ(interrupted, 2);
}

}  // namespace
}  // namespace coppice::train
