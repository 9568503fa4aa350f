#pragma once

#include <cstdint>

#include <coppice/ops/cpu/taps.h>

namespace coppice::cpu {

/// out (planes, rows.outputs(), columns.outputs()): each plane of `in` (planes, rows.size, columns.size) between its
/// rows' weights and its columns'. f32 or f64.
template <class T>
void resample(std::int64_t planes, const Taps& rows, const Taps& columns, const T* in, T* out);

}  // namespace coppice::cpu
