#include "bench/report/race.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include <coppice/core/error.h>

namespace coppice::bench {
namespace {

namespace measure = train::measure;

constexpr double kNoBound = std::numeric_limits<double>::infinity();

bool processor_has(const std::string& flag) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string word; file >> word;) {
    if (word == flag) return true;
  }
  return false;
}

/// Every way to start every engine, as it is installed and at its best.
std::vector<PeerCommand> commands(int threads, const std::string& venv) {
  const std::string here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::string scripts = COPPICE_SOURCE_DIR "/bench/peers/";
  const std::string python = venv + "/bin/python";
  const std::string count = std::to_string(threads);
  const std::vector<std::string> base = {"OMP_NUM_THREADS=" + count, "OPENBLAS_NUM_THREADS=" + count,
                                         "OPENBLAS_THREAD_TIMEOUT=4"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    return more;
  };
  // glibc otherwise gives every large result back to the system and faults it in again.
  std::vector<std::string> tuned =
      with({"MALLOC_MMAP_THRESHOLD_=8589934592", "MALLOC_TRIM_THRESHOLD_=17179869184", "MALLOC_TOP_PAD_=67108864"});
  const bool avx512 = processor_has("avx512f");
  if (avx512) {
    tuned.emplace_back("ATEN_CPU_CAPABILITY=avx512");
    tuned.emplace_back("OPENBLAS_CORETYPE=SKYLAKEX");
  }
  std::vector<PeerCommand> all = {
      {"dnnl", {here + "/coppice-peer-dnnl"}, base},
      {"openblas", {here + "/coppice-peer-openblas"}, base, true},
      {"libtorch", {here + "/coppice-peer-libtorch"}, base, true},
      {"torch1.installed", {"/usr/bin/python3", scripts + "torch_peer.py", count}, base, true},
      {"torch1.tuned", {"/usr/bin/python3", scripts + "torch_peer.py", count}, tuned},
      {"torch2.installed", {python, scripts + "torch_peer.py", count}, base, true},
      {"torch2.tuned", {python, scripts + "torch_peer.py", count}, tuned},
      {"torch2.compiled", {python, scripts + "torch_peer.py", count, "compile"}, tuned},
      {"onnxruntime", {python, scripts + "onnxruntime_peer.py", count}, base},
  };
  if (threads == 1) all.push_back({"eigen", {here + "/coppice-peer-eigen"}, base});
  if (avx512) all.push_back({"openblas.tuned", {here + "/coppice-peer-openblas"}, tuned});
  return all;
}

/// A race is run so often, all rounds counting, until its ratios are sharp.
constexpr int kMostAttempts = 3;

std::string blur(const measure::Ratio& ratio, double widest) {
  if (!std::isfinite(ratio.low) || !std::isfinite(ratio.high)) return {};  // too few rounds to say
  if (ratio.high - ratio.low <= 2.0 * widest * ratio.value) return {};
  std::ostringstream text;
  text.precision(3);
  text << "noisy: the ratio may as well be " << ratio.low << " as " << ratio.high;
  return text.str();
}

const Race::Runner* best_peer(const Race& race) {
  const auto best = std::ranges::min_element(
      race.peers, {}, [](const Race::Runner& runner) { return measure::median(runner.seconds); });
  return best == race.peers.end() ? nullptr : &*best;
}

/// Whether no ratio of it would be refused.
bool is_sharp(const Race& race) {
  if (!race.refused.empty()) return false;
  const Race::Runner* const best = best_peer(race);
  return best == nullptr || std::ranges::all_of(race.ours, [&](const std::vector<double>& ours) {
           return blur(measure::paired_ratio(best->seconds, ours), race.widest).empty();
         });
}

void add_installed(Row& row, const Race& race, const std::vector<double>& ours) {
  double least = kNoBound;
  for (const Race::Runner& runner : race.peers) {
    const double seconds = measure::median(runner.seconds);
    if (!runner.installed || seconds >= least) continue;
    least = seconds;
    row.installed = runner.title;
    row.as_installed = seconds / measure::median(ours);
  }
}

}  // namespace

void refuse_blurred(Row& row, double widest) {
  const std::string reason = blur(row.ratio, widest);
  if (reason.empty()) return;
  row.ours = row.peers = 0.0;
  row.peer.clear();
  row.ratio = {};
  row.note = reason;
}

Bench::Bench(int threads, std::string venv, const measure::Ceilings& ceilings)
    : threads_(threads), ceilings_(ceilings) {
  for (PeerCommand& command : commands(threads, venv)) entries_.push_back({.command = std::move(command)});
}

Peer* Bench::peer(const std::string& key) {
  const auto entry = std::ranges::find_if(entries_, [&](const Entry& e) { return e.command.key == key; });
  if (entry == entries_.end()) return nullptr;
  if (!entry->tried) {
    entry->tried = true;
    try {
      entry->peer = std::make_unique<Peer>(entry->command);
    } catch (const Error& error) {
      std::fprintf(stderr, "peer %s is not here (scripts/peers.sh installs what can be had)\n", key.c_str());
    }
  }
  return entry->peer.get();
}

