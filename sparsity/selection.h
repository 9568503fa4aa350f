#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/mask.h>
#include <coppice/core/tensor.h>

namespace coppice {
class Generator;
}

namespace coppice::sparsity {

/// Scores of one parameter's candidates: one-dimensional over candidates.count() in slot order, or of the mask's
/// dense shape. f32 or f64.
struct Scores {
  Tensor values;
  Mask candidates;
  std::string name;  ///< of the parameter, for messages
};

/// Which end of the order is taken.
enum class Take : std::uint8_t { Largest, Smallest };

struct SelectOptions {
  Take take = Take::Largest;
  bool absolute = false;  ///< ranks |score|
  /// Breaks ties among equal scores at random; by default the lower position (and the earlier layer) wins.
  Generator* tie_break = nullptr;
};

/// Exactly `count` candidates: those with the largest or smallest scores. Deterministic for any number of threads;
/// −0 equals 0. Throws `[select] …` naming the parameter when a candidate's score is NaN, or when there are fewer
/// candidates than `count`.
COPPICE_API Mask select(const Scores& scores, std::int64_t count, SelectOptions options = {});

/// The same over several layers at once: `count` in all, wherever they lie.
COPPICE_API std::vector<Mask> select_global(const std::vector<Scores>& layers, std::int64_t count,
                                            SelectOptions options = {});

}  // namespace coppice::sparsity
