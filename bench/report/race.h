#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <coppice/trainers/measure/ceilings.h>
#include <coppice/trainers/measure/sampler.h>

#include "bench/report/peer.h"
#include "bench/report/row.h"

namespace coppice::bench {

/// What every group measures with: the peers, started when first asked for, on a number of threads.
class Bench {
 public:
  Bench(int threads, std::string venv, const train::measure::Ceilings& ceilings);

  int threads() const { return threads_; }
  const train::measure::Ceilings& ceilings() const { return ceilings_; }
  /// The peer of that key; null where it is not installed, which is said once on standard error.
  Peer* peer(const std::string& key);
  /// Every peer that runs, with its key and title.
  train::measure::Conditions peer_titles() const;

 private:
  struct Entry {
    PeerCommand command;
    std::unique_ptr<Peer> peer{};
    bool tried = false;
  };
  int threads_;
  train::measure::Ceilings ceilings_;
  std::vector<Entry> entries_{};
};

/// Our way of doing a case.
struct Ours {
  std::string name{};
  std::function<void()> call{};
};

struct RaceOptions {
  std::vector<std::string> peers{};  ///< keys
  std::string peer_case{};           ///< as bench/peers/protocol.h says
  int rounds = 9;
  double sample_seconds = 0.01;
  double longest_seconds = 60.0;
  double widest = 0.1;  ///< a ratio that may as well be a larger share higher or lower is refused
};

/// Times of all who took part, round by round; rounds that something disturbed are left out.
struct Race {
  std::vector<std::vector<double>> ours{};  ///< [way][round]
  struct Runner {
    std::string title;
    bool installed;
    std::vector<double> seconds;
  };
  std::vector<Runner> peers{};
  std::string refused{};
  double widest = 0.1;  ///< as the options say
};

/// Times our ways and the peers' in turn, on bench.threads() threads.
Race race(Bench& bench, const std::vector<Ours>& ours, const RaceOptions& options);

/// A weighted sum of races, peer by peer; those that are missing in one are left out.
Race sum(const std::vector<Race>& races, const std::vector<double>& weights);

struct Goal {
  double goal = 0.0;
  double floor = 0.0;
};

/// Takes back what a row says where its ratio may as well be another by more than that share.
void refuse_blurred(Row& row, double widest = 0.1);

/// The line that says how our way of that number did beside the best peer.
Row row_of(const std::string& what, const Race& race, std::size_t way, int threads, Goal goal);

/// The line of something that is judged by a limit, in seconds per call: peers only stand beside it.
Row row_of_limit(const std::string& what, const Race& race, double limit, const std::string& limits_name, int threads,
                 Goal goal);

}  // namespace coppice::bench
