"""Sums, products, moments, norms, extremes, truth and counts over any dimensions; running sums and products."""

import torch
from torch import Tensor

from golden import BOOL, F32, F64, I32, I64, U8, Family, Input, Largest, Products, Terms

family = Family("reductions", seed=2)


def pick_dims(rank: int) -> list[int]:
    """Some dimensions, about half of them written as negative."""
    dims = [dim for dim in range(rank) if family.below(2)] or [family.below(rank)]
    return [dim - rank if family.below(2) else dim for dim in dims]


def sum_cases() -> None:
    for name, function in [("sum", torch.sum), ("mean", torch.mean)]:
        for index in range(24):
            dtype = [F32, F64][index % 2]
            rank = 1 + index % 4
            x = family.strided(lambda s: family.normal(s, dtype), family.shape(rank, 1, 6))
            dims, keepdim = pick_dims(rank), bool(family.below(2))
            options = {"dims": dims, "keepdim": keepdim}
            reduced = lambda x: function(x, dims, keepdim)
            family.case(name, reduced, [x], options, ulps=4, magnitude=Products())
        for shape in [[], [1], [200], [3, 4, 5]]:
            family.case(name, function, [family.normal(shape)], ulps=4, magnitude=Products())
    for dtype in [I32, I64, U8, BOOL]:
        x = family.strided(lambda s: family.integers(0, 2 if dtype == BOOL else 100, s, dtype), [3, 4, 2])
        family.case("sum", torch.sum, [x])
        family.case("sum", lambda x: torch.sum(x, [1], True), [x], {"dims": [1], "keepdim": True})
    for shape, dims in [([0, 3], [0]), ([2, 0], [1]), ([0], [0])]:
        options = {"dims": dims, "keepdim": False}
        family.case("sum", lambda x: torch.sum(x, dims), [family.normal(shape)], options)
        family.case("mean", lambda x: torch.mean(x, dims), [family.normal(shape)], options)


def extreme_cases() -> None:
    for name, function in [("amax", torch.amax), ("amin", torch.amin)]:
        for index in range(16):
            dtype = [F32, F64, I32, I64][index % 4]
            rank = 1 + index % 3
            # Few values, so that there are ties, which share a gradient.
            x = family.strided(lambda s: family.integers(-3, 4, s, dtype), family.shape(rank, 1, 6))
            dims, keepdim = pick_dims(rank), bool(family.below(2))
            options = {"dims": dims, "keepdim": keepdim}
            family.case(name, lambda x: function(x, dims, keepdim), [x], options, ulps=4, magnitude=Largest())
        special = torch.tensor([[1.0, float("nan"), 2.0], [float("inf"), 0.0, -float("inf")]])
        options = {"dims": [1], "keepdim": False}
        family.case(name, lambda x: function(x, [1]), [special], options, differentiable=False)


def index_cases() -> None:
    for index in range(12):
        dtype = [F32, F64, I32, I64][index % 4]
        rank = 1 + index % 3
        x = family.strided(lambda s: family.distinct(s, dtype), family.shape(rank, 1, 6))
        dim, keepdim = family.below(rank), bool(family.below(2))
        options = {"dim": dim, "keepdim": keepdim}
        family.case("argmax", lambda x: torch.argmax(x, dim, keepdim), [x], options, differentiable=False)
    family.case("argmax", torch.argmax, [family.distinct([4, 5])], differentiable=False)
    for index in range(8):
        dtype = [F32, I64, U8, BOOL][index % 4]
        x = family.strided(lambda s: family.integers(0, 2, s, dtype), family.shape(3, 1, 5))
        dims = pick_dims(3)

        def count(x: Tensor) -> Tensor:
            return torch.count_nonzero(x, dims)

        family.case("count_nonzero", count, [x], {"dims": dims}, differentiable=False)


def moment_cases() -> None:
    for name, function in [("var", torch.var), ("std", torch.std)]:
        for index in range(14):
            dtype, rank = [F32, F64][index % 2], 1 + index % 3
            # Not expanded: the deviation of equal elements is 0, and its derivative divides by it.
            order = torch.randperm(rank, generator=family.generator).tolist()
            x = Input(family.normal(family.shape(rank, 3, 6), dtype), [["permute", order]])
            dims, keepdim, correction = pick_dims(rank), bool(family.below(2)), family.below(2)
            options = {"dims": dims, "keepdim": keepdim, "correction": correction}
            reduced = lambda x: function(x, dims, unbiased=bool(correction), keepdim=keepdim)
            family.case(name, reduced, [x], options, ulps=8, magnitude=Largest())


