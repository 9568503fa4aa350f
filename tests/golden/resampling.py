"""Resizing images, sampling them at points, and rearranging their pixels.

Positions have rounding errors of their own, in pixels of up to the size of the image, and a gradient adds up many such
terms, so that errors are measured by the largest element and ulps are as many as these images are wide and high.
"""

import torch
from torch import Tensor
from torch.nn import functional

from golden import F32, F64, I64, U8, Family, Largest

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


def grid_sample_case(index: int, mode: str, padding_mode: str, align_corners: bool) -> None:
    dtype = [F32, F64][index % 2]
    n = 1 + family.below(2)
    x = family.strided(lambda s: family.normal(s, dtype), [n, 1 + family.below(3), *family.shape(2, 1, 6)])
    points = family.strided(lambda s: family.uniform(-1.6, 1.6, s, dtype), [n, *family.shape(2, 1, 5), 2])
    options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}

    def sample(x: Tensor, grid: Tensor) -> Tensor:
        return functional.grid_sample(x, grid, mode, padding_mode, align_corners)

    native = mode == "nearest"
    family.case("grid_sample", sample, [x, points], options, ulps=32, magnitude=Largest(), native=native)


def grid_sample_cases() -> None:
    for index in range(3):
        for mode in ["bilinear", "nearest", "bicubic"]:
            for padding_mode in ["zeros", "border", "reflection"]:
                for align_corners in [False, True]:
                    grid_sample_case(index, mode, padding_mode, align_corners)
    # Points on the centres of pixels, and outside: which neighbours count there is a convention.
    steps = torch.tensor([-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0])
    points = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).unsqueeze(0)
    for mode in ["bilinear", "nearest", "bicubic"]:
        for padding_mode in ["zeros", "border", "reflection"]:
            options = {"mode": mode, "padding_mode": padding_mode, "align_corners": True}
            sample = lambda x, grid: functional.grid_sample(x, grid, **options)
            x = family.normal([1, 2, 5, 5])
            family.case("grid_sample", sample, [x, points], options, ulps=32, magnitude=Largest(), native=True)


def affine_grid_cases() -> None:
    for index in range(12):
        dtype = [F32, F64][index % 2]
        n, align_corners = 1 + family.below(3), index % 4 < 2
        size = [n, 2, *family.shape(2, 1, 6)]
        theta = family.strided(lambda s: family.normal(s, dtype), [n, 2, 3])
        options = {"size": size, "align_corners": align_corners}
        points = lambda theta: functional.affine_grid(theta, size, align_corners)
        family.case("affine_grid", points, [theta], options, ulps=4, magnitude=Largest())


def pixel_shuffle_cases() -> None:
    for index in range(12):
        dtype = [F32, F64, I64, U8][index % 4]
        make = lambda s: family.normal(s, dtype) if dtype.is_floating_point else family.integers(0, 99, s, dtype)
        factor = 1 + family.below(3)
        n, c, h, w = family.shape(4, 1, 3)
        x = family.strided(make, [n, c * factor**2, h, w])
        options = {"factor": factor}
        family.case("pixel_shuffle", lambda x: functional.pixel_shuffle(x, factor), [x], options)
        x = family.strided(make, [c, h * factor, w * factor])
        family.case("pixel_unshuffle", lambda x: functional.pixel_unshuffle(x, factor), [x], options)


if __name__ == "__main__":
    interpolate_cases()
    grid_sample_cases()
    affine_grid_cases()
    pixel_shuffle_cases()
    family.write()
