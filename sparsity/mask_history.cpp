#include <coppice/sparsity/mask_history.h>

#include <limits>

#include <coppice/core/error.h>

namespace coppice::sparsity::detail {

void MaskHistory::add(const Mask& before, const Mask& after) {
  COPPICE_CHECK(after.numel() <= std::numeric_limits<std::uint32_t>::max(),
                "[MaskHistory] expects layers of at most 2^32 weights; got ", after.shape());
  for (std::size_t update = 0; update < cohorts_.size(); ++update) {
    std::erase_if(cohorts_[update], [&](std::uint32_t position) { return !after.test(position); });
    survivors_[update].push_back(static_cast<std::int64_t>(cohorts_[update].size()));
  }
  const Mask newborn = after - before;
  std::vector<std::uint32_t>& cohort = cohorts_.emplace_back();
  cohort.reserve(static_cast<std::size_t>(newborn.count()));
  newborn.for_each(
      [&](std::int64_t position, std::int64_t) { cohort.push_back(static_cast<std::uint32_t>(position)); });
  survivors_.push_back({newborn.count()});
  ever_alive_ = ever_alive_ | after;
}

}  // namespace coppice::sparsity::detail
