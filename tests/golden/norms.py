"""Normalisations."""

from collections.abc import Callable
from typing import Optional

import torch
from torch.nn import functional

from golden import F32, F64, Family, Largest, Terms

family = Family("norms", seed=5)


def batch_norm_case(
    rank: int, dtype: torch.dtype, training: bool, affine: bool, tracked: bool, rectified: Optional[str] = None
) -> None:
    """`rectified` makes it batch_norm_relu: "plain", or with a "residual"."""
    n, c = 2 + family.below(5), 1 + family.below(4)
    shape = [n, c] + family.shape(rank - 2, 1, 4)
    x = family.normal(shape, dtype) * 2 + 1
    weight = family.uniform(0.5, 2, [c], dtype) if affine else None
    bias = family.normal([c], dtype) if affine else None
    mean = family.normal([c], dtype) if tracked else None
    variance = family.uniform(0.5, 2, [c], dtype) if tracked else None
    momentum, eps = family.choose([0.1, 0.25]), family.choose([1e-5, 1e-3])

    residual = family.normal(shape, dtype) if rectified == "residual" else None

    def normalise(x, weight, bias, residual=None):
        # The statistics are no operands of a derivative; in training they are results.
        running = [None if s is None else s.to(x.dtype).clone() for s in (mean, variance)]
        y = functional.batch_norm(x, *running, weight, bias, training, momentum, eps)
        if rectified:
            y = torch.relu(y if residual is None else y + residual)
        return [y, *running] if training and tracked else [y]

    def terms(operands, projections):
        """y = x' w + b for x' = (x - mean) / deviation; in training dx = w / deviation (g - mean g - x' mean(g x'))."""
        x, g = operands[0], projections[0].abs()
        dims = [dim for dim in range(rank) if dim != 1]
        column = [1, c] + [1] * (rank - 2)
        average = x.mean(dims) if training else mean.to(x.dtype)
        spread = x.var(dims, unbiased=False) if training else variance.to(x.dtype)
        scale = ((weight.to(x.dtype).abs() if affine else 1) / (spread + eps).sqrt()).reshape(column)
        deviation = (spread + eps).sqrt().reshape(column)
        normal = (x.abs() + average.abs().reshape(column)) / deviation
        dx = g + g.mean(dims, keepdim=True) + normal * (g * normal).mean(dims, keepdim=True) if training else g
        y = normal * scale * deviation + (bias.to(x.dtype).abs().reshape(column) if affine else 0)
        statistics = [x.abs().mean(dims) + mean.abs(), x.square().mean(dims) + variance] if training and tracked else []
        of_affine = [(g * normal).sum(dims), g.sum(dims)] if affine else []
        of_residual = [] if residual is None else [g]
        y = y if residual is None else y + operands[3].abs()
        return [y, *statistics], [dx * scale, *of_affine, *of_residual]

    options = {"training": training, "momentum": momentum, "eps": eps}
    if tracked:
        options |= {"running_mean": mean.tolist(), "running_var": variance.tolist()}
    op = "batch_norm_relu" if rectified else "batch_norm"
    operands = [x, weight, bias, residual] if rectified else [x, weight, bias]
    family.case(op, normalise, operands, options, ulps=4, magnitude=Terms(terms))


def batch_norm_cases() -> None:
    for index in range(24):
        dtype = [F32, F64][index % 2]
        rank = [2, 3, 4, 4, 4][index % 5]
        batch_norm_case(rank, dtype, training=True, affine=index % 4 != 0, tracked=index % 3 != 0)
        batch_norm_case(rank, dtype, training=False, affine=index % 4 != 0, tracked=True)
    for index in range(16):
        dtype, rectified = [F32, F64][index % 2], ["plain", "residual"][index % 4 // 2]
        batch_norm_case(4, dtype, index % 3 != 0, affine=True, tracked=True, rectified=rectified)


def record(op: str, function: Callable, operands: list, options: dict) -> None:
    family.case(op, function, operands, options, ulps=16, magnitude=Largest())


def layer_norm_cases() -> None:
    for index in range(20):
        dtype, shape = [F32, F64][index % 2], family.shape(1 + index % 3, 3, 6)
        normalized = shape[-(1 + family.below(len(shape))) :]
        x = family.normal(shape, dtype) * 2 + 1
        weight = family.uniform(0.5, 2, normalized, dtype) if index % 3 else None
        bias = family.normal(normalized, dtype) if index % 3 == 1 else None
        eps = family.choose([1e-5, 1e-3])
        normalise = lambda x, w, b: functional.layer_norm(x, normalized, w, b, eps)
        record("layer_norm", normalise, [x, weight, bias], {"normalized_shape": normalized, "eps": eps})


def group_norm_cases() -> None:
    for index in range(16):
        dtype, groups = [F32, F64][index % 2], 1 + family.below(3)
        channels = groups * (1 + family.below(3))
        x = family.normal([1 + family.below(3), channels, *family.shape(index % 3, 2, 4), 4], dtype) * 2 + 1
        weight = family.uniform(0.5, 2, [channels], dtype) if index % 3 else None
        bias = family.normal([channels], dtype) if index % 3 else None
        normalise = lambda x, w, b: functional.group_norm(x, groups, w, b)
        record("group_norm", normalise, [x, weight, bias], {"groups": groups})


def instance_norm_cases() -> None:
    for index in range(10):
        dtype, channels = [F32, F64][index % 2], 1 + family.below(3)
        x = family.normal([1 + family.below(3), channels, *family.shape(1 + index % 2, 3, 4)], dtype) * 2 + 1
        weight = family.uniform(0.5, 2, [channels], dtype) if index % 3 else None
        bias = family.normal([channels], dtype) if index % 3 else None
        normalise = lambda x, w, b: functional.instance_norm(x, weight=w, bias=b)
        record("instance_norm", normalise, [x, weight, bias], {})


if __name__ == "__main__":
    batch_norm_cases()
    layer_norm_cases()
    group_norm_cases()
    instance_norm_cases()
    family.write()
