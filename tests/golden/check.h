#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/golden/case_file.h"

namespace coppice::golden {

using Tensors = std::vector<Tensor>;

/// How the engine does what a case names.
struct Op {
  std::function<Tensors(const Tensors& operands, const Options& options)> run;
  bool takes_blocked = false;  ///< is run again with its first operand in MemoryFormat::Blocked
};

/// By the name that the cases use.
using Table = std::map<std::string, Op>;

/// For functions of one or two tensors, which a lambda keeps apart from their overloads.
template <class Function>
Op unary(Function function) {
  return {[function](const Tensors& x, const Options&) { return Tensors{function(x.at(0))}; }};
}
template <class Function>
Op binary(Function function) {
  return {[function](const Tensors& x, const Options&) { return Tensors{function(x.at(0), x.at(1))}; }};
}
/// For functions of operands and options that give one tensor.
template <class Function>
Op with_options(Function function, bool takes_blocked = false) {
  return {[function](const Tensors& x, const Options& options) { return Tensors{function(x, options)}; },
          takes_blocked};
}

/// Runs all cases of values/<family>.safetensors through the table and compares outputs and gradients. Fails on a case
/// that the table does not have, and on an op of the table that no case names.
void check_family(const std::string& family, const Table& table, std::size_t case_count);

}  // namespace coppice::golden
