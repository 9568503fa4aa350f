#include <coppice/trainers/report/cells.h>
#include <coppice/trainers/report/format.h>
#include <coppice/trainers/report/report.h>

namespace coppice::train::report {
namespace {

/// Text of any origin as LaTeX prints it; what is no printable ASCII is left as UTF-8, control characters are dropped.
std::string latex(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '\\': escaped += "\\textbackslash{}"; break;
      case '~': escaped += "\\textasciitilde{}"; break;
      case '^': escaped += "\\textasciicircum{}"; break;
      case '&':
      case '%':
      case '$':
      case '#':
      case '_':
      case '{':
      case '}':
        escaped += '\\';
        escaped += c;
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20) escaped += c;
    }
  }
  return escaped;
}

/// One line after `%`.
std::string comment(const std::string& text) {
  std::string line;
  for (const char c : text) line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return line;
}

std::string known(bool there, const std::string& text) { return there ? text : "--"; }

std::string row_of(const ResultRow& row) {
  const std::string spread = row.seeds > 1 ? concat(" \\pm ", fixed(100.0 * row.accuracy_sd, 2)) : "";
  return concat(percent(row.sparsity), " & ", latex(label_of(row)), " & $", fixed(100.0 * row.accuracy, 2), spread,
                "$ & ", known(row.train_flops_ratio > 0.0, fixed(row.train_flops_ratio, 3)), " & ",
                known(row.cpu_seconds > 0.0, fixed(row.cpu_seconds, 1)), " & ",
                known(row.seconds > 0.0, fixed(row.seconds, 1)), " & ",
                known(row.peak_bytes > 0, mebibytes(row.peak_bytes)), " & ",
                known(row.seeds > 0, std::to_string(row.seeds)), " \\\\\n");
}

/// What the numbers were made under, as comments.
std::string conditions_of(const Part& part) {
  const Environment& environment = part.results.environment;
  return concat("% ", comment(part.results.command), "\n% ", comment(environment.cpu), ", ", comment(environment.isa),
                ", ", comment(environment.compiler), ", commit ", comment(environment.commit),
                environment.dirty ? "+\n" : "\n");
}

}  // namespace

std::string to_latex(const std::vector<Comparison>& comparisons) {
  std::string text = "% needs \\usepackage{booktabs}\n";
  for (const Comparison& comparison : comparisons) {
    text += concat("\n% ", comment(comparison.dataset), ", scale ", comment(comparison.scale), "\n");
    for (const Part& part : comparison.parts) text += conditions_of(part);
    text += "\\begin{tabular}{rlrrrrrr}\n\\toprule\n";
    text += "Sparsity (\\%) & Method & Accuracy (\\%) & FLOPs & CPU (s) & Wall (s) & Peak (MiB) & Seeds \\\\\n";
    std::vector<double> groups = sparsities_of(comparison);
    groups.insert(groups.begin(), 0.0);
    for (const double sparsity : groups) {
      bool first = true;
      for (const ResultRow& row : comparison.rows) {
        if (row.sparsity != sparsity) continue;
        if (first) text += "\\midrule\n";
        first = false;
        text += row_of(row);
      }
    }
    text += "\\bottomrule\n\\end{tabular}\n";
  }
  return text;
}

}  // namespace coppice::train::report
