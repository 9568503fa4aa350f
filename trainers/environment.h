#pragma once

#include <string>

#include <coppice/core/export.h>

namespace coppice::train {

/// The conditions a number was made under.
struct Environment {
  std::string version{};   ///< of this library
  std::string commit{};    ///< of the source tree at the last build; empty when it was not a git checkout
  bool dirty = false;      ///< whether the tree then had changes on top of it
  std::string compiler{};  ///< `GNU 12.2.0`
  std::string build{};     ///< `Release`
  std::string cpu{};       ///< the processor's name
  int processors = 0;      ///< this process may use
  std::string isa{};       ///< instruction set the kernels were dispatched to, e.g. `AVX2`
  std::string device = "cpu";
};

/// Of this process.
COPPICE_API Environment current_environment();

}  // namespace coppice::train
