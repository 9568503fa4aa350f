#pragma once

#include <coppice/trainers/report/cells.h>
#include <coppice/trainers/report/markup.h>
#include <coppice/trainers/report/merge.h>
#include <coppice/trainers/report/style.h>

namespace coppice::train::report {

/// What the sections of one comparison share.
struct Context {
  const Comparison& comparison;
  const Styles& styles;
  std::vector<Cell> cells{};
  std::vector<double> sparsities{};
};

// Each writes one section of the page, or nothing where there is nothing to show.

/// The claimed orderings: which held, with their intervals.
void write_verdicts(Markup& page, const Context& context);
/// Accuracies by method and sparsity, then everything that was measured.
void write_tables(Markup& page, const Context& context);
/// Accuracy against FLOPs, seconds and memory.
void write_costs(Markup& page, const Context& context);
/// Validation accuracy during training.
void write_learning(Markup& page, const Context& context);
/// Which weights live: density by layer, pictures, phases.
void write_structure(Markup& page, const Context& context);
/// How masks change: survival, overlap, how many were ever alive.
void write_dynamics(Markup& page, const Context& context);
/// Time and memory by sparsity beside dense.
void write_speed(Markup& page, const Context& context);
/// Where the numbers come from.
void write_conditions(Markup& page, const Context& context);
/// What the words mean.
void write_words(Markup& page);

/// A chart's series for one method.
Series series_of(const Context& context, const std::string& name, std::vector<Point> points, bool marks = false);

}  // namespace coppice::train::report
