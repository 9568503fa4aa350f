#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <coppice/core/arena.h>
#include <coppice/models/nn/module.h>
#include <coppice/ops/plan.h>

namespace coppice {
class PackedFilters;
}

namespace coppice::nn {

struct InferenceOptions {
  std::optional<Plan> plan{};  ///< which kernels run, from `coppice tune` say; by default the cheapest by cost model
};

/// Runs a network on inputs of one shape, again and again: the constructor runs it twice on zeros, which chooses the
/// kernels, packs every convolution's filter as its kernel reads it, and lays out one block of memory in which all
/// tensors of a run have their places. From then on a run of one thread asks no allocator for memory but for its result
/// (memory() says so; docs/inference.md what is and is not covered).
///
/// A session is one thread's; share() makes more, on one network and one set of packed filters. The network must not be
/// changed or trained while sessions use it. Fold its norms before (fold_batch_norm).
class COPPICE_API InferenceSession {
 public:
  struct Memory {
    std::int64_t arena_bytes = 0;   ///< of the block that all runs share
    std::int64_t tensor_bytes = 0;  ///< of the tensors of one run, had each its own memory
    std::int64_t planned = 0;       ///< allocations of a run that have a place in the block
    std::int64_t unplanned = 0;     ///< allocations of all runs since that had none
  };

  /// `input` is the shape of all inputs, of the dtype of the network's parameters. Throws `[InferenceSession] …` for a
  /// null network or one in training mode, and whatever the network throws on that shape.
  InferenceSession(std::shared_ptr<Module> model, const Shape& input, InferenceOptions options = {});
  /// A session for another thread, with an arena of its own.
  InferenceSession share() const;

  /// The network's output, in memory of its own, without history. Throws `[InferenceSession] …` for another shape or
  /// dtype.
  Tensor operator()(const Tensor& input);

  const Shape& input_shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  /// Which kernel runs which problem.
  const Plan& plan() const { return plan_; }
  Memory memory() const;

 private:
  InferenceSession(std::shared_ptr<Module> model, const Shape& input, InferenceOptions options,
                   std::shared_ptr<PackedFilters> filters);
  Tensor run(const Tensor& input);

  std::shared_ptr<Module> model_;
  Shape shape_;
  DType dtype_;
  std::optional<Plan> wanted_;
  Plan plan_;
  std::shared_ptr<PackedFilters> filters_;
  IntrusivePtr<Arena> arena_;
};

}  // namespace coppice::nn
