#include <coppice/sparsity/mask_history.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

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

std::vector<std::int64_t> MaskHistory::living() const {
  std::vector<std::int64_t> positions;
  for (const std::vector<std::uint32_t>& cohort : cohorts_)
    positions.insert(positions.end(), cohort.begin(), cohort.end());
  return positions;
}

MaskHistory MaskHistory::restore(const Mask& ever_alive, std::vector<std::vector<std::int64_t>> survivors,
                                 const std::vector<std::int64_t>& living) {
  MaskHistory history(ever_alive);
  std::size_t next = 0;
  for (std::size_t update = 0; update < survivors.size(); ++update) {
    const std::vector<std::int64_t>& counts = survivors[update];
    const bool falling = std::ranges::is_sorted(counts, std::greater<>());
    COPPICE_CHECK(
        counts.size() == survivors.size() - update && falling && counts.back() >= 0 &&
            static_cast<std::uint64_t>(counts.back()) <= living.size() - next,
        "[MaskHistory] expects counts of survivors that fall, down to as many as live; got others for update ", update);
    std::vector<std::uint32_t>& cohort = history.cohorts_.emplace_back();
    for (std::int64_t i = 0; i < counts.back(); ++i, ++next) {
      const std::int64_t position = living[next];
      const bool in_order = i == 0 || position > living[next - 1];
      COPPICE_CHECK(in_order && position >= 0 && position < ever_alive.numel() && ever_alive.test(position),
                    "[MaskHistory] expects ascending positions of weights that were alive; got ", position, " in ",
                    ever_alive.shape());
      cohort.push_back(static_cast<std::uint32_t>(position));
    }
  }
  COPPICE_CHECK(next == living.size(), "[MaskHistory] expects ", next, " living weights; got ", living.size());
  history.survivors_ = std::move(survivors);
  return history;
}

}  // namespace coppice::sparsity::detail
