"""Elementwise functions beside arithmetic, and the activations that have an option or a kink."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from golden import BOOL, F32, F64, I32, I64, U8, Broadcast, Family, Input, Terms

family = Family("curves", seed=13)

Unary = Callable[[Tensor], Tensor]

# With the range of the operand. Values and derivatives are accurate to their last digits there.
CURVES: dict[str, tuple[Unary, float, float]] = {
    "rsqrt": (torch.rsqrt, 0.01, 10),
    "reciprocal": (torch.reciprocal, 0.1, 5),
    "square": (torch.square, -3, 3),
    "expm1": (torch.expm1, -3, 3),
    "log2": (torch.log2, 0.01, 10),
    "log10": (torch.log10, 0.01, 10),
    "log1p": (torch.log1p, -0.9, 5),
    "sin": (torch.sin, -3, 3),
    "cos": (torch.cos, -3, 3),
    "tan": (torch.tan, -1.5, 1.5),
    "asin": (torch.asin, -0.9, 0.9),
    "acos": (torch.acos, -0.9, 0.9),
    "atan": (torch.atan, -5, 5),
    "sinh": (torch.sinh, -3, 3),
    "cosh": (torch.cosh, -3, 3),
}
# Their derivatives are differences to 1: errors are measured by the gradient that came in.
SATURATING: dict[str, tuple[Unary, float, float]] = {
    "tanh": (torch.tanh, -4, 4),
    "sigmoid": (torch.sigmoid, -8, 8),
    "erf": (torch.erf, -3, 3),
    "log_sigmoid": (functional.logsigmoid, -8, 8),
    "softplus": (functional.softplus, -8, 8),
    "mish": (functional.mish, -5, 5),
    "elu": (functional.elu, -4, 4),
}
# Piecewise linear.
KINKED: dict[str, tuple[Unary, float, float]] = {
    "relu6": (functional.relu6, -3, 9),
    "leaky_relu": (functional.leaky_relu, -3, 3),
    # Whose own backward has 1 / 6 in f32.
    "hardsigmoid": (lambda x: functional.relu6(x + 3) / 6, -5, 5),
    "hardtanh": (functional.hardtanh, -3, 3),
    "hardswish": (functional.hardswish, -5, 5),
}
STEPS: dict[str, Unary] = {"floor": torch.floor, "ceil": torch.ceil, "round": torch.round, "trunc": torch.trunc}


def operand(index: int, low: float, high: float) -> Input:
    dtype = F64 if index % 3 == 0 else F32
    return family.strided(lambda s: family.uniform(low, high, s, dtype), family.shape(index % 4, 1, 4))


def record(op: str, function: Unary, x: Input, options: dict[str, Any], terms: bool) -> None:
    measured = Terms(lambda x, g: ([function(x[0]).abs() + x[0].abs()], [g[0].abs()])) if terms else Broadcast()
    family.case(op, function, [x], options, ulps=4, magnitude=measured)


def unary_cases() -> None:
    for table, terms in [(CURVES, False), (SATURATING, True), (KINKED, True)]:
        for op, (function, low, high) in table.items():
            for index in range(6):
                record(op, function, operand(index, low, high), {}, terms)
    for op, function in STEPS.items():
        for dtype in [F32, F64]:
            x = torch.cat([family.uniform(-3, 3, [6], dtype), torch.tensor([-1.5, -0.5, 0.5, 1.5, 2.0], dtype=dtype)])
            family.case(op, function, [x], differentiable=False)
    for op in ["sin", "tanh", "sigmoid", "rsqrt"]:
        function = {**CURVES, **SATURATING}[op][0]
        family.case(op, function, [family.integers(1, 5, [2, 3], I32)], ulps=4)


def option_cases() -> None:
    for index, slope in enumerate([0.2, -0.5, 0.0]):
        leaky = lambda x: functional.leaky_relu(x, slope)
        record("leaky_relu", leaky, operand(index, -3, 3), {"negative_slope": slope}, True)
    for index, alpha in enumerate([0.5, 2.0]):
        elu = lambda x: functional.elu(x, alpha)
        record("elu", elu, operand(index, -3, 3), {"alpha": alpha}, True)
    for index, (beta, threshold) in enumerate([(2.0, 20.0), (0.5, 3.0)]):
        softplus = lambda x: functional.softplus(x, beta, threshold)
        record("softplus", softplus, operand(index, -5, 12), {"beta": beta, "threshold": threshold}, True)


def logical_cases() -> None:
    for op, function in [
        ("logical_and", torch.logical_and),
        ("logical_or", torch.logical_or),
        ("logical_xor", torch.logical_xor),
    ]:
        for dtype in [BOOL, BOOL, F32, I64]:
            family.case(op, function, [logical(dtype, [3, 4]), logical(dtype, [4])], differentiable=False)
    for dtype in [BOOL, F32, I64, U8]:
        family.case("logical_not", torch.logical_not, [logical(dtype, [3, 4])], differentiable=False)
    special = torch.tensor([0.0, -0.0, 1.0, float("nan"), float("inf"), -float("inf")])
    for op, function in [("isnan", torch.isnan), ("isinf", torch.isinf), ("isfinite", torch.isfinite)]:
        for dtype in [F32, F64]:
            family.case(op, function, [special.to(dtype)], differentiable=False)


def bitwise_cases() -> None:
    for op in ["bitwise_and", "bitwise_or", "bitwise_xor"]:
        for dtype in [I32, I64, U8, BOOL]:
            a, b = [family.strided(lambda s: numbers(dtype, s), shape) for shape in ([3, 4], [4])]
            family.case(op, getattr(torch, op), [a, b])
    for dtype in [I32, I64, U8, BOOL]:
        family.case("bitwise_not", torch.bitwise_not, [numbers(dtype, [3, 4])])


def numbers(dtype: torch.dtype, shape: list[int]) -> Tensor:
    low, high = (0, 2) if dtype == BOOL else (0, 256) if dtype == U8 else (-999, 1000)
    return family.integers(low, high, shape, dtype)


def division_cases() -> None:
    for op, function in [("remainder", torch.remainder), ("fmod", torch.fmod)]:
        for dtype in [F32, F64, I32, I64]:
            a = family.integers(-20, 21, [3, 5], dtype)
            b = torch.tensor([-3, -2, 1, 4, 7], dtype=dtype)
            # Multiples of 1/8: quotients that are not whole are far from it.
            family.case(op, function, [a / 8 if dtype.is_floating_point else a, b], ulps=4, magnitude=Broadcast())
            for scalar in [3, -2]:
                options = {"scalar": scalar}
                family.case(f"{op}_scalar", lambda x: function(x, scalar), [a], options, ulps=4)


def two_operand_cases() -> None:
    for index in range(8):
        dtype = [F32, F64][index % 2]
        shape = family.shape(1 + index % 3, 1, 4)
        make = lambda low, high: family.strided(lambda s: family.uniform(low, high, s, dtype), shape)
        a, b = make(0.5, 3), make(-2, 2)
        family.case("pow_tensor", torch.pow, [a, b], ulps=8, magnitude=Broadcast())
        base = family.choose([2, 0.5, 3.0])
        power = lambda x: torch.pow(base, x)
        family.case("scalar_pow", power, [b], {"scalar": base}, ulps=8, magnitude=Broadcast())
        family.case("atan2", torch.atan2, [make(-2, 2), make(-2, 2)], ulps=4, magnitude=Broadcast())
        start, end, weight = make(-2, 2), make(-2, 2), make(-0.5, 1.5)

        def lerp_terms(x: list[Tensor], g: list[Tensor]):
            start, end, weight, g = *[operand.abs() for operand in x], g[0].abs()
            return [start + weight * (start + end)], [g * (1 + weight), g * weight, g * (start + end)]

        family.case("lerp", torch.lerp, [start, end, weight], ulps=4, magnitude=Terms(lerp_terms))
    for channels in [1, 3]:
        for dtype in [F32, F64]:
            x, weight = family.normal([2, 3, 4], dtype), family.uniform(-0.5, 0.5, [channels], dtype)

            def prelu_terms(x: list[Tensor], g: list[Tensor]):
                x, weight, g = x[0], x[1].abs(), g[0].abs()
                dims = (0, 2) if channels > 1 else (0, 1, 2)
                return [x.abs()], [g, (g * x.abs()).sum(dims).reshape(weight.shape)]

            family.case("prelu", functional.prelu, [x, weight], ulps=4, magnitude=Terms(prelu_terms))


def logical(dtype: torch.dtype, shape: list[int]) -> Input:
    return family.strided(lambda s: family.integers(0, 2, s, dtype), shape)


if __name__ == "__main__":
    unary_cases()
    option_cases()
    logical_cases()
    bitwise_cases()
    division_cases()
    two_operand_cases()
    family.write()
