#include <coppice/models/nn/attention.h>

#include <cmath>
#include <limits>
#include <sstream>

#include <coppice/models/nn/init.h>
#include <coppice/models/nn/linear.h>
#include <coppice/ops/attention.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/linear.h>
#include <coppice/ops/logical.h>
#include <coppice/ops/matmul.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/split.h>

namespace coppice::nn {

namespace {

/// A Linear whose bias starts at 0.
class OutputProjection : public Linear {
 public:
  OutputProjection(std::int64_t size, LinearOptions options) : Linear(size, size, options) { clear_bias(); }
  void reset_parameters(std::uint64_t seed, const std::string& prefix) override {
    Linear::reset_parameters(seed, prefix);
    clear_bias();
  }

 private:
  void clear_bias() {
    if (bias().defined()) assign_parameter(bias(), Tensor::zeros(bias().shape()));
  }
};

Tensor empty_if(bool wanted, const Shape& shape) { return wanted ? Tensor::empty(shape) : Tensor(); }

/// Xavier's uniform distribution.
void draw_xavier(const Tensor& weight, std::uint64_t seed, const std::string& name) {
  if (!weight.defined()) return;
  draw_uniform(weight, std::sqrt(6.0 / static_cast<double>(weight.size(0) + weight.size(1))), seed, name);
}

bool is_same(const Tensor& a, const Tensor& b) { return a.impl() == b.impl(); }

/// A mask of what not to attend to as one of what to attend to; one to add as it is.
Tensor turn(const Tensor& mask) { return mask.dtype() == kBool ? logical_not(mask) : mask; }

/// What is added for a bool mask of what to attend to; others as they are.
Tensor as_additive(const Tensor& mask, DType dtype) {
  if (mask.dtype() != kBool) return mask;
  return where(mask, Tensor::zeros({}, {.dtype = dtype}), -std::numeric_limits<double>::infinity());
}

}  // namespace

MultiheadAttention::MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads,
                                       const MultiheadAttentionOptions& options)
    : embed_dim_(embed_dim),
      num_heads_(num_heads),
      kdim_(options.kdim.value_or(embed_dim)),
      vdim_(options.vdim.value_or(embed_dim)),
      batch_first_(options.batch_first),
      in_proj_weight_(register_parameter(
          "in_proj_weight", empty_if(kdim_ == embed_dim && vdim_ == embed_dim, {3 * embed_dim, embed_dim}))),
      q_proj_weight_(register_parameter("q_proj_weight", empty_if(!is_packed(), {embed_dim, embed_dim}))),
      k_proj_weight_(register_parameter("k_proj_weight", empty_if(!is_packed(), {embed_dim, kdim_}))),
      v_proj_weight_(register_parameter("v_proj_weight", empty_if(!is_packed(), {embed_dim, vdim_}))),
      in_proj_bias_(register_parameter("in_proj_bias", empty_if(options.bias, {3 * embed_dim}))) {
  COPPICE_CHECK(num_heads >= 1 && embed_dim >= 1 && embed_dim % num_heads == 0,
                "[MultiheadAttention] num_heads=", num_heads, " must divide embed_dim=", embed_dim);
  register_module("out_proj", std::make_shared<OutputProjection>(embed_dim, LinearOptions{.bias = options.bias}));
  MultiheadAttention::reset_parameters(0, "");
}

void MultiheadAttention::reset_parameters(std::uint64_t seed, const std::string& prefix) {
  draw_xavier(in_proj_weight_, seed, prefix + "in_proj_weight");
  draw_xavier(q_proj_weight_, seed, prefix + "q_proj_weight");
  draw_xavier(k_proj_weight_, seed, prefix + "k_proj_weight");
  draw_xavier(v_proj_weight_, seed, prefix + "v_proj_weight");
  if (in_proj_bias_.defined()) assign_parameter(in_proj_bias_, Tensor::zeros(in_proj_bias_.shape()));
}

