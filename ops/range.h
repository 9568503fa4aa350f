#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <coppice/core/tensor.h>
#include <coppice/ops/scalar.h>

namespace coppice {

/// start, start + step, … before `end`: ⌈(end − start) / step⌉ numbers, each computed as start + i · step in f64 (i64
/// where all are integers). The dtype defaults to int64 where all are integers, else float32.
COPPICE_API Tensor arange(Scalar start, Scalar end, Scalar step = 1, std::optional<DType> dtype = {});

/// `steps` numbers evenly from `start` to `end`, both included, computed in f64 from the nearer end.
COPPICE_API Tensor linspace(double start, double end, std::int64_t steps, DType dtype = kFloat32);

/// Ij: the i-th tensor varies along dimension i. Xy: the first two results swap their first two dimensions.
enum class MeshIndexing : std::uint8_t { Ij, Xy };

/// Views of tensors of at most one dimension, each expanded over a grid with one dimension per tensor. Differentiable.
COPPICE_API std::vector<Tensor> meshgrid(const std::vector<Tensor>& tensors, MeshIndexing indexing = MeshIndexing::Ij);

}  // namespace coppice
