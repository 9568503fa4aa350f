#include <algorithm>
#include <cmath>

#include <coppice/trainers/report/format.h>
#include <coppice/trainers/report/paper.h>
#include <coppice/trainers/report/sections.h>

namespace coppice::train::report {
namespace {

constexpr double kWidth = 360.0;
constexpr double kLeft = 48.0;
constexpr double kRight = 205.0;
constexpr double kRow = 34.0;
constexpr double kTop = 8.0;
constexpr double kDot = 4.5;

bool within_noise(const Ordering& ordering) {
  return ordering.difference.low <= 0.0 && ordering.difference.high >= 0.0;
}

/// `iee` in `iee >= rigl`.
std::string side_of(const Ordering& ordering) { return ordering.statement.substr(0, ordering.statement.find(' ')); }

std::string verdict_of(const Ordering& ordering) {
  std::string verdict;
  if (!ordering.claimed) {
    verdict = ordering.difference.mean >= 0.0 ? "ahead" : "behind";
  } else {
    verdict = ordering.held() ? "held" : "not held";
  }
  return within_noise(ordering) ? concat(verdict, ", within noise") : verdict;
}

const char* class_of(const Ordering& ordering) {
  if (within_noise(ordering) || !ordering.claimed) return "soft";
  return ordering.held() ? "good" : "bad";
}

void draw_row(Markup& page, const Ordering& ordering, const Scale& scale, double middle) {
  const Interval& difference = ordering.difference;
  const bool bounded = std::isfinite(difference.low) && std::isfinite(difference.high);
  const std::string numbers =
      concat(points(difference.mean), " ", bounded ? interval(difference.low, difference.high) : "(one seed)");
  draw_text(page, kLeft - 8.0, middle + 4.0, concat(percent(ordering.sparsity), " %"), Anchor::End);
  page.open("g", {{"class", class_of(ordering)}});
  page.element("title", concat(ordering.statement, " at ", sparsity_name(ordering.sparsity), ": ", numbers, " points"));
  if (bounded) {
    const double low = scale(difference.low);
    const double high = scale(difference.high);
    Path path;
    path.move(low, middle).across(high);
    for (const double end : {low, high}) path.move(end, middle - 4.0).down_by(8.0);
    draw_path(page, "line", path);
  }
  const double at = scale(difference.mean) - kDot;
  draw_path(page, within_noise(ordering) ? "hollow" : "fill",
            Path().move(at, middle).half_circle(kDot).half_circle(-kDot).close());
  page.close();
  draw_text(page, kRight + 10.0, middle - 2.0, verdict_of(ordering), Anchor::Start, class_of(ordering));
  draw_text(page, kRight + 10.0, middle + 11.0, numbers, Anchor::Start, "soft");
}

void draw_forest(Markup& page, const std::vector<const Ordering*>& orderings, const Paper& paper) {
  double low = 0.0;
  double high = 0.0;
  for (const Ordering* ordering : orderings) {
    for (const double end : {ordering->difference.mean, ordering->difference.low, ordering->difference.high}) {
      if (!std::isfinite(end)) continue;
      low = std::min(low, end);
      high = std::max(high, end);
    }
  }
  const double pad = high > low ? 0.08 * (high - low) : 0.01;
  const Ordering& first = *orderings.front();
  const double bottom = kTop + kRow * static_cast<double>(orderings.size());
  const Scale in_points(Stretch::Linear, 100.0 * (low - pad), 100.0 * (high + pad), kLeft, kRight);
  const Scale in_fractions(Stretch::Linear, low - pad, high + pad, kLeft, kRight);

  std::string aside = first.claimed ? "" : "not claimed; at equal cost";
  if (!first.published.empty()) aside = concat("published: ", first.published, " (", paper.published, ")");
  page.open("figure").open("figcaption").text(first.statement).text(" ");
  page.element("span", {{"class", "soft"}}, aside).close();
  open_svg(
      page, kWidth, bottom + 36.0, concat(first.statement, ": differences of accuracy with their intervals"),
      "One row for each sparsity: the mean difference in points as a dot, its 95 % interval as a line, and whether "
      "the ordering held.");
  for (const Tick& tick : readable_ticks({}, in_points, false)) {
    const double x = in_points(tick.value);
    draw_path(page, tick.value == 0.0 ? "axis" : "grid", Path().move(x, kTop).down(bottom));
    draw_text(page, x, bottom + 14.0, tick.label, Anchor::Middle, "soft");
  }
  for (std::size_t i = 0; i < orderings.size(); ++i) {
    draw_row(page, *orderings[i], in_fractions, kTop + kRow * (static_cast<double>(i) + 0.5));
  }
  draw_text(page, 0.5 * (kLeft + kRight), bottom + 30.0, concat(side_of(first), " better by … points"), Anchor::Middle);
  page.close().close();
}

void write_sentence(Markup& page, const std::vector<Ordering>& orderings) {
  std::int64_t claimed = 0;
  std::int64_t held = 0;
  std::int64_t beyond = 0;
  std::int64_t against = 0;
  for (const Ordering& ordering : orderings) {
    if (!ordering.claimed) continue;
    ++claimed;
    held += ordering.held() ? 1 : 0;
    beyond += ordering.held() && !within_noise(ordering) ? 1 : 0;
    against += !within_noise(ordering) && ordering.difference.mean < 0.0 ? 1 : 0;
  }
  if (claimed == 0) return;
  page.open("p").text(concat("Of ", grouped(claimed), " claimed orderings "));
  page.element("strong", concat(grouped(held), " held")).text(concat(", ", grouped(beyond), " of them beyond noise; "));
  page.element("strong", concat(grouped(claimed - held), " did not hold"));
  page.text(concat(", ", against == 0 ? "none" : grouped(against), " of them with the opposite sign beyond noise."))
      .close();
}

}  // namespace

void write_verdicts(Markup& page, const Context& context) {
  const std::vector<Ordering>& orderings = context.comparison.orderings;
  if (orderings.empty()) return;
  page.element("h2", {{"id", "verdicts"}}, "Which orderings held");
  write_sentence(page, orderings);
  page.element(
      "p", {{"class", "soft"}},
      "Each dot is a difference of test accuracies, in points, between two methods that were given the same "
      "seeds: the same initial weights, the same order of the images. The line is the 95 % interval of the mean "
      "(paired t). Held: the mean has the claimed sign; where the claim is “clearly better” (>>), so has the "
      "whole interval. A hollow dot is within noise: the interval contains zero.");
  std::vector<std::string> statements;
  for (const Ordering& ordering : orderings) {
    if (std::ranges::find(statements, ordering.statement) == statements.end()) statements.push_back(ordering.statement);
  }
  page.open("div", {{"class", grid_class(statements.size())}});
  for (const std::string& statement : statements) {
    std::vector<const Ordering*> rows;
    for (const Ordering& ordering : orderings) {
      if (ordering.statement == statement) rows.push_back(&ordering);
    }
    draw_forest(page, rows, find_paper(context.comparison.paper));
  }
  page.close();
}

}  // namespace coppice::train::report
