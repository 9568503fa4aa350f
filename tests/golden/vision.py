"""Operators of detection, tracking and optical flow."""

import torch
import torchvision
from torch import Tensor
from torch.nn import functional

from golden import F32, F64, Family, Largest, Products

family = Family("vision", seed=14)


def pairs(low: int, high: int) -> list[int]:
    return family.shape(2, low, high)


def deform_conv2d_cases() -> None:
    for index in range(24):
        dtype = [F32, F64][index % 2]
        groups = [1, 1, 2][index % 3]
        offset_groups = [1, 2, 1, 2][index % 4]
        n, channels = 1 + family.below(2), groups * offset_groups
        filters = groups * (1 + family.below(2))
        kernel, stride, padding, dilation = pairs(1, 3), pairs(1, 2), [family.below(2), family.below(2)], pairs(1, 2)
        size = [dilation[d] * (kernel[d] - 1) + 1 + family.below(3) for d in range(2)]
        places = [(size[d] + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) // stride[d] + 1 for d in range(2)]
        taps = offset_groups * kernel[0] * kernel[1]
        operands = [
            family.normal([n, channels, *size], dtype),
            family.normal([n, 2 * taps, *places], dtype) * 1.5,
            family.normal([filters, channels // groups, *kernel], dtype),
            family.normal([filters], dtype) if index % 2 else None,
            family.uniform(0, 1, [n, taps, *places], dtype) if index % 3 else None,
        ]

        def convolve(x, offset, weight, bias, mask) -> Tensor:
            return torchvision.ops.deform_conv2d(x, offset, weight, bias, stride, padding, dilation, mask)

        options = {"stride": stride, "padding": padding, "dilation": dilation}
        family.case("deform_conv2d", convolve, operands, options, ulps=32, magnitude=Largest())


def volume_of(a: Tensor, b: Tensor) -> Tensor:
    return torch.einsum("nchw,ncij->nhwij", a, b) / a.shape[1] ** 0.5


def pyramid_of(volume: Tensor, levels: int) -> list[Tensor]:
    n, h, w, *size = volume.shape
    levels_of = [volume.reshape(n * h * w, 1, *size)]
    for _ in range(levels - 1):
        levels_of.append(functional.avg_pool2d(levels_of[-1], 2))
    return [level.reshape(n, h, w, *level.shape[2:]) for level in levels_of]


def look_up(pyramid: list[Tensor], coordinates: Tensor, radius: int) -> Tensor:
    """RAFT's CorrBlock: the first index of a window moves x."""
    n, _, h, w = coordinates.shape
    steps = torch.linspace(-radius, radius, 2 * radius + 1, dtype=coordinates.dtype)
    window = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1)
    found = []
    for level, costs in enumerate(pyramid):
        height, width = costs.shape[-2:]
        points = coordinates.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2) / 2**level + window
        points = 2 * points / torch.tensor([width - 1, height - 1]) - 1
        read = functional.grid_sample(costs.reshape(-1, 1, height, width), points, align_corners=True)
        found.append(read.reshape(n, h, w, -1))
    return torch.cat(found, -1).permute(0, 3, 1, 2)


def correlation_cases() -> None:
    for index in range(12):
        dtype = [F32, F64][index % 2]
        n, c = 1 + family.below(2), 1 + family.below(6)
        a = family.strided(lambda s: family.normal(s, dtype), [n, c, *pairs(1, 4)])
        b = family.strided(lambda s: family.normal(s, dtype), [n, c, *pairs(1, 4)])
        family.case("all_pairs_correlation", volume_of, [a, b], ulps=4, magnitude=Products())
    for index in range(10):
        dtype, levels = [F32, F64][index % 2], 1 + index % 3
        volume = family.normal([1 + index % 2, *pairs(1, 2), *pairs(4, 7)], dtype)
        pyramid = lambda v: pyramid_of(v, levels)
        family.case("correlation_pyramid", pyramid, [volume], {"levels": levels}, ulps=4, magnitude=Products())
    for index in range(16):
        dtype, levels, radius = [F32, F64][index % 2], 1 + index % 2, 1 + family.below(2)
        n, (h, w) = 1 + family.below(2), pairs(1, 3)
        options = {"levels": levels, "radius": radius}
        coordinates = family.uniform(-2, 8, [n, 2, h, w], dtype)
        volume = family.normal([n, h, w, *pairs(4, 6)], dtype)
        read = lambda v, p: look_up(pyramid_of(v, levels), p, radius)
        family.case("correlation_lookup", read, [volume, coordinates], options, ulps=32, magnitude=Largest())
        features = [family.normal([n, 3, h, w], dtype), family.normal([n, 3, *pairs(4, 6)], dtype)]
        direct = lambda a, b, p: look_up(pyramid_of(volume_of(a, b), levels), p, radius)
        operands = [*features, coordinates]
        family.case("correlation_lookup_direct", direct, operands, options, ulps=32, magnitude=Largest())


if __name__ == "__main__":
    deform_conv2d_cases()
    correlation_cases()
    family.write()
