"""Resizing images.

Positions have rounding errors of their own, in units of pixels, so that errors are measured by the largest element.
"""

import torch
from torch import Tensor
from torch.nn import functional

from golden import F32, F64, Family, Largest

family = Family("resampling", seed=11)


def interpolate_case(mode: str, index: int, antialias: bool = False) -> None:
    dtype = [F32, F64][index % 2]
    shape = [1 + family.below(2), 1 + family.below(3)] + family.shape(2, 1, 6)
    x = family.strided(lambda s: family.normal(s, dtype), shape)
    options: dict = {"mode": mode}
    if index % 3 == 0:
        options["scale_factor"] = [family.choose([0.5, 1.5, 2.0, 2.6]), family.choose([0.75, 1.0, 2.0, 3.3])]
        options["scale_factor"] = [max(f, 1 / size) for f, size in zip(options["scale_factor"], shape[2:])]
        options["recompute_scale_factor"] = bool(family.below(2))
    else:
        options["size"] = family.shape(2, 1, 9)
    if mode in ("bilinear", "bicubic"):
        options["align_corners"] = bool(family.below(2))
    if antialias:
        options |= {"antialias": True}

    def resize(x: Tensor) -> Tensor:
        return functional.interpolate(x, **options)

    # Which pixel is nearest is decided in the dtype of the image.
    native = mode.startswith("nearest")
    family.case("interpolate", resize, [x], options, ulps=16 if mode == "bicubic" else 8, magnitude=Largest(), native=native)


def interpolate_cases() -> None:
    for mode in ["nearest", "nearest-exact", "bilinear", "bicubic", "area"]:
        for index in range(18):
            interpolate_case(mode, index)
    for mode in ["bilinear", "bicubic"]:
        for index in range(12):
            interpolate_case(mode, index, antialias=True)


if __name__ == "__main__":
    interpolate_cases()
    family.write()
