#include <coppice/ops/nms.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include <coppice/core/tensor_impl.h>

namespace coppice {

namespace {

void check_boxes(const char* op, const Tensor& boxes, const Tensor& scores) {
  COPPICE_CHECK(boxes.dim() == 2 && boxes.size(1) == 4 && scores.shape() == Shape{boxes.size(0)}, "[", op,
                "] expects boxes (k, 4) and scores (k); got ", boxes.shape(), " and ", scores.shape());
  COPPICE_CHECK(boxes.dtype() == scores.dtype() && (boxes.dtype() == kFloat32 || boxes.dtype() == kFloat64), "[", op,
                "] expects float32 or float64, both of one dtype; got ", boxes.dtype(), " and ", scores.dtype());
}

/// Boxes by falling score, one array a coordinate, so that a box is compared with all later ones in one loop.
template <class T>
struct SortedBoxes {
  std::vector<std::int64_t> order, classes;
  std::vector<T> x1, y1, x2, y2, area;
};

template <class T>
SortedBoxes<T> sort_boxes(const T* boxes, const T* scores, const std::int64_t* classes, std::int64_t count) {
  SortedBoxes<T> s;
  s.order.resize(static_cast<std::size_t>(count));
  std::iota(s.order.begin(), s.order.end(), 0);
  std::stable_sort(s.order.begin(), s.order.end(),
                   [&](std::int64_t a, std::int64_t b) { return scores[a] > scores[b]; });
  for (const std::int64_t i : s.order) {
    const T* box = boxes + 4 * i;
    s.x1.push_back(box[0]);
    s.y1.push_back(box[1]);
    s.x2.push_back(box[2]);
    s.y2.push_back(box[3]);
    s.area.push_back((box[2] - box[0]) * (box[3] - box[1]));
    s.classes.push_back(classes == nullptr ? 0 : classes[i]);
  }
  return s;
}

template <class T>
std::vector<std::int64_t> keep_boxes(const SortedBoxes<T>& s, T threshold) {
  const std::size_t count = s.order.size();
  std::vector<unsigned char> suppressed(count, 0);
  std::vector<std::int64_t> kept;
  for (std::size_t i = 0; i < count; ++i) {
    if (suppressed[i] != 0) continue;
    kept.push_back(s.order[i]);
    const T x1 = s.x1[i], y1 = s.y1[i], x2 = s.x2[i], y2 = s.y2[i], area = s.area[i];
    for (std::size_t j = i + 1; j < count; ++j) {
      const T width = std::min(x2, s.x2[j]) - std::max(x1, s.x1[j]);
      const T height = std::min(y2, s.y2[j]) - std::max(y1, s.y1[j]);
      const T overlap = std::max(width, T{0}) * std::max(height, T{0});
      const bool over = overlap / (area + s.area[j] - overlap) > threshold && s.classes[i] == s.classes[j];
      suppressed[j] = static_cast<unsigned char>(suppressed[j] | static_cast<unsigned char>(over));
    }
  }
  return kept;
}

Tensor kept_indices(const char* op, const Tensor& boxes, const Tensor& scores, const std::int64_t* classes,
                    double iou_threshold) {
  const Tensor b = detail::raw_contiguous(boxes), s = detail::raw_contiguous(scores);
  return dispatch_floating(b.dtype(), op, [&]<class T>() {
    return Tensor::of(
        keep_boxes(sort_boxes(b.data<T>(), s.data<T>(), classes, b.size(0)), static_cast<T>(iou_threshold)));
  });
}

}  // namespace

Tensor nms(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  check_boxes("nms", boxes, scores);
  return kept_indices("nms", boxes, scores, nullptr, iou_threshold);
}

Tensor batched_nms(const Tensor& boxes, const Tensor& scores, const Tensor& classes, double iou_threshold) {
  check_boxes("batched_nms", boxes, scores);
  COPPICE_CHECK(classes.shape() == scores.shape() && classes.dtype() == kInt64, "[batched_nms] expects classes ",
                scores.shape(), " of int64; got ", classes.shape(), " of ", classes.dtype());
  const Tensor ids = detail::raw_contiguous(classes);
  return kept_indices("batched_nms", boxes, scores, ids.data<std::int64_t>(), iou_threshold);
}

}  // namespace coppice
