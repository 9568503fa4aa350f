"""Activations, softmax among them."""

import math

import torch
from torch.nn import functional

from golden import F32, F64, Family, Largest, Terms

family = Family("activations", seed=3)


def operand(rank: int, dtype: torch.dtype, scale: float = 2):
    return family.strided(lambda s: family.normal(s, dtype) * scale, family.shape(rank, 1, 6))


def elementwise_cases() -> None:
    for index in range(12):
        dtype = [F32, F64][index % 2]
        x = operand(index % 5, dtype)
        family.case("relu", functional.relu, [x])
    family.case("relu", functional.relu, [torch.tensor([0.0, -0.0, float("nan"), float("inf")])], differentiable=False)


def curve_cases() -> None:
    """Their derivatives have zeros, near which terms of about 1 cancel: measured by the largest."""
    for index in range(10):
        dtype = [F32, F64][index % 2]
        family.case("silu", functional.silu, [operand(index % 4, dtype)], ulps=4, magnitude=Largest())
        for approximate in ["none", "tanh"]:
            options = {"approximate": approximate}
            curve = lambda x: functional.gelu(x, approximate=approximate)
            family.case("gelu", curve, [operand(index % 4, dtype)], options, ulps=4, magnitude=Largest())


def softmax_terms(dim: int) -> Terms:
    """Exponents are differences to the largest, rounded once; backward is y (g - sum g y)."""

    def terms(operands, projections):
        x, g = operands[0], projections[0].abs()
        y = x.softmax(dim)
        exponents = 1 + (x - x.amax(dim, keepdim=True)).abs().nan_to_num(posinf=0)
        return [y * exponents], [y * exponents * (g + (g * y * exponents).sum(dim, keepdim=True))]

    return Terms(terms)


def log_softmax_terms(dim: int) -> Terms:
    """Backward is g - y sum g."""

    def terms(operands, projections):
        x, g = operands[0], projections[0].abs()
        log_y = x.log_softmax(dim)
        decay = 1 + log_y.abs().nan_to_num(posinf=0)
        return [log_y.abs() + 1], [g + log_y.exp() * decay * g.sum(dim, keepdim=True)]

    return Terms(terms)


def softmax_cases() -> None:
    for name, function, measured in [
        ("softmax", torch.softmax, softmax_terms),
        ("log_softmax", torch.log_softmax, log_softmax_terms),
    ]:
        for index in range(24):
            dtype = [F32, F64][index % 2]
            rank = 1 + index % 4
            x = operand(rank, dtype, scale=[1, 5, 20][index % 3])
            dim = family.below(2 * rank) - rank
            softened = lambda x: function(x, dim)
            family.case(name, softened, [x], {"dim": dim}, ulps=4, magnitude=measured(dim))
        for shift in [1e4, -1e4]:
            x = family.normal([2, 7]) + shift
            family.case(name, lambda x: function(x, -1), [x], {"dim": -1}, ulps=4, magnitude=measured(-1))
        masked = family.normal([3, 5])
        masked[0, 1] = masked[2, 3] = -math.inf
        family.case(name, lambda x: function(x, 1), [masked], {"dim": 1}, ulps=4, magnitude=measured(1))
        wide = family.normal([3, 100]) * 3
        family.case(name, lambda x: function(x, 1), [wide], {"dim": 1}, ulps=4, magnitude=measured(1))


if __name__ == "__main__":
    elementwise_cases()
    curve_cases()
    softmax_cases()
    family.write()
