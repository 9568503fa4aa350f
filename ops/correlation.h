#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <coppice/core/tensor.h>

namespace coppice {

struct CorrelationOptions {
  std::optional<double> scale = {};  ///< of the dot products; by default 1 / √c
};

/// Matching costs of all pixels of two feature maps (n, c, h, w) and (n, c, h₂, w₂): (n, h, w, h₂, w₂), the dot
/// products over channels, scaled. f32 or f64. Differentiable any number of times. Source: RAFT (Teed and Deng, ECCV
/// 2020).
COPPICE_API Tensor all_pairs_correlation(const Tensor& a, const Tensor& b, CorrelationOptions options = {});

/// The volume (n, h, w, h₂, w₂) and `levels` − 1 coarser ones, each with the means of 2 × 2 of the last two dimensions
/// of the one before, an odd row or column left out.
COPPICE_API std::vector<Tensor> correlation_pyramid(const Tensor& volume, std::int64_t levels = 4);

/// Windows of a pyramid around coordinates (n, 2, h, w), x before y, in pixels of its finest level:
/// (n, levels · (2 · radius + 1)², h, w). Level l is read bilinearly, zeros outside, at coordinates / 2ˡ + (dx, dy);
/// channels are ordered by level, then dx, then dy, as RAFT's are. No double backward; deterministic.
COPPICE_API Tensor correlation_lookup(const std::vector<Tensor>& pyramid, const Tensor& coordinates,
                                      std::int64_t radius = 4);

struct DirectLookupOptions {
  std::int64_t radius = 4;
  std::int64_t levels = 4;
  std::optional<double> scale = {};  ///< of the dot products; by default 1 / √c
};

/// correlation_lookup(correlation_pyramid(all_pairs_correlation(a, b))) without the volume: only the matching costs in
/// the windows are computed, in memory proportional to the result.
COPPICE_API Tensor correlation_lookup_direct(const Tensor& a, const Tensor& b, const Tensor& coordinates,
                                             const DirectLookupOptions& options = {});

}  // namespace coppice
