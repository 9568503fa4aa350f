#pragma once

#include <cstdint>

#include <coppice/core/mask.h>
#include <coppice/sparsity/criterion.h>
#include <coppice/sparsity/selection.h>

namespace coppice::sparsity::detail {

/// What a mask of a pattern is chosen by: its blocks, or single weights where it has none.
///
/// Units have a mask of their own, of shape (rows of blocks, blocks of a row); where they are weights it is the
/// weights' mask.
class Units {
 public:
  Units(const Shape& shape, Pattern pattern);

  /// What a mask of units has.
  const Shape& shape() const { return unit_shape_; }
  /// The units of a set that consists of whole ones.
  Mask of(const Mask& weights) const;
  /// The weights of a set of units; whole blocks say so by their pattern.
  Mask weights(const Mask& units) const;
  /// Of each candidate unit the sum over its weights, of absolute scores where those rank; or, of a criterion that is
  /// not additive, the score of its first weight. The candidates consist of whole units.
  Scores scores(const Scores& weights, const Criterion& criterion) const;

 private:
  bool single() const { return !pattern_.has_blocks(); }

  Shape weight_shape_;
  Pattern pattern_;
  std::int64_t rows_ = 1;
  std::int64_t columns_ = 0;
  Shape unit_shape_;
};

/// The same scores for those candidates only that can be taken together: in every group of m neighbours the best,
/// ties by position, as many as `capacity` leaves beside what is `occupied`.
Scores within_groups(const Scores& scores, std::int64_t m, std::int64_t capacity, const Mask& occupied,
                     const SelectOptions& options);

}  // namespace coppice::sparsity::detail