measure::Conditions Bench::peer_titles() const {
  measure::Conditions titles;
  for (const Entry& entry : entries_) {
    if (entry.peer) titles.emplace_back("peer." + entry.command.key, entry.peer->title());
  }
  return titles;
}

Race race(Bench& bench, const std::vector<Ours>& ours, const RaceOptions& options) {
  std::vector<measure::Timed> things;
  for (const Ours& way : ours) {
    things.push_back({way.name, [&way](int calls) { return measure::time_calls(calls, way.call); }});
  }
  std::vector<Peer*> peers;
  for (const std::string& key : options.peers) {
    Peer* const peer = bench.peer(key);
    if (peer == nullptr || !peer->prepare(options.peer_case)) continue;
    peers.push_back(peer);
    things.push_back({key, [peer](int calls) { return peer->run(calls); }});
  }
  Race result;
  std::vector<std::vector<measure::Sample>> samples(things.size());
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    const auto more = measure::sample_in_turn(things, {.rounds = options.rounds,
                                                       .sample_seconds = options.sample_seconds,
                                                       .longest_seconds = options.longest_seconds});
    for (std::size_t i = 0; i < things.size(); ++i) samples[i].insert(samples[i].end(), more[i].begin(), more[i].end());
    // What all of a round suffer alike is in no ratio, and one that suffered alone moves the ratios' interval but
    // hardly their median: the ratios say whether they are sharp enough (row_of).
    const measure::KeptRounds kept = measure::keep_rounds(samples, bench.threads(), kNoBound, kNoBound);
    result = {.ours = {kept.seconds.begin(), kept.seconds.begin() + std::ssize(ours)},
              .refused = kept.refused,
              .widest = options.widest};
    for (std::size_t i = 0; i < peers.size(); ++i) {
      result.peers.push_back({peers[i]->title(), peers[i]->installed(), kept.seconds[ours.size() + i]});
    }
    if (is_sharp(result)) break;
  }
  return result;
}

Race sum(const std::vector<Race>& races, const std::vector<double>& weights) {
  Race total = races.at(0);
  std::size_t rounds = total.ours.at(0).size();
  for (const Race& race : races) rounds = std::min(rounds, race.ours.at(0).size());
  const auto add_all = [&](const auto& seconds_of) {
    std::vector<double> seconds(rounds, 0.0);
    for (std::size_t r = 0; r < races.size(); ++r) {
      const std::vector<double>* const part = seconds_of(races[r]);
      if (part == nullptr) return std::vector<double>{};
      for (std::size_t i = 0; i < rounds; ++i) seconds[i] += weights[r] * (*part)[i];
    }
    return seconds;
  };
  for (std::size_t way = 0; way < total.ours.size(); ++way) {
    total.ours[way] = add_all([&](const Race& race) { return &race.ours[way]; });
  }
  for (Race::Runner& runner : total.peers) {
    runner.seconds = add_all([&](const Race& race) -> const std::vector<double>* {
      const auto same = std::ranges::find(race.peers, runner.title, &Race::Runner::title);
      return same == race.peers.end() ? nullptr : &same->seconds;
    });
  }
  std::erase_if(total.peers, [](const Race::Runner& runner) { return runner.seconds.empty(); });
  for (const Race& race : races) {
    if (!race.refused.empty()) total.refused = race.refused;
  }
  return total;
}

Row row_of(const std::string& what, const Race& race, std::size_t way, int threads, Goal goal) {
  Row row{.what = what, .threads = threads, .goal = goal.goal, .floor = goal.floor, .note = race.refused};
  if (!race.refused.empty()) return row;
  const std::vector<double>& ours = race.ours.at(way);
  row.ours = measure::median(ours);
  if (const Race::Runner* const best = best_peer(race)) {
    row.peer = best->title;
    row.peers = measure::median(best->seconds);
    row.ratio = measure::paired_ratio(best->seconds, ours);
    refuse_blurred(row, race.widest);
  }
  if (row.measured()) add_installed(row, race, ours);
  return row;
}

Row row_of_limit(const std::string& what, const Race& race, double limit, const std::string& limits_name, int threads,
                 Goal goal) {
  Row row{.what = what, .threads = threads, .goal = goal.goal, .floor = goal.floor, .note = race.refused};
  if (!race.refused.empty()) return row;
  const std::vector<double>& ours = race.ours.at(0);
  row.ours = measure::median(ours);
  row.peer = limits_name;
  row.peers = limit;
  row.ratio = measure::paired_ratio(std::vector<double>(ours.size(), limit), ours);
  refuse_blurred(row, race.widest);
  if (row.measured()) add_installed(row, race, ours);
  return row;
}

}  // namespace coppice::bench
