// A host program with threads, affinities, handlers and a locale of its own uses the engine, and finds all as it was.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cfenv>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <thread>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <coppice/coppice.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/core/parallel.h>
#include <coppice/trainers/data/digits.h>
#include <coppice/trainers/loop.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

extern char** environ;

namespace coppice {
namespace {

constexpr int kThreads = 4;

/// The thread's limit is the test's, whatever the machine: work is split even where there is one processor.
class Threads {
 public:
  explicit Threads(int count) { set_num_threads(count); }
  ~Threads() { set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_ = num_threads();
};

std::shared_ptr<nn::Sequential> sparse_model(std::uint64_t seed) {
  const auto model = models::mlp({784, 300, 100, 10}, seed);
  sparsity::make_sparse(*model, {0.1, 0.2, 1.0}, seed);
  return model;
}

Tensor infer(nn::Module& model, const Tensor& input) {
  const NoGrad no_grad;
  return model(input);
}

void train_a_little() {
  const train::Dataset data = train::digits(64);
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < data.size(); ++i) all.push_back(i);
  const auto model = models::mlp({784, 300, 10}, /*seed=*/1);
  sparsity::MaskPolicy policy = sparsity::iee();
  policy.interval = policy.accuracy_steps = policy.exploration_steps = 2;
  sparsity::make_sparse(*model, policy, /*seed=*/1);
  optim::SGD optimizer(model->parameters(), {.lr = 0.1, .momentum = 0.9});
  sparsity::MaskController controller(*model, policy, {.total_steps = 12, .seed = 1});
  train::DataLoader loader(data, all, {.batch_size = 16, .workers = 2});
  train::fit(*model, optimizer, loader, &controller, {.steps = 12});
}

/// Calls that a host may get wrong; each must end in an Error that it can catch.
const std::vector<std::function<void()>>& mistakes() {
  static const std::vector<std::function<void()>> all = {
      [] {
        matmul(Tensor::ones({2, 3}), Tensor::ones({4, 5}));
      },
      [] {
        models::mlp({784, 10})->forward(Tensor::ones({1, 3}));
      },
      [] { Tensor::ones({2}).view({3}); },
      [] { Tensor::ones({2}).backward(); },
      [] { load_safetensors("/nowhere/at/all"); },
      [] { sparsity::rigl().set("intervall", "3"); },
      [] { parallel_for(0, 1000, 1, [](std::int64_t, std::int64_t) { detail::fail("[host] a body that throws"); }); },
      [] { set_num_threads(0); },
  };
  return all;
}

/// All that the engine does for a host, in one go.
void use_everything() {
  train_a_little();
  infer(*sparse_model(1), Tensor::ones({64, 784}));
  for (const auto& mistake : mistakes()) EXPECT_NE(error_of(mistake), "");
}

TEST(GuestThreads, ConcurrentInferenceIsAsAlone) {
  const Threads two(2);
  Generator generator(7);
  const Tensor input = Tensor::randn({64, 784}, generator);
  const auto first = sparse_model(1);
  const auto second = sparse_model(2);
  const std::array<std::vector<float>, 2> alone = {infer(*first, input).to_vector<float>(),
                                                   infer(*second, input).to_vector<float>()};
  std::atomic<int> differing{0};
  std::vector<std::thread> hosts;
  for (int t = 0; t < kThreads; ++t) {  // two for each model
    hosts.emplace_back([&, t] {
      nn::Module& model = t % 2 == 0 ? *first : *second;
      for (int repeat = 0; repeat < 10; ++repeat) {
        if (infer(model, input).to_vector<float>() != alone[static_cast<std::size_t>(t % 2)]) ++differing;
      }
    });
  }
  for (std::thread& host : hosts) host.join();
  EXPECT_EQ(differing, 0);
}

TEST(GuestThreads, ConcurrentMistakesAreExceptions) {
  const Threads two(2);
  std::atomic<int> caught{0};
  std::vector<std::thread> hosts;
  for (int t = 0; t < kThreads; ++t) {
    hosts.emplace_back([&] {
      for (const auto& mistake : mistakes()) caught += error_of(mistake).empty() ? 0 : 1;
    });
  }
  for (std::thread& host : hosts) host.join();
  EXPECT_EQ(caught, kThreads * static_cast<int>(mistakes().size()));
}

std::vector<pid_t> thread_ids() {
  std::vector<pid_t> ids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    ids.push_back(static_cast<pid_t>(std::stol(entry.path().filename().string())));
  }
  return ids;
}

cpu_set_t affinity_of(pid_t thread) {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(::sched_getaffinity(thread, sizeof set, &set), 0);
  return set;
}

TEST(GuestThreads, NothingIsPinned) {
  const Threads three(3);
  const cpu_set_t process = affinity_of(0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &process)) CPU_SET(cpu, &one);
  }
  use_everything();  // by this thread: the pool inherits what it may use
  for (const pid_t thread : thread_ids()) {
    const cpu_set_t now = affinity_of(thread);
    EXPECT_TRUE(CPU_EQUAL(&now, &process)) << "thread " << thread;
  }
  std::thread([&] {
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    use_everything();
    const cpu_set_t now = affinity_of(0);
    EXPECT_TRUE(CPU_EQUAL(&now, &one)) << "the host's own pin is gone";
  }).join();
}

