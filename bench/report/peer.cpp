#include "bench/report/peer.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include <coppice/core/error.h>

namespace coppice::bench {

Peer::Peer(PeerCommand command) : command_(std::move(command)) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that ends is noticed by its silence
  int to[2], from[2];
  COPPICE_CHECK(::pipe2(to, O_CLOEXEC) == 0 && ::pipe2(from, O_CLOEXEC) == 0,
                "[peer] no pipes: ", std::strerror(errno));
  std::vector<char*> words;
  for (const std::string& word : command_.words) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  process_ = ::fork();
  COPPICE_CHECK(process_ >= 0, "[peer] no process: ", std::strerror(errno));
  if (process_ == 0) {
    ::dup2(to[0], STDIN_FILENO);
    ::dup2(from[1], STDOUT_FILENO);
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(nowhere, STDERR_FILENO);
    for (std::string& variable : command_.variables) ::putenv(variable.data());
    ::execvp(words[0], words.data());
    ::_exit(127);
  }
  ::close(to[0]);
  ::close(from[1]);
  to_ = ::fdopen(to[1], "w");
  from_ = ::fdopen(from[0], "r");
  std::istringstream introduction(read_line());
  std::string verb, name, version, settings;
  std::getline(introduction, verb, '\t');
  std::getline(introduction, name, '\t');
  std::getline(introduction, version, '\t');
  std::getline(introduction, settings);
  title_ = name + ' ' + version + " (" + settings + ')';
  COPPICE_CHECK(verb == "peer", "[peer] ", command_.key, " expects an introduction; got '", verb, "'");
}

Peer::~Peer() {
  std::fclose(to_);  // which ends it
  std::fclose(from_);
  ::waitpid(process_, nullptr, 0);
}

std::string Peer::read_line() {
  std::string line;
  for (int c = std::fgetc(from_); c != '\n'; c = std::fgetc(from_)) {
    if (c == EOF) {
      // The destructor does not run where the constructor throws.
      if (title_.empty()) {
        std::fclose(to_);
        std::fclose(from_);
        ::waitpid(process_, nullptr, 0);
      }
      detail::fail("[peer] ", command_.key, " ended");
    }
    line += static_cast<char>(c);
  }
  return line;
}

std::string Peer::ask(const std::string& line) {
  std::fprintf(to_, "%s\n", line.c_str());
  std::fflush(to_);
  return read_line();
}

bool Peer::prepare(const std::string& what) {
  reason_ = ask("prepare " + what);
  return reason_ == "ready";
}

train::measure::Sample Peer::run(int calls) {
  const std::string answer = ask("run " + std::to_string(calls));
  train::measure::Sample sample;
  std::istringstream numbers(answer);
  COPPICE_CHECK(numbers >> sample.wall >> sample.cpu, "[peer] ", command_.key, " expects two numbers; got '", answer,
                "'");
  return sample;
}

}  // namespace coppice::bench
