"""Arithmetic, comparison and selection with broadcasting, views and type promotion."""

import torch

from golden import BOOL, F32, F64, I32, I64, U8, Broadcast, Family, Input

family = Family("elementwise", seed=1)


def broadcastable(rank: int) -> tuple[list[int], list[int]]:
    """Two shapes that broadcast to one of that rank; the second may lack leading dimensions."""
    whole = family.shape(rank, 1, 4)
    shapes = [[1 if family.below(4) == 0 else size for size in whole] for _ in range(2)]
    return shapes[0], shapes[1][family.below(rank + 1) :] if rank else []


def operand(shape: list[int], dtype: torch.dtype, low: float = -3, high: float = 3) -> Input:
    if dtype == BOOL:
        return family.strided(lambda s: family.integers(0, 2, s, BOOL), shape)
    if not dtype.is_floating_point:
        bounds = (1, 9) if dtype == U8 else (int(low), int(high) + 1)
        return family.strided(lambda s: family.integers(*bounds, s, dtype), shape)
    return family.strided(lambda s: family.uniform(low, high, s, dtype), shape)


BINARY = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}
COMPARISONS = {"eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge}


def binary_cases() -> None:
    for name, function in BINARY.items():
        low = 0.25 if name == "div" else -3
        for index in range(16):
            dtype = F64 if index % 3 == 0 else F32
            a, b = broadcastable(index % 5)
            operands = [operand(a, dtype), operand(b, dtype, low)]
            family.case(name, function, operands, ulps=2, magnitude=Broadcast())
    for name in ["add", "sub", "mul", "maximum", "minimum"]:
        for dtype in [I32, I64, U8]:
            a, b = broadcastable(2)
            family.case(name, BINARY[name], [operand(a, dtype), operand(b, dtype)])


def promotion_cases() -> None:
    """Every pair of dtypes; tensors with dimensions, since those without promote otherwise in PyTorch."""
    dtypes = [F32, F64, I32, I64, U8, BOOL]
    for first in dtypes:
        for second in dtypes:
            name = family.choose(["add", "mul", "maximum"] if BOOL not in (first, second) else ["add", "mul"])
            operands = [operand([2, 3], first), operand([3], second)]
            family.case(name, BINARY[name], operands, ulps=2, native=True, magnitude=Broadcast())
            if not first.is_floating_point and not second.is_floating_point and BOOL not in (first, second):
                nonzero = family.integers(1, 9, [3], second)
                family.case("div", torch.div, [operand([2, 3], first), nonzero], ulps=1, native=True)


def comparison_cases() -> None:
    for name, function in COMPARISONS.items():
        for dtype in [F32, F64, I32, I64, U8]:
            a, b = broadcastable(2)
            ties = [family.strided(lambda s: family.integers(0, 3, s, dtype), shape) for shape in (a, b)]
            family.case(name, function, ties, differentiable=False)
        special = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1.0])
        family.case(name, function, [special.reshape(6, 1), special], differentiable=False)


def scalar_cases() -> None:
    for name in ["add", "sub", "mul", "div", *COMPARISONS]:
        function = BINARY.get(name) or COMPARISONS[name]
        for dtype in [F32, F64, I32, I64]:
            for scalar in [2, -3, 0.5]:
                if isinstance(scalar, float) and not dtype.is_floating_point and name in COMPARISONS:
                    continue
                x = operand(family.shape(2, 1, 3), dtype)
                family.case(
                    f"{name}_scalar",
                    lambda x, f=function, s=scalar: f(x, s),
                    [x],
                    {"scalar": scalar},
                    ulps=2,
                    magnitude=Broadcast(),
                    native=not dtype.is_floating_point,
                    differentiable=name not in COMPARISONS,
                )
    for dtype in [F32, F64, I32]:
        x = operand([3, 4], dtype)
        family.case("scalar_sub", lambda x: 5 - x, [x], {"scalar": 5}, ulps=2, magnitude=Broadcast())
        y = operand([3, 4], dtype, 1, 4)
        family.case("scalar_div", lambda x: 2.5 / x, [y], {"scalar": 2.5}, ulps=2, magnitude=Broadcast())


def selection_cases() -> None:
    for index in range(12):
        dtype = [F32, F64, I64][index % 3]
        a, b = broadcastable(3)
        condition = operand(family.choose([a, b, [1]]), BOOL)
        operands = [condition, operand(a, dtype), operand(b, dtype)]
        family.case("where", torch.where, operands)
    for low, high in [(-1, 1), (None, 0.5), (-0.5, None), (1, 1)]:
        for dtype in [F32, F64, I32]:
            if dtype == I32 and 0.5 in (low, high) or dtype == I32 and low == -0.5:
                continue
            options = {key: value for key, value in [("min", low), ("max", high)] if value is not None}
            x = operand([4, 5], dtype)
            family.case("clamp", lambda x: torch.clamp(x, low, high), [x], options)


UNARY = {
    "neg": (torch.neg, -3, 3),
    "abs": (torch.abs, -3, 3),
    "exp": (torch.exp, -10, 10),
    "log": (torch.log, 0.01, 10),
    "sqrt": (torch.sqrt, 0.01, 10),
}


def unary_cases() -> None:
    for name, (function, low, high) in UNARY.items():
        for index in range(10):
            dtype = F64 if index % 3 == 0 else F32
            x = operand(family.shape(index % 4, 1, 4), dtype, low, high)
            family.case(name, function, [x], ulps=2, magnitude=Broadcast())
        if name in ("neg", "abs"):
            family.case(name, function, [operand([3, 3], I32)])
            family.case(name, function, [operand([3, 3], I64)])
        else:
            family.case(name, function, [family.integers(1, 9, [3, 3], I32)], ulps=2)
            family.case(name, function, [family.integers(1, 9, [3, 3], U8)], ulps=2)
    for dtype in [F32, F64, I32, I64]:
        family.case("sign", torch.sign, [family.integers(-2, 3, [3, 4], dtype)], differentiable=False)
    for exponent in [2.0, 3.0, -1.0, 0.5, 1.7, 0.0, -2.5]:
        for dtype in [F32, F64]:
            x = operand(family.shape(2), dtype, 0.25, 4)
            options = {"exponent": exponent}
            family.case("pow", lambda x: torch.pow(x, exponent), [x], options, ulps=4, magnitude=Broadcast())
    for exponent in [2.0, 3.0, -1.0]:
        x = operand([3, 4], F32)
        options = {"exponent": exponent}
        family.case("pow", lambda x: torch.pow(x, exponent), [x], options, ulps=4, magnitude=Broadcast())


if __name__ == "__main__":
    binary_cases()
    promotion_cases()
    comparison_cases()
    scalar_cases()
    selection_cases()
    unary_cases()
    family.write()
