#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <coppice/core/tensor.h>
#include <coppice/ops/scalar.h>

// Golden values: what PyTorch computes, as tests/golden/*.py wrote it. See README.md beside this file.

namespace coppice::golden {

/// The options of a case. Remembers which were read, so that a test notices one it ignores.
class Options {
 public:
  explicit Options(const nlohmann::json& json);

  bool has(const std::string& key) const;
  std::int64_t integer(const std::string& key) const;
  int dim(const std::string& key = "dim") const { return static_cast<int>(integer(key)); }
  /// `"inf"` is infinity, which JSON has no number for.
  double number(const std::string& key) const;
  bool flag(const std::string& key) const;
  std::string text(const std::string& key) const;
  /// A number that keeps whether it is an integer.
  Scalar scalar(const std::string& key) const;
  std::vector<std::int64_t> integers(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;
  std::vector<double> numbers(const std::string& key) const;
  std::array<std::int64_t, 2> pair(const std::string& key) const;
  Dims dims(const std::string& key = "dims") const { return Dims(integers(key)); }
  /// Those that are not there.
  bool flag_or(const std::string& key, bool otherwise) const { return has(key) ? flag(key) : otherwise; }
  std::int64_t integer_or(const std::string& key, std::int64_t otherwise) const {
    return has(key) ? integer(key) : otherwise;
  }

  /// Keys that nobody asked for.
  std::vector<std::string> unread() const;
  std::string to_string() const;

 private:
  const nlohmann::json& at(const std::string& key) const;

  std::shared_ptr<const nlohmann::json> json_;
  std::shared_ptr<std::map<std::string, bool>> read_;
};

/// A result and what its error is measured against: the result itself where `magnitude` is undefined.
struct Expected {
  Tensor value;
  Tensor magnitude;
};

struct Case {
  std::string op;
  Options options;
  double ulps = 0;                      ///< allowed error in units of ε · magnitude; 0: equality
  std::vector<Tensor> bases = {};       ///< undefined: an operand left out
  std::vector<std::string> views = {};  ///< per base, as JSON; empty: the base is the operand
  std::vector<Expected> outputs = {};
  std::map<std::size_t, Expected> gradients = {};  ///< by the base's index

  /// The operand that the views make of a base.
  Tensor operand(std::size_t index) const;
};

std::filesystem::path values_folder();
std::vector<Case> load_cases(const std::filesystem::path& file);

/// What PyTorch got as gradient of an output of that shape; golden.py computes the same.
Tensor projection(const Shape& shape, std::size_t output, DType dtype);

}  // namespace coppice::golden