std::vector<std::string> MultiheadAttention::prunable_parameters() const {
  if (is_packed()) return {"in_proj_weight"};
  return {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
}

std::string MultiheadAttention::description() const {
  std::ostringstream text;
  text << "MultiheadAttention(" << embed_dim_ << ", " << num_heads_;
  if (!in_proj_bias_.defined()) text << ", bias=false";
  if (kdim_ != embed_dim_) text << ", kdim=" << kdim_;
  if (vdim_ != embed_dim_) text << ", vdim=" << vdim_;
  if (batch_first_) text << ", batch_first=true";
  text << ')';
  return text.str();
}

Tensor MultiheadAttention::forward(const Tensor& input) {
  return attend(input, input, input, {.need_weights = false}).output;
}

void MultiheadAttention::check_operands(const Tensor& query, const Tensor& key, const Tensor& value) const {
  const int rank = query.dim();
  bool fits = (rank == 2 || rank == 3) && key.dim() == rank && value.dim() == rank;
  fits = fits && query.size(-1) == embed_dim_ && key.size(-1) == kdim_ && value.size(-1) == vdim_;
  const int length = rank == 3 && !batch_first_ ? 0 : rank - 2;
  fits = fits && key.size(length) == value.size(length);
  if (fits && rank == 3) {
    const int batch = batch_first_ ? 0 : 1;
    fits = query.size(batch) == key.size(batch) && key.size(batch) == value.size(batch);
  }
  const char* const queries = batch_first_ ? "(n, l, " : "(l, n, ";
  const char* const keys = batch_first_ ? "(n, s, " : "(s, n, ";
  COPPICE_CHECK(fits, "[MultiheadAttention] expects query ", queries, embed_dim_, "), key ", keys, kdim_,
                ") and value ", keys, vdim_, "), or all without n; got ", query.shape(), ", ", key.shape(), " and ",
                value.shape());
}

std::array<Tensor, 3> MultiheadAttention::project(const Tensor& query, const Tensor& key, const Tensor& value) const {
  if (is_packed() && is_same(query, key) && is_same(key, value)) {
    const std::vector<Tensor> all = chunk(linear(query, in_proj_weight_, in_proj_bias_), 3, -1);
    return {all[0], all[1], all[2]};
  }
  const Tensor* const inputs[] = {&query, &key, &value};
  std::array<Tensor, 3> result;
  if (is_packed() && in_proj_weight_.is_masked()) {
    // Rows of a Masked weight cannot be had without the others.
    for (std::size_t i = 0; i < 3; ++i) result[i] = chunk(linear(*inputs[i], in_proj_weight_, in_proj_bias_), 3, -1)[i];
    return result;
  }
  const std::vector<Tensor> weights =
      is_packed() ? chunk(in_proj_weight_, 3) : std::vector<Tensor>{q_proj_weight_, k_proj_weight_, v_proj_weight_};
  const std::vector<Tensor> biases = in_proj_bias_.defined() ? chunk(in_proj_bias_, 3) : std::vector<Tensor>(3);
  for (std::size_t i = 0; i < 3; ++i) result[i] = linear(*inputs[i], weights[i], biases[i]);
  return result;
}

Tensor MultiheadAttention::split_heads(const Tensor& projected) const {
  const Tensor heads = projected.reshape({projected.size(0), projected.size(1), num_heads_, embed_dim_ / num_heads_});
  return batch_first_ ? heads.permute({0, 2, 1, 3}) : heads.permute({1, 2, 0, 3});
}

Tensor MultiheadAttention::merge_heads(const Tensor& context) const {
  const Tensor heads = batch_first_ ? context.permute({0, 2, 1, 3}) : context.permute({2, 0, 1, 3});
  return heads.reshape({heads.size(0), heads.size(1), embed_dim_});
}

Tensor MultiheadAttention::merge_masks(const AttendOptions& options, const Shape& weights) const {
  const std::int64_t n = weights[0], l = weights[2], s = weights[3];
  const Tensor &padding = options.key_padding_mask, &pairs = options.attn_mask;
  Tensor of_keys, of_pairs;
  if (padding.defined()) {
    COPPICE_CHECK(padding.shape() == (Shape{n, s}), "[MultiheadAttention] expects key_padding_mask ", Shape{n, s},
                  ", batch by keys; got ", padding.shape());
    of_keys = turn(padding).reshape({n, 1, 1, s});
  }
  if (pairs.defined()) {
    const Shape each{n * num_heads_, l, s};
    COPPICE_CHECK(pairs.shape() == (Shape{l, s}) || pairs.shape() == each, "[MultiheadAttention] expects attn_mask ",
                  Shape{l, s}, ", queries by keys, or ", each, "; got ", pairs.shape());
    of_pairs = pairs.dim() == 3 ? turn(pairs).reshape(weights) : turn(pairs);
  }
  if (!of_keys.defined() || !of_pairs.defined()) return of_keys.defined() ? of_keys : of_pairs;
  if (of_keys.dtype() == kBool && of_pairs.dtype() == kBool) return logical_and(of_keys, of_pairs);
  const DType dtype = of_keys.dtype() == kBool ? of_pairs.dtype() : of_keys.dtype();
  return as_additive(of_keys, dtype) + as_additive(of_pairs, dtype);
}

Attended MultiheadAttention::attend_batch(const Tensor& query, const Tensor& key, const Tensor& value,
                                          const AttendOptions& options) {
  const auto [projected_q, projected_k, projected_v] = project(query, key, value);
  const Tensor q = split_heads(projected_q), k = split_heads(projected_k), v = split_heads(projected_v);
  const Tensor mask = merge_masks(options, {q.size(0), num_heads_, q.size(2), k.size(2)});
  const AttentionOptions how{.is_causal = options.is_causal};
  const Tensor weights = options.need_weights ? attention_weights(q, k, mask, how) : Tensor();
  const Tensor context = options.need_weights ? matmul(weights, v) : scaled_dot_product_attention(q, k, v, mask, how);
  return {.output = module("out_proj")(merge_heads(context)),
          .weights = options.need_weights && options.average_attn_weights ? mean(weights, {1}) : weights};
}

Attended MultiheadAttention::attend(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const AttendOptions& options) {
  check_operands(query, key, value);
  if (query.dim() == 3) return attend_batch(query, key, value, options);
  const int batch = batch_first_ ? 0 : 1;
  AttendOptions one = options;
  if (one.key_padding_mask.defined()) one.key_padding_mask = one.key_padding_mask.unsqueeze(0);
  const Tensor q = query.unsqueeze(batch);
  const Tensor k = is_same(key, query) ? q : key.unsqueeze(batch);
  const Tensor v = is_same(value, query) ? q : value.unsqueeze(batch);
  Attended result = attend_batch(q, k, v, one);
  result.output = result.output.squeeze(batch);
  if (result.weights.defined()) result.weights = result.weights.squeeze(0);
  return result;
}

}  // namespace coppice::nn
