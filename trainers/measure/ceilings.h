#pragma once

#include <coppice/core/export.h>

namespace coppice::train::measure {

/// What this machine can do at most, measured: kernels are judged by their share of it.
struct Ceilings {
  double flops = 0.0;  ///< multiply-adds of f32 vectors in registers, 2 FLOP each, per second
  // Bytes per second of long streams:
  double l1 = 0.0;    ///< reading 16 KiB
  double l2 = 0.0;    ///< reading 256 KiB
  double dram = 0.0;  ///< the fastest of reading, copying, and a = b + s·c over arrays that no cache holds
};

/// Measures with the instruction set kernels are dispatched to and num_threads() threads; takes about half a second. On
/// one thread by its processor time. The best of several attempts: a ceiling is not lowered by what disturbs it.
COPPICE_API Ceilings measure_ceilings();

}  // namespace coppice::train::measure
