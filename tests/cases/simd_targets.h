#pragma once

#include <hwy/targets.h>

#include <cstdint>

namespace coppice::cases {

/// Calls body(name) once for every instruction set this machine has, with kernels restricted to it.
template <class Body>
void for_each_simd_target(Body&& body) {
  const std::int64_t supported = hwy::SupportedTargets();
  for (const std::int64_t target : {HWY_AVX3, HWY_AVX2, HWY_SSE4, HWY_NEON, HWY_EMU128, HWY_SCALAR}) {
    if ((supported & target) == 0) continue;
    hwy::SetSupportedTargetsForTest(target);
    body(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(0);
  }
}

}  // namespace coppice::cases
