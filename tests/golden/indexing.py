"""Picking, masking, sorting, folding: data movement, compared for equality."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from golden import BOOL, F32, F64, I32, I64, U8, Family, Input, Largest, Products

family = Family("indexing", seed=12)

DTYPES = [F32, F64, I32, I64, U8, BOOL]


def operand(shape: list[int], dtype: torch.dtype) -> Input:
    if dtype.is_floating_point:
        return family.strided(lambda s: family.normal(s, dtype), shape)
    return family.strided(lambda s: family.integers(0, 2 if dtype == BOOL else 100, s, dtype), shape)


def next_dtype(dtypes: list[torch.dtype] = DTYPES) -> torch.dtype:
    return dtypes[len(family.cases) % len(dtypes)]


def record(op: str, function: Callable[..., Any], operands: list, options: dict[str, Any]) -> None:
    family.case(op, function, operands, options)


def picking_cases() -> None:
    for _ in range(14):
        rank, dtype = 1 + family.below(3), next_dtype()
        shape = family.shape(rank, 2, 5)
        dim = family.below(rank)
        x = operand(shape, dtype)
        wanted = [1 + family.below(size) for size in shape]
        wanted[dim] = 1 + family.below(6)
        index = family.integers(0, shape[dim], wanted)
        signed = dim - rank if family.below(2) else dim
        record("gather", lambda x, i: torch.gather(x, signed, i), [x, index], {"dim": signed})
        picks = family.integers(0, shape[dim], [1 + family.below(6)])
        record("index_select", lambda x, i: torch.index_select(x, signed, i), [x, picks], {"dim": signed})
        # Each place is written at most once: the order of writes is not part of the definition.
        width = 1 + family.below(shape[dim])
        places = torch.rand(shape, generator=family.generator).argsort(dim).narrow(dim, 0, width).contiguous()
        source = operand(list(places.shape), dtype)
        value = 1 if not dtype.is_floating_point else 0.5
        fill = lambda x, i: torch.scatter(x, signed, i, value)
        record("scatter_value", fill, [x, places], {"dim": signed, "value": value})
        record("scatter", lambda x, i, s: torch.scatter(x, signed, i, s), [x, places, source], {"dim": signed})
        if dtype != BOOL:
            spread = family.integers(0, shape[dim], wanted)
            terms = operand(wanted, dtype)
            add = lambda x, i, s: torch.scatter_add(x, signed, i, s)
            family.case("scatter_add", add, [x, spread, terms], {"dim": signed}, ulps=4, magnitude=Products())


def subscripts(indices: tuple) -> tuple:
    return tuple(slice(None) if index is None else index for index in indices)


def index_cases() -> None:
    """Tensors of integers, masks, and full slices where there is none."""
    for index in range(24):
        dtype = next_dtype()
        shape = family.shape(3, 2, 4)
        x = operand(shape, dtype)
        far = lambda dim, sizes: family.integers(-shape[dim], shape[dim], sizes)
        mask = family.integers(0, 2, shape[:2], BOOL)
        mask[0, 0] = True
        indices = [
            [far(0, [5])],
            [far(0, [2, 3])],
            [far(0, [4]), far(1, [4])],
            [None, far(1, [3])],
            [far(0, [3]), None, far(2, [3])],
            [None, far(1, [2, 1]), far(2, [3])],
            [mask],
            [None, far(1, [2]), None],
        ][index % 8]
        record("index", lambda x, *i: x[subscripts(i)], [x, *indices], {})
        if dtype != BOOL:
            target = x.base if not x.views else family.integers(0, 9, shape, dtype)
            values = operand(list(target[subscripts(tuple(indices))].shape), dtype)

            def accumulate(x: Tensor, values: Tensor, *i) -> Tensor:
                where = torch.zeros(x.shape, dtype=x.dtype).index_put(whole(x, i), values, accumulate=True)
                return x + where

            family.case(
                "index_put_accumulate", accumulate, [target, values, *indices], ulps=4, magnitude=Products()
            )


def whole(x: Tensor, indices: tuple) -> tuple:
    """Subscripts without slices, which index_put does not take."""
    places = torch.arange(x.numel()).reshape(x.shape)[subscripts(indices)]
    strides = [math.prod(x.shape[dim + 1 :]) for dim in range(x.dim())]
    return tuple(places // stride % size for stride, size in zip(strides, x.shape))


def embedding_cases() -> None:
    for index in range(8):
        dtype = next_dtype([F32, F64])
        count, size = 2 + family.below(5), 1 + family.below(4)
        rows = family.integers(0, count, family.shape(1 + index % 3, 1, 4))
        padding = family.below(count) if index % 2 else None
        options = {} if padding is None else {"padding_idx": padding}
        pick = lambda i, w: functional.embedding(i, w, padding)
        record("embedding", pick, [rows, family.normal([count, size], dtype)], options)


def masking_cases() -> None:
    for _ in range(10):
        dtype = next_dtype()
        shape = family.shape(1 + family.below(3), 1, 5)
        x = operand(shape, dtype)
        mask = family.integers(0, 2, shape, BOOL)
        record("masked_select", torch.masked_select, [x, mask], {})
        narrow = [1 if family.below(3) == 0 else size for size in shape]
        value = 1 if not dtype.is_floating_point else -0.5
        fill = lambda x, m: torch.masked_fill(x, m, value)
        record("masked_fill", fill, [x, operand(narrow, BOOL)], {"value": value})
        record("nonzero", torch.nonzero, [mask], {})
    for shape in [[5], [2, 3], [1]]:
        x = family.integers(0, 6, shape)
        record("one_hot", lambda x: functional.one_hot(x, 6), [x], {"classes": 6})


def sorting_cases() -> None:
    for index in range(16):
        dtype = next_dtype([F32, F64, I32, I64])
        rank = 1 + index % 3
        shape = family.shape(rank, 1, 7)
        dim, descending = family.below(2 * rank) - rank, bool(family.below(2))
        options = {"dim": dim, "descending": descending}
        x = family.strided(lambda s: family.integers(-4, 5, s, dtype), shape)
        sort = lambda x: torch.sort(x, dim=dim, descending=descending, stable=True)
        record("sort", sort, [x], options)
        argsort = lambda x: torch.sort(x, dim=dim, descending=descending, stable=True).indices
        family.case("argsort", argsort, [x], options, differentiable=False)
        largest = bool(family.below(2))
        distinct = Input(family.distinct(shape, dtype))
        k = 1 + family.below(shape[dim])
        options = {"k": k, "dim": dim, "largest": largest}
        record("topk", lambda x: torch.topk(x, k, dim, largest), [distinct], options)
    for right in [False, True]:
        for dtype in [F32, F64, I64]:
            steps = family.integers(-5, 6, [3, 6], dtype).sort(-1).values
            for sequence, values in [(steps, [3, 4]), (steps[0], [2, 5])]:
                search = lambda s, v: torch.searchsorted(s, v, right=right)
                operands = [sequence, family.integers(-6, 7, values, dtype)]
                family.case("searchsorted", search, operands, {"right": right}, differentiable=False)
    special = torch.tensor([1.0, float("nan"), -float("inf"), 0.0, float("inf"), -2.0])
    for descending in [False, True]:
        sort = lambda x: torch.sort(x, dim=0, descending=descending, stable=True)
        family.case("sort", sort, [special], {"dim": 0, "descending": descending}, differentiable=False)


def folding_cases() -> None:
    for index in range(14):
        dtype = next_dtype([F32, F64])
        kernel, dilation = family.shape(2, 1, 3), family.shape(2, 1, 2)
        padding, stride = [family.below(2), family.below(2)], family.shape(2, 1, 2)
        size = [dilation[d] * (kernel[d] - 1) + 1 + family.below(3) for d in range(2)]
        n, c = family.shape(2, 1, 2)
        options = {"kernel": kernel, "dilation": dilation, "padding": padding, "stride": stride}
        unfold = lambda x: functional.unfold(x, kernel, dilation, padding, stride)
        record("unfold", unfold, [operand([n, c, *size], dtype)], options)
        places = [(size[d] + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) // stride[d] + 1 for d in range(2)]
        columns = family.integers(-9, 10, [n, c * kernel[0] * kernel[1], places[0] * places[1]], dtype)
        fold = lambda x: functional.fold(x, size, kernel, dilation, padding, stride)
        record("fold", fold, [columns], options | {"size": size})


def shape_cases() -> None:
    """Triangles, diagonals, ranges."""
    for diagonal in [-2, -1, 0, 1, 3]:
        for op, function in [("tril", torch.tril), ("triu", torch.triu)]:
            x = operand([2, 3, 4], next_dtype())
            record(op, lambda x: function(x, diagonal), [x], {"diagonal": diagonal})
        x = operand([3, 2, 4], next_dtype())
        dims = family.choose([[0, 1], [2, 0], [1, -1]])
        options = {"offset": diagonal, "dims": dims}
        record("diagonal", lambda x: torch.diagonal(x, diagonal, *dims), [x], options)
        for shape in [[3], [3, 4]]:
            if diagonal < 3 or shape == [3]:
                x = operand(shape, next_dtype())
                record("diag", lambda x: torch.diag(x, diagonal), [x], {"diagonal": diagonal})
    for _ in range(6):
        shape, dtype = family.shape(4, 1, 3), next_dtype()
        source, destination = [0, -1], [2, 0]
        move = lambda x: torch.movedim(x, source, destination)
        record("movedim", move, [operand(shape, dtype)], {"source": source, "destination": destination})
        dim, sizes = family.below(3), [2, -1, 1]
        shape[dim] *= 2
        record("unflatten", lambda x: x.unflatten(dim, sizes), [operand(shape, dtype)], {"dim": dim, "sizes": sizes})
    for start, end, step in [(0, 5, 1), (2, -7, -3), (0.5, 3.0, 0.25), (1, 2, 0.3), (3, 3, 1)]:
        options = {"start": start, "end": end, "step": step}
        family.case("arange", lambda: torch.arange(start, end, step), [], options, ulps=2, native=True)
    for start, end, steps in [(0.0, 1.0, 5), (-2.0, 3.0, 7), (1.0, 1.0, 1), (5.0, -5.0, 11)]:
        options = {"start": start, "end": end, "steps": steps}
        family.case("linspace", lambda: torch.linspace(start, end, steps), [], options, ulps=2, magnitude=Largest())
    for indexing in ["ij", "xy"]:
        for dtype in [F32, I64]:
            axes = [Input(family.distinct([size], dtype)) for size in (2, 3, 4)[: 2 + (dtype == F32)]]
            grid = lambda *x: torch.meshgrid(*x, indexing=indexing)
            record("meshgrid", grid, axes, {"indexing": indexing})


if __name__ == "__main__":
    picking_cases()
    index_cases()
    embedding_cases()
    masking_cases()
    sorting_cases()
    folding_cases()
    shape_cases()
    family.write()
