#include <coppice/core/parallel.h>

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <coppice/core/cpu_limit.h>
#include <coppice/core/error.h>

namespace coppice {

namespace {

std::atomic<int> configured_threads{0};  // 0: not asked for yet
thread_local int thread_limit = 0;       // 0: none
thread_local bool inside_body = false;

int default_threads() {
  static const int count = detail::usable_processors();
  return count;
}

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Whether `ready()` became true within a few microseconds: shorter than a sleep and wake by the kernel.
template <class Ready>
bool spin_until(const Ready& ready) {
  using Clock = std::chrono::steady_clock;
  if (num_threads() > default_threads()) return ready();  // more threads than processors: leave them the processor
  const Clock::time_point end = Clock::now() + std::chrono::microseconds(15);
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      pause_briefly();
    }
  } while (Clock::now() < end);
  return false;
}

/// Where a thread waits for a flag: first spinning, then asleep.
class Signal {
 public:
  void raise() {
    {
      const std::lock_guard lock(mutex_);
      raised_.store(true, std::memory_order_release);
    }
    condition_.notify_one();
  }
  /// Waits until raised and lowers it again.
  void wait() {
    if (!spin_until([this] { return raised_.load(std::memory_order_acquire); })) {
      std::unique_lock lock(mutex_);
      condition_.wait(lock, [this] { return raised_.load(std::memory_order_acquire); });
    }
    raised_.store(false, std::memory_order_relaxed);
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  std::atomic<bool> raised_{false};
};

/// Threads made while it lives leave the host's signals to the host's threads.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGPROF}) sigdelset(&blocked, own);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &previous_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t previous_;
};

using Body = FunctionRef<void(std::int64_t, std::int64_t)>;

struct Worker {
  Signal start;
  const Body* body = nullptr;  // null when started: end
  std::int64_t first = 0, last = 0;
  std::exception_ptr failure;
  std::thread thread;
};

std::exception_ptr run_guarded(const Body& body, std::int64_t first, std::int64_t last) {
  try {
    body(first, last);
    return nullptr;
  } catch (...) {
    return std::current_exception();
  }
}

/// Runs one job at a time; a caller that finds it busy is refused and does its work alone.
class Pool {
 public:
  /// Ends the threads and refuses every later job. Called once, as the process exits.
  void stop() {
    busy_.lock();
    for (const auto& worker : workers_) {
      worker->body = nullptr;
      worker->start.raise();
      worker->thread.join();
    }
  }

  bool try_run(std::int64_t begin, std::int64_t end, std::int64_t chunk, int parts, const Body& body) {
    const std::unique_lock lock(busy_, std::try_to_lock);
    if (!lock || !grow(static_cast<std::size_t>(parts) - 1)) return false;
    const auto helpers = static_cast<std::size_t>(parts) - 1;
    remaining_.store(parts - 1, std::memory_order_relaxed);
    for (std::size_t i = 0; i < helpers; ++i) {
      Worker& worker = *workers_[i];
      worker.body = &body;
      worker.first = begin + chunk * static_cast<std::int64_t>(i + 1);
      worker.last = std::min(end, worker.first + chunk);
      worker.start.raise();
    }
    inside_body = true;
    std::exception_ptr failure = run_guarded(body, begin, begin + chunk);
    inside_body = false;
    done_.wait();
    for (std::size_t i = 0; i < helpers; ++i) {
      std::exception_ptr other = std::exchange(workers_[i]->failure, nullptr);
      if (!failure) failure = std::move(other);
    }
    if (failure) std::rethrow_exception(failure);
    return true;
  }

 private:
  std::mutex busy_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<int> remaining_{0};
  Signal done_;

  /// Makes threads up to `count`; false where the system refuses one.
  bool grow(std::size_t count) {
    while (workers_.size() < count) {
      auto worker = std::make_unique<Worker>();
      const SignalsBlocked no_signals;
      try {
        worker->thread = std::thread([this, self = worker.get()] { serve(*self); });
      } catch (const std::system_error&) {
        return false;
      }
      workers_.push_back(std::move(worker));
    }
    return true;
  }

  void serve(Worker& self) {
    inside_body = true;
    for (;;) {
      self.start.wait();
      if (!self.body) return;
      self.failure = run_guarded(*self.body, self.first, self.last);
      if (remaining_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_.raise();
    }
  }
};

std::atomic<Pool*> current_pool{nullptr};

void stop_at_exit() {
  Pool* pool = current_pool.load(std::memory_order_acquire);
  if (pool && !inside_body) pool->stop();  // a body that calls exit() cannot wait for itself
}

/// Never destroyed: another thread may still look at it while the process exits.
Pool& find_pool() {
  if (Pool* existing = current_pool.load(std::memory_order_acquire)) return *existing;
  static const bool registered = [] {
    std::atexit(stop_at_exit);
    // A forked child has none of the threads: it forgets the pool and makes its own at first use.
    ::pthread_atfork(nullptr, nullptr, [] { current_pool.store(nullptr); });
    return true;
  }();
  static_cast<void>(registered);
  auto made = std::make_unique<Pool>();
  Pool* expected = nullptr;
  if (current_pool.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) return *made.release();
  return *expected;
}

}  // namespace

int num_threads() {
  const int configured = configured_threads.load(std::memory_order_relaxed);
  const int count = configured > 0 ? configured : default_threads();
  return thread_limit > 0 ? std::min(thread_limit, count) : count;
}

void set_num_threads(int n) {
  COPPICE_CHECK(n >= 1, "[set_num_threads] expects at least 1; got ", n);
  configured_threads.store(n, std::memory_order_relaxed);
}

ThreadLimit::ThreadLimit(int limit) : previous_(thread_limit) {
  COPPICE_CHECK(limit >= 1, "[ThreadLimit] expects at least 1; got ", limit);
  thread_limit = previous_ > 0 ? std::min(previous_, limit) : limit;
}

ThreadLimit::~ThreadLimit() { thread_limit = previous_; }

void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, Body body) {
  const std::int64_t size = end - begin;
  if (size <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t most =
      size <= grain || inside_body ? 1 : std::min<std::int64_t>(num_threads(), (size - 1) / grain + 1);
  if (most > 1) {
    const std::int64_t chunk = std::max(grain, (size - 1) / most + 1);
    const int parts = static_cast<int>((size - 1) / chunk + 1);
    if (find_pool().try_run(begin, end, chunk, parts, body)) return;
  }
  body(begin, end);
}

void parallel_chunks(std::int64_t size, std::int64_t chunk_size,
                     FunctionRef<void(std::int64_t, std::int64_t, std::int64_t)> body) {
  COPPICE_CHECK(chunk_size >= 1, "[parallel_chunks] expects chunks of at least 1 element; got ", chunk_size);
  if (size <= 0) return;
  parallel_for(0, (size - 1) / chunk_size + 1, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t chunk = first; chunk < last; ++chunk) {
      body(chunk, chunk * chunk_size, std::min(size, (chunk + 1) * chunk_size));
    }
  });
}

}  // namespace coppice
