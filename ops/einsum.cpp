#include <coppice/ops/einsum.h>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <string>

#include <coppice/ops/diagonal.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/matmul.h>
#include <coppice/ops/rearrange.h>
#include <coppice/ops/reduce.h>

namespace coppice {
namespace {

/// What names a dimension: the code of its letter, or, in "...", −1 for the last, −2 for the one before it.
using Labels = std::vector<int>;

bool has(const Labels& labels, int label) { return std::find(labels.begin(), labels.end(), label) != labels.end(); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

struct Operand {
  Tensor elements;
  Labels labels;
};

/// Equation and shapes, as messages end.
std::string described(std::string_view equation, const std::vector<Tensor>& operands) {
  std::ostringstream text;
  text << equation;
  const char* separator = " of ";
  for (const Tensor& operand : operands) {
    text << separator << operand.shape();
    separator = " and ";
  }
  return text.str();
}

/// The labels of one term, whose "..." stands for `unnamed` dimensions.
Labels parse_term(std::string_view term, int unnamed, const std::string& what) {
  Labels labels;
  bool found = false;
  for (std::size_t i = 0; i < term.size(); ++i) {
    if (is_letter(term[i])) {
      labels.push_back(term[i]);
      continue;
    }
    COPPICE_CHECK(term.substr(i, 3) == "..." && !found,
                  "[einsum] expects letters and at most one \"...\" in a term; got \"", term, "\" in ", what);
    found = true;
    i += 2;
    for (int label = -unnamed; label < 0; ++label) labels.push_back(label);
  }
  return labels;
}

/// The dimensions that "..." stands for in an operand of this rank.
int count_unnamed(std::string_view term, int rank, const std::string& what) {
  const int named = static_cast<int>(std::count_if(term.begin(), term.end(), is_letter));
  const bool dots = term.find("...") != std::string_view::npos;
  COPPICE_CHECK(dots ? named <= rank : named == rank, "[einsum] the term \"", term, "\" names ", named,
                " dimensions of an operand of ", rank, ": ", what, dots ? "" : "; \"...\" stands for those not named");
  return rank - named;
}

/// Letters that occur twice become one dimension, the diagonal.
void take_diagonals(Operand& operand, const std::string& what) {
  for (std::size_t i = 0; i < operand.labels.size(); ++i) {
    const auto again =
        std::find(operand.labels.begin() + static_cast<std::ptrdiff_t>(i) + 1, operand.labels.end(), operand.labels[i]);
    if (again == operand.labels.end()) continue;
    const int label = *again, second = static_cast<int>(again - operand.labels.begin()), first = static_cast<int>(i);
    COPPICE_CHECK(operand.elements.size(first) == operand.elements.size(second), "[einsum] the letter '",
                  static_cast<char>(label), "' is twice in one operand, with sizes ", operand.elements.size(first),
                  " and ", operand.elements.size(second), ": ", what);
    operand.elements = diagonal(operand.elements, 0, first, second);
    operand.labels.erase(again);
    operand.labels.erase(operand.labels.begin() + first);
    operand.labels.push_back(label);
    --i;
  }
}

/// Drops dimensions of size 1 that the other operand has in full.
void drop_broadcast(Operand& operand, const Operand& other, const std::string& what) {
  for (std::size_t i = operand.labels.size(); i-- > 0;) {
    const int label = operand.labels[i], dim = static_cast<int>(i);
    const auto found = std::find(other.labels.begin(), other.labels.end(), label);
    if (found == other.labels.end()) continue;
    const std::int64_t size = operand.elements.size(dim);
    const std::int64_t size_there = other.elements.size(static_cast<int>(found - other.labels.begin()));
    if (size == size_there) continue;
    COPPICE_CHECK(size == 1 || size_there == 1, "[einsum] ", label < 0 ? "a dimension of '...'" : "the letter ",
                  label < 0 ? ' ' : static_cast<char>(label), " has sizes ", size, " and ", size_there,
                  ", neither of them 1: ", what);
    if (size != 1) continue;
    operand.elements = operand.elements.squeeze(dim);
    operand.labels.erase(operand.labels.begin() + dim);
  }
}

/// Sums over what neither the output nor the other operand names.
void sum_unused(Operand& operand, const Labels& output, const Labels& other) {
  Dims dims;
  Labels kept;
  for (std::size_t i = 0; i < operand.labels.size(); ++i) {
    const int label = operand.labels[i];
    if (has(output, label) || has(other, label)) {
      kept.push_back(label);
    } else {
      dims.push_back(static_cast<std::int64_t>(i));
    }
  }
  if (kept.size() == operand.labels.size()) return;
  operand.elements = sum(operand.elements, dims);
  operand.labels = kept;
}

/// The dimensions in this order.
Tensor arranged(const Operand& operand, const Labels& order) {
  Dims dims;
  for (const int label : order) {
    dims.push_back(std::find(operand.labels.begin(), operand.labels.end(), label) - operand.labels.begin());
  }
  return operand.elements.permute(dims);
}

Labels joined(const Labels& a, const Labels& b, const Labels& c = {}) {
  Labels all = a;
  all.insert(all.end(), b.begin(), b.end());
  all.insert(all.end(), c.begin(), c.end());
  return all;
}

/// One batched matrix product: labels of both and the output are batches, of both alone the depth.
Operand multiply(const Operand& a, const Operand& b, const Labels& output) {
  Labels batch, rows, depth, columns;
  Shape shape;
  const auto take = [&](const Operand& from, auto wanted, Labels& into) {
    std::int64_t count = 1;
    for (std::size_t i = 0; i < from.labels.size(); ++i) {
      const int label = from.labels[i];
      if (!wanted(label)) continue;
      into.push_back(label);
      const std::int64_t size = from.elements.size(static_cast<int>(i));
      count *= size;
      if (has(output, label)) shape.push_back(size);
    }
    return count;
  };
  const std::int64_t n = take(
      a, [&](int l) { return has(b.labels, l) && has(output, l); }, batch);
  const std::int64_t m = take(
      a, [&](int l) { return !has(b.labels, l); }, rows);
  const std::int64_t k = take(
      a, [&](int l) { return has(b.labels, l) && !has(output, l); }, depth);
  const std::int64_t p = take(
      b, [&](int l) { return !has(a.labels, l); }, columns);
  const Tensor left = arranged(a, joined(batch, rows, depth)).reshape({n, m, k});
  const Tensor right = arranged(b, joined(batch, depth, columns)).reshape({n, k, p});
  const Tensor product = depth.empty() ? left * right : matmul(left, right);
  return {product.reshape(shape), joined(batch, rows, columns)};
}

/// "..." and the letters that occur once in all terms, in the order of their codes.
Labels implied_output(const std::vector<Operand>& operands, int unnamed) {
  Labels labels, output;
  for (const Operand& operand : operands) labels = joined(labels, operand.labels);
  for (int label = -unnamed; label < 0; ++label) output.push_back(label);
  for (int label = 'A'; label <= 'z'; ++label) {
    if (std::count(labels.begin(), labels.end(), label) == 1) output.push_back(label);
  }
  return output;
}

}  // namespace

Tensor einsum(std::string_view equation, const std::vector<Tensor>& tensors) {
  COPPICE_CHECK(tensors.size() == 1 || tensors.size() == 2, "[einsum] expects one or two operands; got ",
                tensors.size(), " for ", equation, "; contract more of them two at a time");
  for (const Tensor& tensor : tensors) check_dense_cpu("einsum", tensor);
  const std::string what = described(equation, tensors);
  COPPICE_CHECK(tensors[0].dtype() == tensors.back().dtype(), "[einsum] expects operands of one dtype; got ",
                tensors[0].dtype(), " and ", tensors.back().dtype(), " for ", what, "; cast with to(…)");
  std::string text;
  std::copy_if(equation.begin(), equation.end(), std::back_inserter(text), [](char c) { return c != ' '; });
  const std::size_t arrow = text.find("->"), comma = text.find(',');
  const std::string_view inputs = std::string_view(text).substr(0, arrow);
  COPPICE_CHECK(std::count(inputs.begin(), inputs.end(), ',') + 1 == static_cast<std::ptrdiff_t>(tensors.size()),
                "[einsum] expects one term per operand, separated by commas; got ", what);
  std::vector<std::string_view> terms = {inputs.substr(0, comma)};
  if (tensors.size() == 2) terms.push_back(inputs.substr(comma + 1));

  std::vector<Operand> operands;
  int unnamed = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const int here = count_unnamed(terms[i], tensors[i].dim(), what);
    unnamed = std::max(unnamed, here);
    operands.push_back({tensors[i], parse_term(terms[i], here, what)});
  }
  const Labels output = arrow == std::string::npos
                            ? implied_output(operands, unnamed)
                            : parse_term(std::string_view(text).substr(arrow + 2), unnamed, what);
  for (const int label : output) {
    COPPICE_CHECK(label < 0 || std::count(output.begin(), output.end(), label) == 1, "[einsum] the output names '",
                  static_cast<char>(label), "' twice: ", what);
    COPPICE_CHECK(has(operands[0].labels, label) || has(operands.back().labels, label), "[einsum] the output names '",
                  static_cast<char>(label), "', which no operand has: ", what);
  }
  for (Operand& operand : operands) take_diagonals(operand, what);
  if (operands.size() == 1) {
    sum_unused(operands[0], output, {});
    return arranged(operands[0], output);
  }
  drop_broadcast(operands[0], operands[1], what);
  drop_broadcast(operands[1], operands[0], what);
  sum_unused(operands[0], output, operands[1].labels);
  sum_unused(operands[1], output, operands[0].labels);
  return arranged(multiply(operands[0], operands[1], output), output);
}

}  // namespace coppice
