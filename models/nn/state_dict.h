#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <coppice/core/tensor.h>

namespace coppice::nn {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// Tensors by name, in the order they were set: what a checkpoint holds of a model.
class COPPICE_API StateDict {
 public:
  StateDict() = default;
  StateDict(std::initializer_list<NamedTensor> entries);

  /// Replaces the tensor of that name, or appends it.
  void set(std::string_view name, const Tensor& tensor);
  /// The tensor of that name. Throws `[StateDict] …` when there is none.
  const Tensor& at(std::string_view name) const;
  bool contains(std::string_view name) const { return index_.find(name) != index_.end(); }
  /// Whether there was one to remove.
  bool erase(std::string_view name);

  bool empty() const { return entries_.empty(); }
  std::int64_t size() const { return static_cast<std::int64_t>(entries_.size()); }
  std::vector<NamedTensor>::const_iterator begin() const { return entries_.begin(); }
  std::vector<NamedTensor>::const_iterator end() const { return entries_.end(); }

 private:
  std::vector<NamedTensor> entries_;
  std::map<std::string, std::size_t, std::less<>> index_;  // position in entries_
};

}  // namespace coppice::nn
