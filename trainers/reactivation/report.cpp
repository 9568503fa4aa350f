#include <cmath>
#include <cstdarg>
#include <cstdio>

#include <coppice/trainers/reactivation/reactivation.h>

namespace coppice::train::reactivation {
namespace {

[[gnu::format(printf, 2, 3)]] void append(std::string& text, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  text += line;
}

std::string option(const Results& results, const std::string& name) {
  for (const auto& [key, value] : results.options) {
    if (key == name) return value;
  }
  return "?";
}

void append_heading(const Results& results, std::string& text) {
  append(text, "\nreactivation, scale %s: %s, %lld training, %lld validation and %lld test images\n",
         results.scale.c_str(), results.dataset.c_str(), static_cast<long long>(results.train_images),
         static_cast<long long>(results.validation_images), static_cast<long long>(results.test_images));
  append(text, "multilayer perceptron %s, %s steps of %s images, H = J = Q = %s steps, %d seeds\n",
         option(results, "network").c_str(), option(results, "steps").c_str(), option(results, "batch_size").c_str(),
         option(results, "phase_steps").c_str(), results.seeds);
  append(text, "%s, %s, %d trainings side by side, %d thread each; %s, %s\n\n", results.environment.cpu.c_str(),
         results.environment.isa.c_str(), results.jobs, results.threads_per_run, results.environment.compiler.c_str(),
         results.environment.commit.empty()
             ? "no commit known"
             : (results.environment.commit.substr(0, 12) + (results.environment.dirty ? "+" : "")).c_str());
}

void append_row(const ResultRow& row, std::string& text) {
  append(text, "%6.4g %%  %-19s %8.2f ± %-6.2f %11.3f %9.1f %10.2f %9lld %9lld\n", 100.0 * row.sparsity,
         row.method.c_str(), 100.0 * row.accuracy, 100.0 * row.accuracy_sd, row.train_flops_ratio, row.seconds,
         static_cast<double>(row.peak_bytes) / (1024.0 * 1024.0), static_cast<long long>(row.nnz),
         static_cast<long long>(row.steps));
}

void append_table(const Results& results, std::string& text) {
  const std::vector<ResultRow> rows = summarise(results);
  text += "sparsity  method                 accuracy (%)  train FLOPs   seconds   peak MiB   weights     steps\n";
  std::vector<double> sparsities;
  for (const ResultRow& row : rows) {
    if (sparsities.empty() || row.sparsity > sparsities.back()) sparsities.push_back(row.sparsity);
  }
  for (const double sparsity : sparsities) {
    for (const ResultRow& row : rows) {
      if (row.sparsity == sparsity) append_row(row, text);
    }
    text += '\n';
  }
  text +=
      "accuracy: on the test set at the end, mean ± standard deviation over seeds; train FLOPs: of the dense "
      "training;\n"
      "seconds: one training, evaluation apart; peak: tensors of one training; weights: non-zero, biases apart.\n\n";
  for (const auto& [name, explanation] : results.methods) {
    append(text, "%-19s %s\n", name.c_str(), explanation.c_str());
  }
}

void append_ordering(const Ordering& ordering, std::string& text) {
  const char* verdict = !ordering.claimed ? "(not claimed)" : ordering.held() ? "held" : "NOT held";
  const bool unsure = ordering.difference.low <= 0.0 && ordering.difference.high >= 0.0;
  append(text, "%6.4g %%  %-26s %-14s %+6.2f", 100.0 * ordering.sparsity, ordering.statement.c_str(), verdict,
         100.0 * ordering.difference.mean);
  if (ordering.pairs > 1) {
    append(text, "  [%+.2f, %+.2f]%s", 100.0 * ordering.difference.low, 100.0 * ordering.difference.high,
           unsure ? "  within noise" : "");
  }
  text += '\n';
}

void append_orderings(const Results& results, std::string& text) {
  text += "\nThe orderings of the paper, by paired seeds: difference in points of accuracy [95 % t-interval]\n";
  std::string last;
  for (const Ordering& ordering : results.orderings) {
    if (ordering.statement != last && !ordering.published.empty()) {
      append(text, "          %s; published for ResNet-50 on ImageNet at 90 %%: %s\n", ordering.statement.c_str(),
             ordering.published.c_str());
    } else if (ordering.statement != last) {
      append(text, "          %s, at equal cost\n", ordering.statement.c_str());
    }
    last = ordering.statement;
    append_ordering(ordering, text);
  }
  text += "held: the mean has the claimed sign (>>: and so has the whole interval)\n";
}

}  // namespace

std::string report(const Results& results) {
  std::string text;
  append_heading(results, text);
  append_table(results, text);
  if (!results.orderings.empty()) append_orderings(results, text);
  append(text, "\n%d trainings in %.0f s%s\n", static_cast<int>(results.runs.size()), results.wall_seconds,
         results.interrupted ? "; interrupted, the table holds what was finished" : "");
  return text;
}

}  // namespace coppice::train::reactivation
