#include <coppice/trainers/job_queue.h>

#include <algorithm>
#include <thread>
#include <vector>

#include <coppice/core/error.h>
#include <coppice/core/parallel.h>

namespace coppice::train {

void JobQueue::add(double cost, std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.emplace(cost, std::move(job));
  }
  changed_.notify_one();
}

void JobQueue::work(const std::atomic<bool>* stop) {
  const ThreadLimit one(1);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return !waiting_.empty() || running_ == 0; });
    if (failure_ || (stop && stop->load())) waiting_.clear();
    if (waiting_.empty() && running_ == 0) break;
    if (waiting_.empty()) continue;
    const std::function<void()> job = std::move(waiting_.extract(waiting_.begin()).mapped());
    ++running_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      job();
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    --running_;
    if (failure && !failure_) failure_ = failure;
    changed_.notify_all();
  }
  changed_.notify_all();
}

void JobQueue::run(int threads, const std::atomic<bool>* stop) {
  COPPICE_CHECK(threads >= 1, "[JobQueue] expects at least one thread; got ", threads);
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) workers.emplace_back([&] { work(stop); });
  for (std::thread& worker : workers) worker.join();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace coppice::train
