#include <coppice/trainers/report/paper.h>

#include <coppice/trainers/reactivation/reactivation.h>

namespace coppice::train::report {
namespace {

std::vector<std::pair<std::string, std::string>> explanations() {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const reactivation::Method& row : reactivation::methods()) pairs.emplace_back(row.name, row.explanation);
  return pairs;
}

}  // namespace

const Paper& find_paper(std::string_view name) {
  static const Paper reactivation_paper = {
      .title = "Sparse training that explores what it has pruned",
      .citation =
          "Sun, Shen, Yin, Mao, Molchanov, Alvarez: Advancing Weight and Channel "
          "Sparsification with Enhanced Saliency. WACV 2025, arXiv 2502.03658.",
      .question =
          "A sparse network keeps only a small part of its weights while it trains, and from time to time "
          "exchanges some of those it keeps for others. The paper says: before choosing, train the pruned "
          "weights for a while with the kept ones frozen (exploration), then keep what became large. Does that "
          "give more accurate networks than choosing without exploration, at the same number of steps, and at "
          "the same cost?",
      .reference = "iee",
      .published = "ResNet-50 on ImageNet at 90 % sparsity",
      .methods = explanations(),
      .compare = reactivation::compare};
  static const Paper none = {.title = "Sparse training, compared",
                             .compare = [](const std::vector<RunResult>&) { return std::vector<Ordering>(); }};
  return name == "reactivation" ? reactivation_paper : none;
}

}  // namespace coppice::train::report
