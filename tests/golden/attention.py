"""Attention: of given queries, keys and values, and of layers that project them."""

from typing import Any, Optional

import torch
from torch import Tensor
from torch.nn import functional

from golden import BOOL, F32, F64, Family, Products

family = Family("attention", seed=21)


def random_mask(shape: list[int], kind: str, allowed: bool, dtype: torch.dtype) -> Optional[Tensor]:
    """Of the kind "none", "bool" (set where `allowed`, at the first key always) or "additive"."""
    if kind == "none":
        return None
    if kind == "additive":
        return family.normal(shape, dtype)
    pairs = family.uniform(0, 1, shape) < 0.6
    pairs[..., 0] = True
    return (pairs if allowed else ~pairs).to(BOOL)


def absolute(weights: Tensor, q: Tensor, k: Tensor, v: Tensor, mask: Optional[Tensor], scale: float) -> list[Tensor]:
    """Absolute operands to those terms of the attention and its weights of which these and all gradients are sums: the
    derivative of a weight p_i by a score s_j is p_i (1 at i = j, minus p_j)."""
    scores = q @ k.transpose(-2, -1) * scale
    if mask is not None and mask.dtype != BOOL:
        scores = scores + mask
    terms = weights * (1 + scores + (weights * scores).sum(-1, keepdim=True))
    return [terms @ v, terms]


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Optional[Tensor], is_causal: bool, scale: float) -> list[Tensor]:
    """The attention, which torch 1.13 has not as a function, and its weights."""
    scores = q @ k.transpose(-2, -1) * scale
    if is_causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1).to(BOOL), -torch.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == BOOL else scores + mask
    weights = scores.softmax(-1)
    return [weights @ v, weights]


def attention_cases() -> None:
    for index in range(24):
        dtype, kind, is_causal = [F32, F64][index % 2], ["none", "bool", "additive"][index % 3], index % 4 == 3
        batch = family.shape(index // 2 % 3, 1, 3)
        l, s, e, width = family.shape(4, 1, 6)
        options: dict[str, Any] = {"is_causal": is_causal}
        scale = e**-0.5
        if index % 5 == 0:
            options["scale"] = scale = 0.75
        operands = [
            family.strided(lambda shape: family.normal(shape, dtype), [*batch, l, e]),
            family.strided(lambda shape: family.normal(shape, dtype), [*batch, s, e]),
            family.strided(lambda shape: family.normal(shape, dtype), [*batch[1:], s, width]),
            random_mask([l, s] if index % 2 else [*batch, 1, s], kind, True, dtype),
        ]
        computed: list[Tensor] = []

        def run(q: Tensor, k: Tensor, v: Tensor, mask: Optional[Tensor]) -> Tensor:
            output, weights = attend(q, k, v, mask, is_causal, scale)
            computed.append(weights.detach())
            return output

        terms = lambda q, k, v, mask: absolute(computed[-1], q, k, v, mask, scale)[0]
        family.case("scaled_dot_product_attention", run, operands, options, ulps=8, magnitude=Products(terms))


def layer_case(index: int) -> None:
    """torch.nn.MultiheadAttention's forward, whose parameters are operands."""
    dtype = [F32, F64][index % 2]
    batch_first, bias, is_self = index % 3 == 0, index % 5 != 1, index % 4 == 0
    heads, n, l, s = 1 + family.below(3), *family.shape(3, 1, 4)
    embed = heads * (1 + family.below(4))
    separate = not is_self and index % 3 == 1
    kdim, vdim = (embed + 1, embed + 2) if separate else (embed, embed)
    s = l if is_self else s
    average, need_weights = index % 7 != 3, index % 2 == 0 or index % 3 == 0

    def sequence(length: int, size: int) -> Tensor:
        return family.normal([n, length, size] if batch_first else [length, n, size], dtype)

    query = sequence(l, embed)
    key, value = (None, None) if is_self else (sequence(s, kdim), sequence(s, vdim))
    packed = None if separate else family.normal([3 * embed, embed], dtype) / embed**0.5
    parts = [family.normal([embed, size], dtype) / size**0.5 if separate else None for size in (embed, kdim, vdim)]
    in_bias = family.normal([3 * embed], dtype) if bias else None
    out_weight = family.normal([embed, embed], dtype) / embed**0.5
    out_bias = family.normal([embed], dtype) if bias else None
    kind = ["none", "bool", "additive"]
    padding = random_mask([n, s], kind[index % 2], False, dtype)
    mask = random_mask([l, s] if index % 2 else [n * heads, l, s], kind[0 if index % 2 else index // 2 % 3], False, dtype)

    computed: list[Tensor] = []

    def in_order(query, key, value):
        operands = [query, query if key is None else key, query if value is None else value]
        return [operand.transpose(0, 1) for operand in operands] if batch_first else operands

    def results(output, weights):
        output = output.transpose(0, 1) if batch_first else output
        return [output, weights.mean(1) if average else weights] if need_weights else [output]

    def run(query, key, value, packed, q_weight, k_weight, v_weight, in_bias, out_weight, out_bias, padding, mask):
        output, weights = functional.multi_head_attention_forward(
            *in_order(query, key, value), embed, heads, packed, in_bias, None, None, False, 0.0, out_weight, out_bias,
            key_padding_mask=padding, attn_mask=mask, use_separate_proj_weight=separate, q_proj_weight=q_weight,
            k_proj_weight=k_weight, v_proj_weight=v_weight, average_attn_weights=False,
        )  # fmt: skip
        computed.append(weights.detach())
        return results(output, weights)

    def terms(query, key, value, packed, q_weight, k_weight, v_weight, in_bias, out_weight, out_bias, padding, mask):
        parts = [q_weight, k_weight, v_weight] if separate else packed.chunk(3)
        biases = in_bias.chunk(3) if bias else [None] * 3
        projected = map(functional.linear, in_order(query, key, value), parts, biases)
        q, k, v = (x.unflatten(-1, (heads, embed // heads)).permute(1, 2, 0, 3) for x in projected)
        added = mask.unflatten(0, (n, heads)) if mask is not None and mask.dim() == 3 else mask
        context, weights = absolute(computed[-1], q, k, v, added, (embed // heads) ** -0.5)
        return results(functional.linear(context.permute(2, 0, 1, 3).flatten(2), out_weight, out_bias), weights)

    options = {
        "num_heads": heads,
        "batch_first": batch_first,
        "need_weights": need_weights,
        "average_attn_weights": average,
    }
    operands = [query, key, value, packed, *parts, in_bias, out_weight, out_bias, padding, mask]
    family.case("multihead_attention", run, operands, options, ulps=8, magnitude=Products(terms))


if __name__ == "__main__":
    attention_cases()
    for index in range(24):
        layer_case(index)
    family.write()
