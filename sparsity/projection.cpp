#include <coppice/sparsity/projection.h>

#include <algorithm>

#include <coppice/core/error.h>
#include <coppice/core/generator.h>
#include <coppice/sparsity/criterion.h>
#include <coppice/sparsity/distribution.h>
#include <coppice/sparsity/selection.h>
#include <coppice/sparsity/units.h>

namespace coppice::sparsity {

namespace {

bool is_nm(Pattern pattern) { return pattern.kind == Pattern::Kind::Nm; }

void check(const char* op, const Shape& shape, Pattern pattern, double density) {
  COPPICE_CHECK(pattern.kind != Pattern::Kind::Channels, "[", op,
                "] expects a pattern of weights or blocks; got channels");
  COPPICE_CHECK(Mask::none(shape).keeps(pattern), "[", op, "] expects a weight that pattern ", pattern, " fits; got ",
                shape, "; M of N:M must divide the length of a row: leave the weight dense, or choose another pattern");
  COPPICE_CHECK(density >= 0.0 && density <= 1.0, "[", op, "] expects a density in [0, 1]; got ", density);
}

/// How many weights can live.
std::int64_t room(const Shape& shape, Pattern pattern) { return shape.numel() / pattern.second * pattern.first; }

/// The `count` best weights that an N:M pattern has room for.
Mask best_of_groups(const Scores& scores, Pattern pattern, std::int64_t count, const SelectOptions& options) {
  const Mask none = Mask::none(scores.candidates.shape());
  const Scores fitting = detail::within_groups(scores, pattern.second, pattern.first, none, options);
  return select(fitting, count, options).with_pattern(pattern);
}

}  // namespace

Mask project(const Tensor& weight, Pattern pattern, double density) {
  const Shape& shape = weight.shape();
  check("project", shape, pattern, density);
  const SelectOptions options{.take = Take::Largest, .absolute = true};
  const Scores scores{.values = weight.detach().to_dense(), .candidates = Mask::all(shape), .name = "the weight"};
  if (is_nm(pattern)) {
    return best_of_groups(scores, pattern, std::min(alive_count(shape.numel(), density), room(shape, pattern)),
                          options);
  }
  const detail::Units units(shape, pattern);
  return units.weights(
      select(units.scores(scores, criterion::magnitude()), alive_count(units.shape().numel(), density), options));
}

Mask random_mask(const Shape& shape, Pattern pattern, double density, Generator& generator) {
  check("random_mask", shape, pattern, density);
  if (!is_nm(pattern)) {
    const detail::Units units(shape, pattern);
    return units.weights(Mask::random(units.shape(), alive_count(units.shape().numel(), density), generator));
  }
  const std::int64_t count = alive_count(shape.numel(), density);
  COPPICE_CHECK(count <= room(shape, pattern), "[random_mask] expects a density that ", pattern, " has room for; got ",
                density, " of ", shape, "; lower it, or choose the uniform distribution");
  const Scores scores{
      .values = Tensor::rand({shape.numel()}, generator), .candidates = Mask::all(shape), .name = "the weight"};
  return best_of_groups(scores, pattern, count, {.take = Take::Largest});
}

}  // namespace coppice::sparsity
