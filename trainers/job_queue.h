#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>

#include <coppice/core/export.h>

namespace coppice::train {

/// Independent jobs on a few threads, the costliest first. A running job may add more.
///
/// Each job runs under ThreadLimit(1), so that as many run side by side as there are threads and none of them depends
/// on how many that is.
class COPPICE_API JobQueue {
 public:
  /// `cost` in any unit; of equal ones the first added goes first.
  void add(double cost, std::function<void()> job);
  /// Runs everything on `threads` threads and returns when nothing is left. When `stop` becomes true, or a job throws,
  /// no further job starts; the first exception is rethrown after those that run have ended.
  void run(int threads, const std::atomic<bool>* stop = nullptr);

 private:
  void work(const std::atomic<bool>* stop);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<double, std::function<void()>, std::greater<>> waiting_;
  int running_ = 0;
  std::exception_ptr failure_;
};

}  // namespace coppice::train
