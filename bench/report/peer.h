#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

#include <coppice/trainers/measure/clock.h>

namespace coppice::bench {

/// How a program around another engine is started.
struct PeerCommand {
  std::string key{};                     ///< names it among the peers of a run, e.g. `torch.tuned`
  std::vector<std::string> words{};      ///< program and arguments
  std::vector<std::string> variables{};  ///< `NAME=value`, on top of this process' environment
  bool installed = false;                ///< as users have it, beside one at its best
};

/// A program around another engine, which takes samples when asked (bench/peers/protocol.h). It ends with this object.
class Peer {
 public:
  /// Throws `[peer] …` where it does not start or does not introduce itself.
  explicit Peer(PeerCommand command);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  const std::string& key() const { return command_.key; }
  bool installed() const { return command_.installed; }
  /// `oneDNN 2.6.3 (packed weights, blocked layouts)`
  const std::string& title() const { return title_; }
  /// Whether it can do the case; why not is in reason().
  bool prepare(const std::string& what);
  const std::string& reason() const { return reason_; }
  train::measure::Sample run(int calls);

 private:
  PeerCommand command_;
  pid_t process_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  std::string title_{};
  std::string reason_{};

  std::string ask(const std::string& line);
  std::string read_line();
};

}  // namespace coppice::bench
