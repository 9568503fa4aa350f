#include <coppice/trainers/cli/progress.h>

#include <unistd.h>

#include <cstdio>
#include <string>

namespace coppice::train::cli {
namespace {

constexpr int kBarWidth = 32;
constexpr double kSecondsBetweenFrames = 0.2;

std::string duration(double seconds) {
  const auto whole = static_cast<long long>(seconds + 0.5);
  char text[32];
  std::snprintf(text, sizeof(text), "%lld:%02lld", whole / 60, whole % 60);
  return text;
}

}  // namespace

ProgressBar::ProgressBar() : terminal_(isatty(STDERR_FILENO) == 1) {}

double ProgressBar::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void ProgressBar::draw(double fraction, const std::string& what, bool now) {
  if (!terminal_) return;
  const double at = elapsed();
  if (!now && at - drawn_at_ < kSecondsBetweenFrames) return;
  drawn_at_ = at;
  const int filled = static_cast<int>(fraction * kBarWidth);
  std::string bar(static_cast<std::size_t>(filled), '#');
  bar.resize(kBarWidth, '.');
  const double done = fraction - begun_at_;
  const std::string left = done > 0.01 ? duration(at * (1.0 - fraction) / done) : "?";
  std::fprintf(stderr, "\r\033[K[%s] %3.0f %%  %s, %s left", bar.c_str(), 100.0 * fraction, what.c_str(), left.c_str());
  std::fflush(stderr);
}

void ProgressBar::finish() {
  if (terminal_) std::fputs("\r\033[K", stderr);
}

void ProgressPrinter::operator()(const reactivation::Progress& progress) {
  if (bar_.on_terminal()) {
    std::string what = std::to_string(progress.finished);
    what.append(" of ").append(std::to_string(progress.planned)).append(" trainings");
    bar_.draw(progress.fraction, what, progress.run != nullptr);
    return;
  }
  if (!progress.run) return;
  const RunResult& run = *progress.run;
  std::fprintf(stderr, "[%d/%d] %5.1f %%  %s %g %% seed %llu: %.2f %% in %.1f s\n", progress.finished, progress.planned,
               100.0 * progress.fraction, run.method.c_str(), 100.0 * run.sparsity,
               static_cast<unsigned long long>(run.seed), 100.0 * run.accuracy, run.seconds);
}

}  // namespace coppice::train::cli
