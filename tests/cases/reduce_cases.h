#pragma once

#include <vector>

#include <coppice/core/shape.h>

// Reductions that the tests check and the benchmark times.

namespace coppice::cases {

struct ReduceCase {
  Shape shape;
  Dims dims;
};

/// Every combination of kept and reduced dimensions, and sizes that no lane, chunk or block divides.
inline const std::vector<ReduceCase>& reduce_cases() {
  static const std::vector<ReduceCase> cases{
      {{7}, {0}},
      {{1}, {0}},
      {{5, 7}, {0}},
      {{5, 7}, {1}},
      {{5, 7}, {0, 1}},
      {{5, 7}, {-1}},
      {{3, 4, 5}, {1}},
      {{3, 4, 5}, {0, 2}},
      {{3, 1, 5}, {1}},
      {{3, 1, 5}, {0, 1}},
      {{2, 3, 2, 3}, {1, 2}},
      {{2, 3, 2, 3}, {0, 3}},
      {{2, 3, 2, 3}, {3, 1}},
      {{9001}, {0}},
      {{3, 8193}, {1}},
      {{300, 5}, {0}},
      {{1030, 3}, {0}},
      {{130, 1100}, {0}},
      {{64, 64}, {0, 1}},
      {{40, 3, 17}, {0, 2}},
  };
  return cases;
}

/// Large enough for several threads: all of a vector, rows, columns, short rows, few columns, and channels of images.
inline const std::vector<ReduceCase>& large_reduce_cases() {
  static const std::vector<ReduceCase> cases{
      {{1000003}, {0}},    {{1000, 1000}, {1}}, {{1000, 1000}, {0}},
      {{100000, 10}, {1}}, {{100000, 10}, {0}}, {{32, 64, 28, 28}, {0, 2, 3}},
  };
  return cases;
}

}  // namespace coppice::cases
