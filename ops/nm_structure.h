#pragma once

#include <memory>

#include <coppice/core/storage.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/cpu/nm.h>

namespace coppice {

/// Whether every group of a mask is full, with sizes that the N:M kernels know: N of M = 4 or 8, at most half of them.
bool has_full_groups(const Mask& mask);

/// Where the entries of a mask with full groups are, as products by row read it.
class NmPlaces final : public KernelStructure {
 public:
  explicit NmPlaces(const Mask& mask);
  cpu::NmPlaces view() const { return {shape_, places_.data()}; }
  std::int64_t bytes() const override { return places_.bytes(); }

 private:
  cpu::NmView shape_;
  Buffer<std::uint8_t> places_;
};

/// The same, as products by column read it.
class NmOrder final : public KernelStructure {
 public:
  explicit NmOrder(const Mask& mask);
  cpu::NmOrder view() const { return {shape_, choices_, taken_.data(), rows_.data(), ends_.data()}; }
  std::int64_t bytes() const override { return taken_.bytes() + rows_.bytes() + ends_.bytes(); }

 private:
  cpu::NmView shape_;
  std::int64_t choices_ = 0;
  Buffer<std::uint8_t> taken_;
  Buffer<std::uint8_t> rows_;
  Buffer<std::uint8_t> ends_;
};

/// Those of the weight's alive entries, which have full groups.
std::shared_ptr<const NmPlaces> alive_places(const WeightState& weight);
std::shared_ptr<const NmOrder> alive_order(const WeightState& weight);

}  // namespace coppice
