#pragma once

#include <string>

#include <coppice/core/io/safetensors.h>

namespace coppice::detail {

/// `content` with every Masked tensor replaced by the entries of its masked view (core/io/safetensors.h).
Safetensors split_masked(const Safetensors& content, const std::string& file);
/// The inverse: Masked tensors made of the entries that the metadata names; checks everything they say.
Safetensors join_masked(Safetensors content, const std::string& file);

}  // namespace coppice::detail
