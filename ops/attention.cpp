#include <coppice/ops/attention.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <coppice/autograd/record.h>
#include <coppice/ops/cat.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/logical.h>
#include <coppice/ops/masked.h>
#include <coppice/ops/matmul.h>
#include <coppice/ops/range.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/softmax.h>

namespace coppice {
namespace {

/// Queries at a time where no weights are kept for a backward, and from how many on: fewer are faster at once.
constexpr std::int64_t kQueries = 128;
constexpr std::int64_t kManyQueries = 2 * kQueries;

constexpr double kForbidden = -std::numeric_limits<double>::infinity();

Shape batch_of(const Tensor& tensor) {
  return Shape(tensor.shape().span().first(static_cast<std::size_t>(tensor.dim() - 2)));
}

/// The shape of the weights.
Shape check_weights(const char* op, const Tensor& query, const Tensor& key, const Tensor& mask) {
  COPPICE_CHECK(query.dim() >= 2 && key.dim() >= 2 && query.size(-1) == key.size(-1), "[", op,
                "] expects query (…, l, e) and key (…, s, e); got ", query.shape(), " and ", key.shape());
  COPPICE_CHECK(query.dtype() == key.dtype() && is_floating(query.dtype()), "[", op,
                "] expects query and key of one floating dtype; got ", query.dtype(), " ", query.shape(), " and ",
                key.dtype(), " ", key.shape(), "; cast with to(…)");
  Shape shape = broadcast_shapes(batch_of(query), batch_of(key), op);
  shape.push_back(query.size(-2));
  shape.push_back(key.size(-2));
  if (!mask.defined()) return shape;
  COPPICE_CHECK(mask.dtype() == kBool || mask.dtype() == query.dtype(), "[", op, "] expects attn_mask bool or ",
                query.dtype(), "; got ", mask.dtype(), " ", mask.shape());
  bool fits = mask.dim() <= shape.rank();
  for (int d = 1; fits && d <= mask.dim(); ++d) fits = mask.size(-d) == 1 || mask.size(-d) == shape[-d];
  COPPICE_CHECK(fits, "[", op, "] expects attn_mask to broadcast to ", shape, ", the queries by the keys; got ",
                mask.shape(), " for query ", query.shape(), " and key ", key.shape());
  return shape;
}

/// The options as scores need them.
struct Scoring {
  double scale;
  bool is_causal;
  std::int64_t first = 0;  ///< which query the first row is
};

/// (l, s), set where the key is not after the query.
Tensor causal_pairs(std::int64_t first, std::int64_t l, std::int64_t s) {
  return arange(first, first + l).unsqueeze(1) >= Tensor::arange(s);
}

/// softmax of masked scores (…, l, s) along the keys.
Tensor masked_softmax(Tensor scores, const Tensor& mask, const Scoring& how) {
  if (!mask.defined() && !how.is_causal) return softmax(scores);
  const bool additive = mask.defined() && mask.dtype() != kBool;
  Tensor pairs = how.is_causal ? causal_pairs(how.first, scores.size(-2), scores.size(-1)) : Tensor();
  if (mask.defined() && !additive) pairs = pairs.defined() ? logical_and(pairs, mask) : mask;
  if (additive) scores = scores + mask;
  if (pairs.defined()) scores = where(pairs, scores, kForbidden);
  if (!mask.defined() || scores.numel() == 0) return softmax(scores);

  if (additive) pairs = pairs.defined() ? logical_and(pairs, mask > kForbidden) : mask > kForbidden;
  const Tensor idle = logical_not(any(pairs.dim() == 0 ? pairs.reshape({1}) : pairs, {-1}, /*keepdim=*/true));
  if (!any(idle).item<bool>()) return softmax(scores);
  // A softmax of nothing is 0 / 0, and so would its gradient be.
  return masked_fill(softmax(masked_fill(scores, idle, 0.0)), idle, 0.0);
}

Tensor weigh(const Tensor& query, const Tensor& key, const Tensor& mask, const Scoring& how) {
  return masked_softmax(matmul(query * how.scale, key.transpose(-2, -1)), mask, how);
}

Scoring scoring_of(const Tensor& query, const AttentionOptions& options) {
  return {.scale = options.scale.value_or(1.0 / std::sqrt(static_cast<double>(query.size(-1)))),
          .is_causal = options.is_causal};
}

/// `length` of a mask's elements along `dim`, or all that broadcast.
Tensor narrow_mask(const Tensor& mask, int dim, std::int64_t first, std::int64_t length) {
  if (!mask.defined() || mask.dim() < -dim || mask.size(dim) == 1) return mask;
  return mask.narrow(dim, first, length);
}

/// The attention of some queries after others, without the keys that come after them all.
Tensor attend_in_blocks(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask, Scoring how) {
  const std::int64_t l = query.size(-2), s = key.size(-2);
  std::vector<Tensor> parts;
  for (std::int64_t first = 0; first < l; first += kQueries) {
    const std::int64_t rows = std::min(kQueries, l - first);
    const std::int64_t seen = how.is_causal ? std::min(s, first + rows) : s;
    const Tensor of_rows = narrow_mask(narrow_mask(mask, -2, first, rows), -1, 0, seen);
    how.first = first;
    const Tensor weights = weigh(query.narrow(-2, first, rows), key.narrow(-2, 0, seen), of_rows, how);
    parts.push_back(matmul(weights, value.narrow(-2, 0, seen)));
  }
  return cat(parts, -2);
}

}  // namespace

Tensor attention_weights(const Tensor& query, const Tensor& key, const Tensor& attn_mask,
                         const AttentionOptions& options) {
  check_weights("attention_weights", query, key, attn_mask);
  return weigh(query, key, attn_mask, scoring_of(query, options));
}

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& attn_mask, const AttentionOptions& options) {
  constexpr const char* kOp = "scaled_dot_product_attention";
  const Shape weights = check_weights(kOp, query, key, attn_mask);
  COPPICE_CHECK(value.dim() >= 2 && value.size(-2) == key.size(-2), "[", kOp,
                "] expects key (…, s, e) and value (…, s, v); got ", key.shape(), " and ", value.shape());
  COPPICE_CHECK(value.dtype() == key.dtype(), "[", kOp, "] expects key and value of one dtype; got ", key.dtype(), " ",
                key.shape(), " and ", value.dtype(), " ", value.shape(), "; cast with to(…)");
  broadcast_shapes(Shape(weights.span().first(static_cast<std::size_t>(weights.rank() - 2))), batch_of(value), kOp);
  const Scoring how = scoring_of(query, options);
  if (query.size(-2) >= kManyQueries && !detail::needs_record({query, key, value, attn_mask})) {
    return attend_in_blocks(query, key, value, attn_mask, how);
  }
  return matmul(weigh(query, key, attn_mask, how), value);
}

}  // namespace coppice
