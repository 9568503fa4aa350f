#include <coppice/trainers/measure/clock.h>

#include <ctime>

namespace coppice::train::measure {
namespace {

double seconds_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

double wall_seconds() { return seconds_of(CLOCK_MONOTONIC); }

double thread_seconds() { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }

Sample time_calls(int calls, FunctionRef<void()> call) {
  const double wall = wall_seconds();
  const double cpu = thread_seconds();
  for (int i = 0; i < calls; ++i) call();
  return {.wall = (wall_seconds() - wall) / calls, .cpu = (thread_seconds() - cpu) / calls};
}

}  // namespace coppice::train::measure
