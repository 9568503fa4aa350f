#include <coppice/models/nn/attention.h>
#include <coppice/ops/attention.h>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

/// The layer whose parameters are the operands after query, key and value.
Tensors multihead_attention(const Tensors& x, const Options& options) {
  const Tensor& query = x.at(0);
  const Tensor key = x.at(1).defined() ? x.at(1) : query, value = x.at(2).defined() ? x.at(2) : query;
  nn::MultiheadAttention layer(query.size(-1), options.integer("num_heads"),
                               {.bias = x.at(7).defined(),
                                .kdim = key.size(-1),
                                .vdim = value.size(-1),
                                .batch_first = options.flag("batch_first")});
  layer.to(query.dtype());
  const char* const names[] = {"in_proj_weight", "q_proj_weight",   "k_proj_weight", "v_proj_weight",
                               "in_proj_bias",   "out_proj.weight", "out_proj.bias"};
  for (std::size_t i = 0; i < std::size(names); ++i) {
    if (x.at(3 + i).defined()) layer.set_parameter(names[i], x.at(3 + i));
  }
  const nn::Attended result = layer.attend(query, key, value,
                                           {.key_padding_mask = x.at(10),
                                            .attn_mask = x.at(11),
                                            .need_weights = options.flag("need_weights"),
                                            .average_attn_weights = options.flag("average_attn_weights")});
  return result.weights.defined() ? Tensors{result.output, result.weights} : Tensors{result.output};
}

}  // namespace

Table attention() {
  return {
      {"scaled_dot_product_attention", with_options([](const Tensors& x, const Options& options) {
         AttentionOptions how{.is_causal = options.flag("is_causal")};
         if (options.has("scale")) how.scale = options.number("scale");
         return scaled_dot_product_attention(x.at(0), x.at(1), x.at(2), x.at(3), how);
       })},
      {"multihead_attention", {multihead_attention}},
  };
}

}  // namespace coppice::golden
