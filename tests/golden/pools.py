"""Pooling over windows."""

import torch
from torch.nn import functional

from golden import F32, F64, Family, Products

family = Family("pools", seed=6)


def window(index: int) -> dict:
    kernel = [1 + family.below(3), 1 + family.below(3)]
    options = {"kernel": kernel, "padding": [family.below(k // 2 + 1) for k in kernel], "ceil_mode": index % 3 == 0}
    if index % 4:
        options["stride"] = [1 + family.below(3), 1 + family.below(3)]
    return options


def images(dtype: torch.dtype, low: int, distinct: bool):
    shape = [1 + family.below(5), 1 + family.below(3)] + family.shape(2, low, 7)
    return family.strided(lambda s: (family.distinct if distinct else family.normal)(s, dtype), shape)


def max_pool2d_cases() -> None:
    for index in range(40):
        options = window(index)
        options["dilation"] = [1 + family.below(2), 1 + family.below(2)]
        x = images([F32, F64][index % 2], 5, distinct=True)
        pool = lambda x: functional.max_pool2d(
            x,
            options["kernel"],
            options.get("stride"),
            options["padding"],
            options["dilation"],
            options["ceil_mode"],
        )
        family.case("max_pool2d", pool, [x], options)


def avg_pool2d_cases() -> None:
    for index in range(40):
        options = window(index)
        options["count_include_pad"] = bool(family.below(2))
        pool = lambda x: functional.avg_pool2d(
            x,
            options["kernel"],
            options.get("stride"),
            options["padding"],
            options["ceil_mode"],
            options["count_include_pad"],
        )
        x = images([F32, F64][index % 2], 3, distinct=False)
        family.case("avg_pool2d", pool, [x], options, ulps=4, magnitude=Products())


def adaptive_cases() -> None:
    for index in range(30):
        output = [1 + family.below(6), 1 + family.below(6)] if index % 5 else [1, 1]
        pool = lambda x: functional.adaptive_avg_pool2d(x, output)
        x = images([F32, F64][index % 2], 1, distinct=False)
        family.case("adaptive_avg_pool2d", pool, [x], {"output": output}, ulps=4, magnitude=Products())


def pyramid_cases() -> None:
    for index in range(8):
        x = family.normal([1 + family.below(2), 1 + family.below(3), *family.shape(2, 4, 9)], [F32, F64][index % 2])
        sizes = [[1, 2, 3, 6], [1], [4, 2], [5, 7, 1]][index % 4]
        pool = lambda x: [functional.adaptive_avg_pool2d(x, size) for size in sizes]
        family.case("pyramid_pool", pool, [x], {"sizes": sizes}, ulps=4, magnitude=Products())


if __name__ == "__main__":
    max_pool2d_cases()
    avg_pool2d_cases()
    adaptive_cases()
    pyramid_cases()
    family.write()
