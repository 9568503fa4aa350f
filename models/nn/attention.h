#pragma once

#include <array>
#include <optional>

#include <coppice/models/nn/module.h>

namespace coppice::nn {

struct MultiheadAttentionOptions {
  bool bias = true;
  std::optional<std::int64_t> kdim{};  ///< the size of a key; embed_dim unless given
  std::optional<std::int64_t> vdim{};  ///< the size of a value; embed_dim unless given
  bool batch_first = false;            ///< (n, l, e) instead of (l, n, e)
};

/// What one call of attend does. Masks are PyTorch's: a bool one is set where *not* to attend, the opposite of
/// scaled_dot_product_attention's; one of the query's dtype is added to the scores.
struct AttendOptions {
  Tensor key_padding_mask{};         ///< (n, s), by key; undefined: none
  Tensor attn_mask{};                ///< (l, s), or (n · num_heads, l, s); undefined: none
  bool need_weights = true;          ///< give the weights too; without, inference takes less memory
  bool average_attn_weights = true;  ///< their mean over heads
  bool is_causal = false;            ///< query i attends to keys 0 … i only; needs no attn_mask
};

struct Attended {
  Tensor output;   ///< as the query
  Tensor weights;  ///< (n, l, s), or (n, num_heads, l, s) where not averaged; undefined unless needed
};

/// Attention of `num_heads` heads over slices of embed_dim, between a projection of query, key and value and one of
/// the result. Parameters are PyTorch's: in_proj_weight (3 · embed_dim, embed_dim) with those of query, key and value
/// one below another, or q_proj_weight, k_proj_weight and v_proj_weight where kdim or vdim differ; in_proj_bias;
/// out_proj.weight and out_proj.bias. Weights may be Masked.
///
/// A query that may attend to nothing takes nothing (PyTorch's gets NaN where weights are needed).
/// Source: Vaswani et al., NeurIPS 2017.
class COPPICE_API MultiheadAttention : public Module {
 public:
  MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads, const MultiheadAttentionOptions& options = {});
  /// Self-attention without masks.
  Tensor forward(const Tensor& input) override;
  /// query (l, n, embed_dim), key (s, n, kdim) and value (s, n, vdim), or with n first, or all without n. Runs no
  /// forward hooks.
  Attended attend(const Tensor& query, const Tensor& key, const Tensor& value, const AttendOptions& options = {});
  std::string description() const override;
  void reset_parameters(std::uint64_t seed, const std::string& prefix) override;
  std::vector<std::string> prunable_parameters() const override;

 private:
  bool is_packed() const { return in_proj_weight_.defined(); }
  void check_operands(const Tensor& query, const Tensor& key, const Tensor& value) const;
  Attended attend_batch(const Tensor& query, const Tensor& key, const Tensor& value, const AttendOptions& options);
  /// Each times its rows of the projection.
  std::array<Tensor, 3> project(const Tensor& query, const Tensor& key, const Tensor& value) const;
  /// (n, num_heads, l, embed_dim / num_heads) of (l, n, embed_dim) or, with batch_first, (n, l, embed_dim).
  Tensor split_heads(const Tensor& projected) const;
  Tensor merge_heads(const Tensor& context) const;
  /// Both masks as scaled_dot_product_attention takes them; undefined where there are none.
  Tensor merge_masks(const AttendOptions& options, const Shape& weights) const;

  std::int64_t embed_dim_, num_heads_, kdim_, vdim_;
  bool batch_first_;
  Tensor& in_proj_weight_;
  Tensor& q_proj_weight_;
  Tensor& k_proj_weight_;
  Tensor& v_proj_weight_;
  Tensor& in_proj_bias_;
};

}  // namespace coppice::nn
