#include "tests/golden/check.h"

#include <cmath>
#include <limits>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/core/error.h>

namespace coppice::golden {
namespace {

/// Adds a failure where `got` is farther from the expected value than `ulps` allow.
void compare(const Tensor& got, const Expected& expected, double ulps) {
  const Tensor& want = expected.value;
  ASSERT_TRUE(got.defined());
  ASSERT_EQ(got.dtype(), want.dtype());
  ASSERT_EQ(got.shape(), want.shape());
  if (!is_floating(want.dtype())) {
    EXPECT_EQ(got.to_vector<std::int64_t>(), want.to_vector<std::int64_t>());
    return;
  }
  const bool single = want.dtype() == kFloat32;
  const double epsilon = single ? std::numeric_limits<float>::epsilon() : std::numeric_limits<double>::epsilon();
  const double smallest = single ? std::numeric_limits<float>::min() : std::numeric_limits<double>::min();
  const Tensor& measure = expected.magnitude.defined() ? expected.magnitude : want;
  const std::vector<double> magnitudes = measure.expand(want.shape()).to_vector<double>();
  const std::vector<double> wanted = want.to_vector<double>();
  const std::vector<double> values = got.to_vector<double>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == wanted[i] || (std::isnan(values[i]) && std::isnan(wanted[i]))) continue;
    const double allowed = ulps * (epsilon * std::abs(magnitudes[i]) + smallest);
    const double error = std::abs(values[i] - wanted[i]);
    if (error <= allowed && std::isfinite(wanted[i])) continue;
    ADD_FAILURE() << "element " << i << " of " << want.shape() << ": " << values[i] << " instead of " << wanted[i]
                  << ", off by " << error / (epsilon * std::abs(magnitudes[i])) << " ε · magnitude; allowed are "
                  << ulps;
    return;
  }
}

void check_case(const Case& golden, const Op& op, MemoryFormat format) {
  for (const auto& [index, gradient] : golden.gradients) golden.bases[index].set_grad({});
  Tensors operands;
  for (std::size_t i = 0; i < golden.bases.size(); ++i) {
    if (golden.gradients.contains(i)) Tensor(golden.bases[i]).requires_grad_();
    operands.push_back(golden.bases[i].defined() ? golden.operand(i) : Tensor());
  }
  if (format == MemoryFormat::Blocked) operands[0] = operands[0].to(format);
  Tensors outputs = op.run(operands, golden.options);
  ASSERT_EQ(outputs.size(), golden.outputs.size());
  Tensors differentiable;
  Tensors gradients;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    SCOPED_TRACE("output " + std::to_string(i));
    if (outputs[i].memory_format() == MemoryFormat::Blocked) outputs[i] = outputs[i].to(MemoryFormat::Contiguous);
    compare(outputs[i].detach(), golden.outputs[i], golden.ulps);
    if (!outputs[i].requires_grad()) continue;
    differentiable.push_back(outputs[i]);
    gradients.push_back(projection(outputs[i].shape(), i, outputs[i].dtype()));
  }
  if (golden.gradients.empty()) return;
  ASSERT_FALSE(differentiable.empty());
  backward(differentiable, gradients);
  for (const auto& [index, gradient] : golden.gradients) {
    SCOPED_TRACE("gradient of input " + std::to_string(index));
    Tensor got = golden.bases[index].grad();
    if (!got.defined()) got = Tensor::zeros_like(golden.bases[index]);  // PyTorch's file has zeros there
    if (got.memory_format() == MemoryFormat::Blocked) got = got.to(MemoryFormat::Contiguous);
    compare(got, gradient, golden.ulps);
  }
}

std::string describe(const Case& golden, std::size_t index) {
  std::ostringstream text;
  text << "case " << index << ": " << golden.op << golden.options.to_string();
  for (std::size_t i = 0; i < golden.bases.size(); ++i) {
    const Tensor& base = golden.bases[i];
    text << (i == 0 ? " of " : ", ");
    if (!base.defined()) {
      text << "nothing";
      continue;
    }
    text << base.dtype() << ' ' << base.shape() << golden.views[i];
  }
  return text.str();
}

}  // namespace

void check_family(const std::string& family, const Table& table, std::size_t case_count) {
  const std::vector<Case> cases = load_cases(values_folder() / (family + ".safetensors"));
  EXPECT_EQ(cases.size(), case_count);
  std::set<std::string> unused;
  for (const auto& [name, op] : table) unused.insert(name);
  for (std::size_t index = 0; index < cases.size(); ++index) {
    const Case& golden = cases[index];
    SCOPED_TRACE(describe(golden, index));
    const auto found = table.find(golden.op);
    if (found == table.end()) {
      ADD_FAILURE() << "no op of that name in the table of " << family;
      continue;
    }
    unused.erase(golden.op);
    try {
      check_case(golden, found->second, MemoryFormat::Contiguous);
      if (found->second.takes_blocked && golden.bases[0].dim() == 4)
        check_case(golden, found->second, MemoryFormat::Blocked);
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
    for (const std::string& key : golden.options.unread()) ADD_FAILURE() << "the table ignores the option " << key;
  }
  for (const std::string& name : unused) ADD_FAILURE() << "no case of " << name;
}

}  // namespace coppice::golden
