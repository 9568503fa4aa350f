#include "tests/fuzz/campaign.h"

#include <gtest/gtest.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include <coppice/core/allocator.h>

#include "tests/fuzz/heap_count.h"

#if COPPICE_FUZZ_SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

namespace coppice::fuzz {

namespace {

constexpr std::uint64_t kSeed = 20;
constexpr std::int64_t kShare = COPPICE_FUZZ_SANITIZED ? 20 : 1;
constexpr int kMostSeconds = 10;

// What a signal handler says of a case that ends the program.
std::array<char, 100> current_case{};

void say_current_case() {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, current_case.data(), std::strlen(current_case.data()));
}

extern "C" void end_with_case(int signal) {
  say_current_case();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void name_case(const std::string& format, std::int64_t number) {
  std::snprintf(current_case.data(), current_case.size(), "\nfuzz: in %s, COPPICE_FUZZ_CASE=%lld\n", format.c_str(),
                static_cast<long long>(number));
}

void watch_processor_time(int seconds) {
  const itimerval limit{.it_interval = {}, .it_value = {.tv_sec = seconds, .tv_usec = 0}};
  ::setitimer(ITIMER_PROF, &limit, nullptr);
}

/// A message without what differs from case to case: the words before what it got, but for quoted ones, numbers and
/// names in capitals.
std::string kind_of(const std::string& message) {
  std::istringstream words(message.substr(0, message.find("; got")));
  std::string kind;
  for (std::string word; words >> word;) {
    const bool plain =
        std::ranges::all_of(word, [](char c) { return std::islower(static_cast<unsigned char>(c)) != 0; });
    if (plain) (kind += word) += ' ';
  }
  return kind;
}

}  // namespace

void run(const Campaign& campaign) {
#if COPPICE_FUZZ_SANITIZED
  __sanitizer_set_death_callback(say_current_case);
#else
  for (const int signal : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL}) std::signal(signal, end_with_case);
#endif
  std::signal(SIGPROF, end_with_case);
  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  const AllocatorScope counted(allocator);

  const auto make = [&](std::int64_t number) {
    Generator generator = Generator::keyed(kSeed, campaign.format, static_cast<std::uint64_t>(number));
    return campaign.make(generator);
  };
  const std::int64_t cases = campaign.cases / kShare;
  std::int64_t first = 0;
  std::int64_t last = cases;
  if (const char* only = std::getenv("COPPICE_FUZZ_CASE")) {
    first = std::atoll(only);
    last = first + 1;
    std::ofstream(campaign.format + '-' + only + ".bin", std::ios::binary) << make(first);
  }
  std::int64_t accepted = 0;
  std::int64_t most = 0;
  std::set<std::string> errors;
  for (std::int64_t number = first; number < last; ++number) {
    const std::string bytes = make(number);
    name_case(campaign.format, number);
    watch_processor_time(kMostSeconds);
    allocator->reset_peak();
    reset_heap_peak();
    const std::int64_t before = heap_bytes();
    const std::string error = campaign.target(bytes);
    const std::int64_t taken = std::max(allocator->stats().peak, heap_peak() - before);
    most = std::max(most, taken);
    ASSERT_LE(taken, campaign.fixed_bytes + campaign.per_byte * static_cast<std::int64_t>(bytes.size()))
        << "bytes taken for " << bytes.size() << " of input" << current_case.data() << error;
    accepted += error.empty() ? 1 : 0;
    if (!error.empty()) errors.insert(kind_of(error));
  }
  watch_processor_time(0);
  if (last - first < cases) return;
  std::printf("%s: %lld cases, %lld accepted, %zu kinds of error, at most %lld bytes taken\n", campaign.format.c_str(),
              static_cast<long long>(cases), static_cast<long long>(accepted), errors.size(),
              static_cast<long long>(most));
  EXPECT_GE(accepted, cases / 10);
  EXPECT_GE(cases - accepted, cases / 10);
  EXPECT_GE(static_cast<int>(errors.size()), campaign.kinds_of_error) << [&] {
    std::string all;
    for (const std::string& error : errors) (all += error) += '\n';
    return all;
  }();
}

}  // namespace coppice::fuzz
