#include <coppice/models/nn/state_dict.h>

#include <algorithm>

namespace coppice::nn {

StateDict::StateDict(std::initializer_list<NamedTensor> entries) {
  for (const NamedTensor& entry : entries) set(entry.name, entry.tensor);
}

void StateDict::set(std::string_view name, const Tensor& tensor) {
  const auto [at, is_new] = index_.try_emplace(std::string(name), entries_.size());
  if (is_new) {
    entries_.push_back({std::string(name), tensor});
  } else {
    entries_[at->second].tensor = tensor;
  }
}

const Tensor& StateDict::at(std::string_view name) const {
  const auto found = index_.find(name);
  COPPICE_CHECK(found != index_.end(), "[StateDict] expects a tensor named ", name, "; got ", size(), " others");
  return entries_[found->second].tensor;
}

bool StateDict::erase(std::string_view name) {
  const auto found = index_.find(name);
  if (found == index_.end()) return false;
  const std::size_t gone = found->second;
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(gone));
  index_.erase(found);
  for (auto& [key, position] : index_) position -= position > gone ? 1 : 0;
  return true;
}

}  // namespace coppice::nn
