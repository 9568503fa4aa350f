#pragma once

// The peer's side of a conversation: a small program around another engine reads lines and answers each with one.
//
//   (at its start)        peer <name> <version> <settings>, parted by tabs
//   prepare KIND a=1 …    ready, or: no <reason>
//   run CALLS             <wall> <processor> seconds of one call

#include <cstdio>
#include <ctime>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

namespace coppice::peers {

/// The numbers and words that a case is made of.
class Arguments {
 public:
  explicit Arguments(std::istringstream& line) {
    for (std::string word; line >> word;) {
      const std::size_t equals = word.find('=');
      if (equals != std::string::npos) values_[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }
  std::string text(const std::string& key) const { return values_.at(key); }
  long number(const std::string& key) const { return std::stol(values_.at(key)); }

 private:
  std::map<std::string, std::string> values_;
};

using Call = std::function<void()>;
/// Makes one call of a case ready to be timed. Throws where the engine cannot do it.
using Prepare = std::function<Call(const Arguments&)>;

inline double seconds_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Answers until the other side hangs up.
inline int serve(const std::string& introduction, const std::map<std::string, Prepare>& kinds) {
  std::cout << "peer\t" << introduction << std::endl;
  Call call;
  for (std::string text; std::getline(std::cin, text);) {
    std::istringstream line(text);
    std::string verb;
    line >> verb;
    if (verb == "run") {
      long calls = 1;
      line >> calls;
      const double wall = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
      for (long i = 0; i < calls; ++i) call();
      const double n = static_cast<double>(calls);
      std::printf("%.9g %.9g\n", (seconds_of(CLOCK_MONOTONIC) - wall) / n,
                  (seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu) / n);
    } else {
      std::string kind;
      line >> kind;
      try {
        call = kinds.at(kind)(Arguments(line));
        std::printf("ready\n");
      } catch (const std::exception& error) {
        std::printf("no %s: %s\n", kind.c_str(), error.what());
      }
    }
    std::fflush(stdout);
  }
  return 0;
}

/// `count` values in (−1, 1), none of them zero.
inline void fill(float* values, long count) {
  unsigned state = 12345;
  for (long i = 0; i < count; ++i) {
    state = state * 1664525U + 1013904223U;
    values[i] = (static_cast<float>(state >> 8) + 0.5F) * 0x1p-23F - 1.0F;
  }
}

}  // namespace coppice::peers
