#pragma once

#include <optional>

#include <coppice/core/tensor.h>

namespace coppice {

struct AttentionOptions {
  bool is_causal = false;         ///< query i attends to keys 0 … i only
  std::optional<double> scale{};  ///< of the products; 1 / √e unless given
};

/// softmax(query · keyᵀ · scale + mask) · value for query (…, l, e), key (…, s, e) and value (…, s, v): (…, l, v).
/// Dimensions before the last two are batches that broadcast. f32 or f64 of one dtype; differentiable any number of
/// times, by an additive mask too.
///
/// `attn_mask` broadcasts to (…, l, s); bool: the pairs that attend; of the query's dtype: what is added. It may go
/// with is_causal: what either forbids is forbidden. A query that may attend to nothing gets zeros and no gradient.
/// Takes memory for all l · s weights of every batch; where no gradient is recorded, for those of at most 255 queries.
/// Source: Vaswani et al., NeurIPS 2017; argument names and masks as torch.nn.functional.scaled_dot_product_attention.
COPPICE_API Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                                const Tensor& attn_mask = {}, const AttentionOptions& options = {});

/// softmax(query · keyᵀ · scale + mask) as above, (…, l, s): how much of each value a query takes. Rows add up to 1, or
/// are 0 where a query may attend to nothing.
COPPICE_API Tensor attention_weights(const Tensor& query, const Tensor& key, const Tensor& attn_mask = {},
                                     const AttentionOptions& options = {});

}  // namespace coppice