TEST(GuestThreads, NoMoreThanAllowed) {
  const Threads one(1);
  const std::size_t before = thread_ids().size();
  infer(*sparse_model(1), Tensor::ones({256, 784}));
  EXPECT_LE(thread_ids().size(), before);
}

/// What is written to a descriptor while it lives.
class Captured {
 public:
  explicit Captured(int descriptor) : descriptor_(descriptor), saved_(::dup(descriptor)) {
    const int file = ::open((folder_ / "out").c_str(), O_CREAT | O_RDWR, 0600);
    ::dup2(file, descriptor_);
    ::close(file);
  }
  ~Captured() {
    ::dup2(saved_, descriptor_);
    ::close(saved_);
  }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  std::string text() const {
    std::fflush(nullptr);
    return read_bytes(folder_ / "out");
  }

 private:
  TemporaryFolder folder_;
  int descriptor_;
  int saved_;
};

TEST(Guest, PrintsNothing) {
  std::fflush(nullptr);
  std::string out, error;
  {
    const Captured stdout_file(STDOUT_FILENO), stderr_file(STDERR_FILENO);
    use_everything();
    out = stdout_file.text();
    error = stderr_file.text();
  }
  EXPECT_EQ(out, "");
  EXPECT_EQ(error, "");
}

/// What a library could change for the whole process.
struct ProcessState {
  std::vector<struct sigaction> handlers{};
  sigset_t blocked{};
  std::string locale{};
  int rounding = 0;
  unsigned control = 0;
  std::vector<std::string> environment{};
  std::filesystem::path folder{};
  mode_t mask = 0;

  static ProcessState now() {
    ProcessState state;
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction action {};
      ::sigaction(signal, nullptr, &action);
      state.handlers.push_back(action);
    }
    ::pthread_sigmask(SIG_SETMASK, nullptr, &state.blocked);
    state.locale = std::setlocale(LC_ALL, nullptr);
    state.rounding = std::fegetround();
#if defined(__x86_64__)
    state.control = _mm_getcsr() & ~0x3FU;  // all but the sticky flags of what happened
#endif
    for (char** variable = environ; *variable; ++variable) state.environment.emplace_back(*variable);
    state.folder = std::filesystem::current_path();
    state.mask = ::umask(0);
    ::umask(state.mask);
    return state;
  }
};

TEST(Guest, LeavesTheProcessAsItWas) {
  const ProcessState before = ProcessState::now();
  use_everything();
  const ProcessState after = ProcessState::now();
  for (std::size_t signal = 0; signal < before.handlers.size(); ++signal) {
    EXPECT_EQ(before.handlers[signal].sa_handler, after.handlers[signal].sa_handler) << "signal " << signal + 1;
    EXPECT_EQ(before.handlers[signal].sa_flags, after.handlers[signal].sa_flags) << "signal " << signal + 1;
  }
  for (int signal = 1; signal < NSIG; ++signal) {
    EXPECT_EQ(sigismember(&before.blocked, signal), sigismember(&after.blocked, signal)) << "signal " << signal;
  }
  EXPECT_EQ(before.locale, after.locale);
  EXPECT_EQ(before.rounding, after.rounding);
  EXPECT_EQ(before.control, after.control);
  EXPECT_EQ(before.environment, after.environment);
  EXPECT_EQ(before.folder, after.folder);
  EXPECT_EQ(before.mask, after.mask);
}

TEST(Guest, WorksInAForkedChild) {
  const Threads two(2);
  Generator generator(7);
  const Tensor input = Tensor::randn({64, 784}, generator);
  const auto model = sparse_model(1);
  const std::vector<float> expected = infer(*model, input).to_vector<float>();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::alarm(30);
    ::_exit(infer(*model, input).to_vector<float>() == expected ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace coppice
