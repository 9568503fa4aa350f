#pragma once

#include <cstdint>
#include <ostream>
#include <vector>

namespace coppice::cases {

struct GemmCase {
  std::int64_t m, n, k;
};

inline std::ostream& operator<<(std::ostream& out, const GemmCase& c) {
  return out << "m=" << c.m << " n=" << c.n << " k=" << c.k;
}

/// Products of the networks that ship, with batches of 64 and 128, and two large ones: what the benchmark times.
inline const std::vector<GemmCase>& gemm_shapes() {
  static const std::vector<GemmCase> kShapes = {
      {64, 300, 784}, {64, 784, 300}, {300, 784, 64},    {64, 100, 300},    {64, 10, 100},      {1, 1024, 1024},
      {16, 784, 25},  {64, 576, 144}, {128, 1024, 1024}, {1024, 1024, 128}, {1024, 1024, 1024},
  };
  return kShapes;
}

/// Sizes that no tile divides, single lines, empty operands, and more than one block of k.
inline const std::vector<GemmCase>& gemm_edges() {
  static const std::vector<GemmCase> kEdges = {
      {0, 5, 3},      {5, 0, 3},     {4, 7, 0},     {1, 1, 1},      {1, 17, 9},    {17, 1, 9},    {2, 33, 5},
      {33, 2, 70},    {3, 3, 3},     {4, 4, 4},     {5, 10, 7},     {6, 16, 256},  {7, 17, 257},  {12, 32, 8},
      {13, 31, 33},   {14, 64, 31},  {29, 5, 3},    {48, 48, 48},   {61, 67, 1},   {64, 10, 100}, {65, 129, 300},
      {100, 30, 513}, {300, 20, 11}, {40, 49, 390}, {130, 18, 384}, {50, 35, 400}, {260, 401, 9}, {20, 450, 40},
  };
  return kEdges;
}

}  // namespace coppice::cases
