"""Operators of detection, tracking and optical flow."""

import torch
import torchvision
from torch import Tensor
from torch.nn import functional

from golden import F32, F64, Family, Input, Largest, Products

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


def boxes(count: int, size: int, dtype: torch.dtype) -> Tensor:
    corner = family.uniform(-1, size - 1, [count, 2], dtype)
    extent = family.uniform(0.5, size, [count, 2], dtype)
    return torch.cat([corner, corner + extent], 1)


def roi_align_cases() -> None:
    for index in range(20):
        dtype = [F32, F64][index % 2]
        n, count = 1 + family.below(2), 1 + family.below(3)
        scale = [1.0, 0.5, 0.25][index % 3]
        size = 4 + family.below(4)
        batch = family.integers(0, n, [count, 1], dtype)
        regions = torch.cat([batch, boxes(count, size, dtype) / scale], 1)
        options = {
            "output": pairs(1, 3),
            "spatial_scale": scale,
            "sampling_ratio": [-1, 1, 2][index // 2 % 3],
            "aligned": index % 4 < 2,
        }

        def align(x: Tensor, regions: Tensor) -> Tensor:
            arguments = list(options.values())
            return torchvision.ops.roi_align(x, regions.detach(), *arguments)

        x = Input(family.normal([n, 1 + family.below(2), size, size + 1], dtype))
        family.case("roi_align", align, [x, regions], options, ulps=32, magnitude=Largest())


def covered(low: Tensor, high: Tensor, size: int) -> Tensor:
    """The integrals of the hats around 0 ... size - 1 from `low` to `high`."""

    def below(t: Tensor) -> Tensor:
        t = t.unsqueeze(-1) - torch.arange(size)
        rise, fall = t.clamp(-1, 0) + 1, 1 - t.clamp(0, 1)
        return rise.square() / 2 + (1 - fall.square()) / 2

    return below(high) - below(low)


def precise_pool(x: Tensor, boxes: Tensor, output: list[int], scale: float) -> Tensor:
    """By its definition: what is interpolated is a sum of products of hats, whose integrals are known."""
    x1, y1, x2, y2 = (boxes[:, 1:] * scale).unbind(1)
    height, width = (y2 - y1) / output[0], (x2 - x1) / output[1]
    rows, columns = torch.arange(output[0]), torch.arange(output[1])
    tops = y1.unsqueeze(1) + height.unsqueeze(1) * rows
    lefts = x1.unsqueeze(1) + width.unsqueeze(1) * columns
    over_rows = covered(tops, tops + height.unsqueeze(1), x.shape[2])
    over_columns = covered(lefts, lefts + width.unsqueeze(1), x.shape[3])
    sums = torch.einsum("kpi,kcij,kqj->kcpq", over_rows, x[boxes[:, 0].long()], over_columns)
    return sums / (height * width).reshape(-1, 1, 1, 1)


def precise_roi_pool_cases() -> None:
    for index in range(16):
        dtype, n, count = [F32, F64][index % 2], 1 + family.below(2), 1 + family.below(3)
        scale, size, output = [1.0, 0.5][index % 4 // 2], 4 + family.below(3), pairs(1, 3)
        batch = family.integers(0, n, [count, 1], dtype)
        regions = torch.cat([batch, boxes(count, size, dtype) / scale], 1)
        x = family.normal([n, 1 + family.below(2), size, size + 1], dtype)
        pool = lambda x, regions: precise_pool(x, regions, output, scale)
        options = {"output": output, "spatial_scale": scale}
        # Small bins divide by small areas.
        family.case("precise_roi_pool", pool, [x, regions], options, ulps=256, magnitude=Largest())


def nms_cases() -> None:
    for index in range(16):
        dtype = [F32, F64][index % 2]
        count = [0, 1, 5, 12, 20][index % 5]
        threshold = [0.1, 0.3, 0.5, 0.7][index % 4]
        operands = [boxes(count, 6, dtype), family.distinct([count], dtype)]
        nms = lambda b, s: torchvision.ops.nms(b, s, threshold)
        options = {"iou_threshold": threshold}
        family.case("nms", nms, operands, options, native=True, differentiable=False)
        classes = family.integers(0, 3, [count])
        batched = lambda b, s, c: torchvision.ops.batched_nms(b, s, c, threshold)
        family.case("batched_nms", batched, [*operands, classes], options, native=True, differentiable=False)


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


def cross_depthwise(x: Tensor, template: Tensor) -> Tensor:
    n, c = x.shape[:2]
    flat = x.reshape(1, n * c, *x.shape[2:])
    y = functional.conv2d(flat, template.reshape(n * c, 1, *template.shape[2:]), groups=n * c)
    return y.reshape(n, c, *y.shape[2:])


def cross(x: Tensor, templates: Tensor) -> Tensor:
    n, c = x.shape[:2]
    weights = templates.reshape(n, -1, c, *templates.shape[2:])
    return torch.cat([functional.conv2d(image.unsqueeze(0), weight) for image, weight in zip(x, weights)])


def correlation_cases() -> None:
    for index in range(12):
        dtype = [F32, F64][index % 2]
        n, c = 1 + family.below(2), 1 + family.below(6)
        a = family.strided(lambda s: family.normal(s, dtype), [n, c, *pairs(1, 4)])
        b = family.strided(lambda s: family.normal(s, dtype), [n, c, *pairs(1, 4)])
        family.case("all_pairs_correlation", volume_of, [a, b], ulps=4, magnitude=Products())
    for index in range(12):
        dtype, n, c, filters = [F32, F64][index % 2], 1 + family.below(2), 1 + family.below(4), 1 + index % 3
        x = family.strided(lambda s: family.normal(s, dtype), [n, c, *pairs(4, 6)])
        template = family.strided(lambda s: family.normal(s, dtype), [n, c, *pairs(1, 4)])
        family.case("xcorr_depthwise", cross_depthwise, [x, template], ulps=4, magnitude=Products())
        templates = family.normal([n, filters * c, *pairs(1, 4)], dtype)
        family.case("xcorr", cross, [x, templates], ulps=4, magnitude=Products())
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
    roi_align_cases()
    precise_roi_pool_cases()
    nms_cases()
    correlation_cases()
    family.write()
