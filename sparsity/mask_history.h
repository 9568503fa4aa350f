#pragma once

#include <cstdint>
#include <vector>

#include <coppice/core/mask.h>

namespace coppice::sparsity::detail {

/// What became of one layer's weights over all updates: which were ever alive, and how many of those first grown at an
/// update still are. Holds 4 bytes per weight that is alive now and was grown, and one mask.
class MaskHistory {
 public:
  explicit MaskHistory(const Mask& alive) : ever_alive_(alive) {}

  /// Notes one update that led from `before` to `after`. The newborn are in `after` and not in `before`.
  void add(const Mask& before, const Mask& after);

  /// What restore() takes: for the newborn of every update those that still live, one update after the other, in order.
  std::vector<std::int64_t> living() const;
  /// A history as it was: its `survivors()` and `living()`. Throws `[MaskHistory] …` where they do not fit each other
  /// or the mask.
  static MaskHistory restore(const Mask& ever_alive, std::vector<std::vector<std::int64_t>> survivors,
                             const std::vector<std::int64_t>& living);

  const Mask& ever_alive() const { return ever_alive_; }
  /// survivors()[update][lag]: of the newborn of that update, how many were alive `lag` updates later.
  const std::vector<std::vector<std::int64_t>>& survivors() const { return survivors_; }

 private:
  Mask ever_alive_;
  std::vector<std::vector<std::uint32_t>> cohorts_;  ///< positions of the newborn that still live, by update
  std::vector<std::vector<std::int64_t>> survivors_;
};

}  // namespace coppice::sparsity::detail
