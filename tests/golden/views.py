"""Views, copies and casts: data movement, so that results and, sums of a few multiples of 2^-15, gradients are equal."""

import torch

from golden import BF16, BOOL, F16, F32, F64, I32, I64, U8, Family, Input

family = Family("views", seed=9)

DTYPES = [F32, F64, I32, I64, U8, BOOL]


def operand(shape: list[int], dtype: torch.dtype) -> Input:
    if dtype.is_floating_point:
        return family.strided(lambda s: family.normal(s, dtype), shape)
    return family.strided(lambda s: family.integers(0, 2 if dtype == BOOL else 100, s, dtype), shape)


def record(op: str, function, shape: list[int], options: dict) -> None:
    dtype = DTYPES[len(family.cases) % len(DTYPES)]
    x = operand(shape, dtype)
    family.case(op, function, [x], options)


def view_cases() -> None:
    for _ in range(12):
        rank = 1 + family.below(4)
        shape = family.shape(rank)
        order = torch.randperm(rank, generator=family.generator).tolist()
        record("permute", lambda x: x.permute(order), shape, {"dims": order})
        first, second = family.below(rank), family.below(rank) - rank
        record("transpose", lambda x: x.transpose(first, second), shape, {"dims": [first, second]})
        dim = family.below(rank)
        start, step = family.below(shape[dim]), 1 + family.below(3)
        end = start + 1 + family.below(shape[dim] - start)
        index = (slice(None),) * dim + (slice(start, end, step),)
        options = {"dim": dim, "start": start, "end": end, "step": step}
        record("slice", lambda x: x[index], shape, options)
        options = {"dim": dim, "start": start, "length": end - start}
        record("narrow", lambda x: x.narrow(dim, start, end - start), shape, options)
        record("select", lambda x: x.select(dim, start), shape, {"dim": dim, "index": start})
        record("unsqueeze", lambda x: x.unsqueeze(dim), shape, {"dim": dim})
        single = shape[:dim] + [1] + shape[dim + 1 :]
        record("squeeze", lambda x: x.squeeze(dim), single, {"dim": dim})
        record("flatten", lambda x: x.flatten(dim), shape, {"start_dim": dim})
        record("reshape", lambda x: x.reshape(-1, shape[dim]), shape, {"dims": [-1, shape[dim]]})
        record("clone", lambda x: x.clone(), shape, {})


def expand_cases() -> None:
    for _ in range(12):
        shape = family.shape(1 + family.below(3))
        whole = family.shape(family.below(2)) + shape
        narrow = [1 if family.below(2) else size for size in shape]
        dtype = family.choose([F32, F64, I64])
        family.case("expand", lambda x: x.expand(whole), [operand(narrow, dtype)], {"dims": whole})


def cast_cases() -> None:
    for source in DTYPES:
        for target in DTYPES:
            x = operand([3, 4], source)
            if source.is_floating_point and target == U8:
                x = Input(family.uniform(0, 200, [3, 4], source))  # negative numbers have no meaning there
            name = str(target).removeprefix("torch.")
            differentiable = source.is_floating_point and target.is_floating_point
            cast = lambda x: x.to(target)
            family.case("to", cast, [x], {"dtype": name}, native=True, differentiable=differentiable)


def half_cases() -> None:
    """Between the wide types and the 16-bit ones, rounding to nearest even; what overflows is infinite."""
    for half in [F16, BF16]:
        for wide in [F32, F64, I32, U8, BOOL]:
            make = (lambda: family.normal([3, 7], wide) * 100) if wide.is_floating_point else None
            x = make() if make else family.integers(0, 2 if wide == BOOL else 200, [3, 7], wide)
            differentiable = wide.is_floating_point
            name = str(half).removeprefix("torch.")
            family.case("to", lambda x: x.to(half), [x], {"dtype": name}, native=True, differentiable=differentiable)
            name = str(wide).removeprefix("torch.")
            y = x.to(half).abs()
            family.case("to", lambda x: x.to(wide), [y], {"dtype": name}, native=True, differentiable=differentiable)
        special = torch.tensor([0.0, -0.0, 1e-8, 6e-8, 65519.0, 65520.0, 3.39e38, 1.00390625, 1.01171875, 1e-40])
        special = torch.cat([special, torch.tensor([float("inf"), -float("inf"), float("nan")])])
        name = str(half).removeprefix("torch.")
        family.case("to", lambda x: x.to(half), [special], {"dtype": name}, native=True, differentiable=False)


if __name__ == "__main__":
    view_cases()
    expand_cases()
    cast_cases()
    half_cases()
    family.write()
