#pragma once

#include <cstdint>
#include <ostream>
#include <vector>

namespace coppice::cases {

/// A linear layer: weight (m, k) with `alive` non-zeros, n samples.
struct LinearCase {
  std::int64_t n, m, k, alive;
};

inline std::ostream& operator<<(std::ostream& out, const LinearCase& c) {
  return out << "n=" << c.n << " m=" << c.m << " k=" << c.k << " alive=" << c.alive;
}

/// Nothing alive, everything alive, one column, one row, one sample, none, and sizes that no panel or block divides.
inline const std::vector<LinearCase>& linear_edges() {
  static const std::vector<LinearCase> kEdges = {
      {4, 5, 7, 0},     {4, 5, 7, 35},     {3, 9, 1, 4},       {3, 1, 9, 4},    {1, 6, 8, 11},
      {0, 6, 8, 11},    {64, 30, 40, 120}, {65, 31, 300, 900}, {7, 300, 3, 90}, {129, 17, 260, 2000},
      {100, 50, 20, 6}, {20, 1, 1, 1},     {33, 12, 700, 8},   {9, 0, 4, 0},    {9, 4, 0, 0},
  };
  return kEdges;
}

struct LinearShape {
  std::int64_t m, k, n;
};

/// What the benchmark times: the largest layer of LeNet-300-100 and a square one.
inline const std::vector<LinearShape>& linear_shapes() {
  static const std::vector<LinearShape> kShapes = {
      {300, 784, 64}, {300, 784, 128}, {1024, 1024, 64}, {1024, 1024, 128}};
  return kShapes;
}

}  // namespace coppice::cases
