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

ProgressPrinter::ProgressPrinter() : terminal_(isatty(STDERR_FILENO) == 1) {}

double ProgressPrinter::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void ProgressPrinter::operator()(const reactivation::Progress& progress) {
  if (terminal_) {
    draw_bar(progress);
    return;
  }
  if (!progress.run) return;
  const RunResult& run = *progress.run;
  std::fprintf(stderr, "[%d/%d] %5.1f %%  %s %g %% seed %llu: %.2f %% in %.1f s\n", progress.finished, progress.planned,
               100.0 * progress.fraction, run.method.c_str(), 100.0 * run.sparsity,
               static_cast<unsigned long long>(run.seed), 100.0 * run.accuracy, run.seconds);
}

void ProgressPrinter::draw_bar(const reactivation::Progress& progress) {
  const double now = elapsed();
  if (!progress.run && now - drawn_at_ < kSecondsBetweenFrames) return;
  drawn_at_ = now;
  const int filled = static_cast<int>(progress.fraction * kBarWidth);
  std::string bar(static_cast<std::size_t>(filled), '#');
  bar.resize(kBarWidth, '.');
  const double left = progress.fraction > 0.0 ? now * (1.0 - progress.fraction) / progress.fraction : 0.0;
  std::fprintf(stderr, "\r\033[K[%s] %3.0f %%  %d of %d trainings, %s left", bar.c_str(), 100.0 * progress.fraction,
               progress.finished, progress.planned, progress.fraction > 0.01 ? duration(left).c_str() : "?");
  std::fflush(stderr);
}

void ProgressPrinter::finish() {
  if (terminal_) std::fputs("\r\033[K", stderr);
}

}  // namespace coppice::train::cli