def product_cases() -> None:
    for index in range(12):
        dtype, rank = [F32, F64, I64][index % 3], 1 + index % 4
        x = family.strided(lambda s: family.integers(-3, 4, s, dtype), family.shape(rank, 1, 5))
        dim, keepdim = family.below(rank), bool(family.below(2))
        options = {"dims": [dim], "keepdim": keepdim}
        family.case("prod", lambda x: torch.prod(x, dim, keepdim), [x], options, ulps=8, magnitude=Products())
    family.case("prod", torch.prod, [family.normal([2, 4])], ulps=8, magnitude=Products())


def norm_cases() -> None:
    for order in ["1", "2", "3", "0.5", "inf", "-inf", "0"]:
        for dtype in [F32, F64]:
            x = Input(family.normal(family.shape(2, 2, 6), dtype))
            dims, keepdim = pick_dims(2), bool(family.below(2))
            options = {"order": order, "dims": dims, "keepdim": keepdim}
            norm = lambda x: torch.linalg.vector_norm(x, float(order), dims, keepdim)
            family.case("norm", norm, [x], options, ulps=8, magnitude=Largest(), differentiable=order != "0")


def logsumexp_cases() -> None:
    for index in range(12):
        dtype, rank = [F32, F64][index % 2], 1 + index % 3
        x = family.strided(lambda s: family.normal(s, dtype) * 4, family.shape(rank, 1, 6))
        dims, keepdim = pick_dims(rank), bool(family.below(2))

        def terms(operands, projections):
            x = operands[0]
            y = torch.logsumexp(x, dims, True)
            share = (x - y).exp() * (1 + x.abs() + y.abs())
            of_output = torch.logsumexp(x, dims, keepdim).abs() + 1
            return [of_output], [share * projections[0].abs().reshape(y.shape)]

        reduced = lambda x: torch.logsumexp(x, dims, keepdim)
        options = {"dims": dims, "keepdim": keepdim}
        family.case("logsumexp", reduced, [x], options, ulps=4, magnitude=Terms(terms))


def running_cases() -> None:
    for index in range(12):
        dtype, rank = [F32, F64, I64, I32][index % 4], 1 + index % 3
        make = lambda s: family.normal(s, dtype) if dtype.is_floating_point else family.integers(-9, 10, s, dtype)
        x = family.strided(make, family.shape(rank, 1, 6))
        dim = family.below(2 * rank) - rank
        family.case("cumsum", lambda x: torch.cumsum(x, dim), [x], {"dim": dim}, ulps=4, magnitude=Products())
        family.case("cumprod", lambda x: torch.cumprod(x, dim), [x], {"dim": dim}, ulps=8, magnitude=Products())


def truth_cases() -> None:
    for name, function in [("any", torch.any), ("all", torch.all)]:
        for index in range(8):
            dtype = [BOOL, F32, I64, U8][index % 4]
            x = family.strided(lambda s: family.integers(0, 2, s, dtype), family.shape(3, 1, 3))
            dim, keepdim = family.below(3), bool(family.below(2))
            options = {"dims": [dim], "keepdim": keepdim}
            family.case(name, lambda x: function(x, dim, keepdim).to(BOOL), [x], options, differentiable=False)
        family.case(name, lambda x: function(x).to(BOOL), [family.integers(0, 2, [4], I64)], differentiable=False)


def place_cases() -> None:
    for name, function in [("max", torch.max), ("min", torch.min)]:
        for index in range(12):
            dtype, rank = [F32, F64, I32, I64][index % 4], 1 + index % 3
            x = family.distinct(family.shape(rank, 1, 6), F64) * 8
            dim, keepdim = family.below(2 * rank) - rank, bool(family.below(2))
            options = {"dim": dim, "keepdim": keepdim}
            family.case(name, lambda x: tuple(function(x, dim, keepdim)), [x.to(dtype)], options)


if __name__ == "__main__":
    sum_cases()
    extreme_cases()
    index_cases()
    moment_cases()
    product_cases()
    norm_cases()
    logsumexp_cases()
    running_cases()
    truth_cases()
    place_cases()
    family.write()
