"""Joining, splitting, padding, rearranging: data movement, compared for equality."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from golden import BOOL, F32, F64, I32, I64, U8, Family, Input

family = Family("joining", seed=17)

DTYPES = [F32, F64, I32, I64, U8, BOOL]


def operand(shape: list[int], dtype: torch.dtype) -> Input:
    if dtype.is_floating_point:
        return family.strided(lambda s: family.normal(s, dtype), shape)
    return family.strided(lambda s: family.integers(0, 2 if dtype == BOOL else 100, s, dtype), shape)


def next_dtype(dtypes: list[torch.dtype] = DTYPES) -> torch.dtype:
    return dtypes[len(family.cases) % len(dtypes)]


def record(op: str, function: Callable[..., Any], operands: list, options: dict[str, Any]) -> None:
    family.case(op, function, operands, options)


def joining_cases() -> None:
    for _ in range(18):
        rank, dtype = 1 + family.below(3), next_dtype()
        shape = family.shape(rank)
        dim = family.below(2 * rank) - rank
        shapes = [list(shape) for _ in range(1 + family.below(3))]
        for part in shapes:
            part[dim] = family.below(4)
        parts = [operand(part, dtype) if 0 not in part else Input(torch.zeros(part, dtype=dtype)) for part in shapes]
        record("cat", lambda *x: torch.cat(x, dim), parts, {"dim": dim})
        dim = family.below(2 * rank + 2) - rank - 1
        whole = [operand(shape, dtype) for _ in range(1 + family.below(3))]
        record("stack", lambda *x: torch.stack(x, dim), whole, {"dim": dim})
    for _ in range(12):
        rank, dtype = 1 + family.below(3), next_dtype()
        shape = family.shape(rank, 2, 7)
        dim = family.below(2 * rank) - rank
        size, chunks = 1 + family.below(shape[dim]), 1 + family.below(4)
        x = operand(shape, dtype)
        record("split", lambda x: torch.split(x, size, dim), [x], {"split_size": size, "dim": dim})
        sizes = [size, shape[dim] - size]
        record("split_sizes", lambda x: torch.split(x, sizes, dim), [x], {"sizes": sizes, "dim": dim})
        record("chunk", lambda x: torch.chunk(x, chunks, dim), [x], {"chunks": chunks, "dim": dim})


def padding_cases() -> None:
    for index in range(24):
        mode = ["constant", "reflect", "replicate"][index % 3]
        dtype = next_dtype([F32, F64] if mode != "constant" else [F32, F64, I64, I32])
        rank = 4 if index % 2 else 3
        shape = family.shape(rank - 2, 1, 3) + family.shape(2, 4, 6)
        padding = [family.below(4) for _ in range(4 if rank == 4 else 2)]
        options = {"pad": padding, "mode": mode}
        if mode == "constant":
            options["value"] = family.choose([0.0, 2.0, -1.0])
        filled = options.get("value", 0.0)
        pad = lambda x: functional.pad(x, padding, mode, filled)
        family.case("pad", pad, [operand(shape, dtype)], options)
    for shape, padding in [([5], [1, -2]), ([3, 4], [-1, 2, 1, 0]), ([2, 3, 3], [0, 1, 2, -1, 1, 1])]:
        options = {"pad": padding, "mode": "constant", "value": 0.5}
        family.case("pad", lambda x: functional.pad(x, padding, value=0.5), [operand(shape, F32)], options)


def rearranging_cases() -> None:
    for _ in range(12):
        rank = 1 + family.below(3)
        shape = family.shape(rank)
        dims = [dim for dim in range(rank) if family.below(2)] or [-1]
        record("flip", lambda x: torch.flip(x, dims), [operand(shape, next_dtype())], {"dims": dims})
        shifts = [family.below(9) - 4 for _ in dims]
        options = {"shifts": shifts, "dims": dims}
        record("roll", lambda x: torch.roll(x, shifts, dims), [operand(shape, next_dtype())], options)
        repeats = [1 + family.below(3) for _ in range(rank + family.below(2))]
        record("tile", lambda x: torch.tile(x, repeats), [operand(shape, next_dtype())], {"dims": repeats})


if __name__ == "__main__":
    joining_cases()
    padding_cases()
    rearranging_cases()
    family.write()
