#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

/// Greedy non-maximum suppression of boxes (k, 4), corners x1, y1, x2, y2, by scores (k): the indices (int64), highest
/// score first, of boxes whose intersection over union with every kept box of a higher score is at most
/// `iou_threshold`. Equal scores are taken in order of index. f32 or f64.
COPPICE_API Tensor nms(const Tensor& boxes, const Tensor& scores, double iou_threshold);

/// As nms within each class: boxes of different `classes` (k, int64) do not suppress each other.
COPPICE_API Tensor batched_nms(const Tensor& boxes, const Tensor& scores, const Tensor& classes, double iou_threshold);

}  // namespace coppice
