#include <coppice/core/io/pruned.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include <coppice/core/mask.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>

namespace coppice {

namespace {

constexpr std::string_view kOrig = "_orig";
constexpr std::string_view kMask = "_mask";

Mask read_mask(const Tensor& mask, const std::string& name, const Tensor& weight) {
  COPPICE_CHECK(mask.shape() == weight.shape(), "[join_pruned] '", name, "' expects the shape of its weight, ",
                weight.shape(), "; got ", mask.shape());
  const Tensor numbers = detail::raw_cast(mask.to_dense(), kFloat64);
  const double* const first = numbers.data<double>();
  const double* const last = first + numbers.numel();
  const double* const other = std::find_if(first, last, [](double value) { return value != 0.0 && value != 1.0; });
  COPPICE_CHECK(other == last, "[join_pruned] '", name, "' expects 0 or 1 in every element; got ", *other);
  return Mask::from_nonzero(numbers);
}

Tensor join(const Tensor& weight, const Tensor& mask, const std::string& weight_name, const std::string& mask_name,
            PrunedOptions options) {
  COPPICE_CHECK(!weight.is_masked() && is_floating(weight.dtype()), "[join_pruned] '", weight_name,
                "' expects dense floating numbers; got ", weight.layout(), ' ', weight.dtype());
  const Mask alive = read_mask(mask, mask_name, weight);
  const bool half = size_of(weight.dtype()) < size_of(kFloat32);
  const Tensor dense = detail::raw_cast(weight.to_dense(), half ? kFloat32 : weight.dtype());
  const Tensor masked = Tensor::masked(dense, alive);
  if (options.keep_dormant) {
    const Mask dead = ~alive;
    masked.weight_state().restore({.alive = alive, .dormant = dead}, WeightState::gather(dense, alive),
                                  WeightState::gather(dense, dead));
  }
  return masked;
}

/// The values alive and dormant, 0 elsewhere.
Tensor with_dormant(const WeightState& state) {
  const Tensor dense = state.to_dense();
  const Mask dormant = state.dormant() - state.alive();  // a woken weight may have a dormant value beside its own
  if (dormant.count() == 0) return dense;
  const Tensor values = WeightState::remap(state.dormant_values(), state.dormant(), dormant);
  detail::add_into(dense, WeightState::scatter(values, dormant), 1.0);
  return dense;
}

}  // namespace

std::map<std::string, Tensor> join_pruned(std::map<std::string, Tensor> tensors, PrunedOptions options) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    COPPICE_CHECK(tensor.defined(), "[join_pruned] '", name, "' must be defined");
    if (name.size() > kOrig.size() && name.ends_with(kOrig))
      names.push_back(name.substr(0, name.size() - kOrig.size()));
  }
  for (const std::string& name : names) {
    const std::string orig = name + std::string(kOrig);
    const std::string mask = name + std::string(kMask);
    COPPICE_CHECK(tensors.contains(mask), "[join_pruned] '", orig, "' expects a '", mask, "' beside it; there is none");
    COPPICE_CHECK(!tensors.contains(name), "[join_pruned] '", orig, "' stands for '", name, "', which is there too");
    tensors[name] = join(tensors.at(orig), tensors.at(mask), orig, mask, options);
    tensors.erase(orig);
    tensors.erase(mask);
  }
  names.clear();
  for (const auto& [mask, tensor] : tensors) {
    if (!mask.ends_with(kMask)) continue;
    const std::string name = mask.substr(0, mask.size() - kMask.size());
    if (tensors.contains(name)) names.push_back(name);
  }
  for (const std::string& name : names) {
    const std::string mask = name + std::string(kMask);
    tensors[name] = join(tensors.at(name), tensors.at(mask), name, mask, options);
    tensors.erase(mask);
  }
  return tensors;
}

std::map<std::string, Tensor> split_pruned(const std::map<std::string, Tensor>& tensors, PrunedView view) {
  std::map<std::string, Tensor> result;
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    COPPICE_CHECK(result.emplace(name, tensor).second, "[split_pruned] '", name,
                  "' is both a tensor and part of a masked one");
  };
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined() || !tensor.is_masked()) {
      add(name, tensor);
      continue;
    }
    const WeightState& state = tensor.weight_state();
    const bool pairs = view == PrunedView::Pairs;
    add(pairs ? name + std::string(kOrig) : name, pairs ? with_dormant(state) : state.to_dense());
    add(name + std::string(kMask), detail::raw_cast(state.alive().to_tensor(), state.dtype()));
  }
  return result;
}

}  // namespace coppice
