"""Sums, means, extremes and counts over any dimensions."""

import torch
from torch import Tensor

from golden import BOOL, F32, F64, I32, I64, U8, Family, Largest, Products

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


if __name__ == "__main__":
    sum_cases()
    extreme_cases()
    index_cases()
    family.write()
