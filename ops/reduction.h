#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

/// How the losses of samples or elements become the result.
enum class Reduction : std::uint8_t { Mean, Sum, None };

namespace detail {
/// The losses, their sum, or their mean.
COPPICE_API Tensor reduce_losses(const Tensor& losses, Reduction reduction);
}  // namespace detail

}  // namespace coppice
