"""Matrix products, linear layers and convolutions: sums of products, measured by the sum of |a||b|."""

import torch
from torch.nn import functional

from golden import F32, F64, Family, Input, Products

family = Family("products", seed=4)

ULPS = 4


def matmul_cases() -> None:
    vectors = [([5], [5]), ([4], [4, 3]), ([3, 4], [4]), ([1], [1]), ([2, 3, 4], [4]), ([4], [2, 4, 3])]
    matrices = [([3, 4], [4, 5]), ([1, 7], [7, 1]), ([5, 1], [1, 4]), ([9, 17], [17, 3]), ([2, 33], [33, 5])]
    batches = [
        ([2, 3, 4], [2, 4, 5]),
        ([2, 3, 4], [4, 5]),
        ([3, 4], [2, 4, 2]),
        ([1, 3, 4], [5, 4, 2]),
        ([2, 1, 3, 4], [3, 4, 2]),
        ([2, 1, 2, 3], [1, 3, 3, 2]),
        ([0, 3, 4], [4, 5]),
        ([3, 0], [0, 4]),
        ([0, 4], [4, 3]),
    ]
    for a, b in vectors + matrices + batches:
        for dtype in [F32, F64]:
            make = lambda s: family.normal(s, dtype)
            whole = Input(make(a)), Input(make(b))
            strided = family.strided(make, a), family.strided(make, b)
            for operands in [whole, strided] if 0 not in a + b else [whole]:
                family.case("matmul", torch.matmul, list(operands), ulps=ULPS, magnitude=Products())


def linear_cases() -> None:
    for index in range(32):
        dtype = [F32, F64][index % 2]
        leading = family.shape(index % 4, 1, 4)
        inputs, outputs = 1 + family.below(20), 1 + family.below(9)
        make = lambda s: family.normal(s, dtype)
        x = family.strided(make, leading + [inputs])
        weight = family.strided(make, [outputs, inputs])
        bias = make([outputs]) if index % 3 else None
        family.case("linear", functional.linear, [x, weight, bias], ulps=ULPS, magnitude=Products())


def conv2d_case(dtype: torch.dtype, groups: int, per_group: int, filters: int, biased: bool) -> None:
    kernel = [1 + family.below(3), 1 + family.below(3)]
    stride = [1 + family.below(3), 1 + family.below(2)]
    padding = [family.below(3), family.below(3)]
    dilation = [1 + family.below(2), 1 + family.below(2)]
    size = [dilation[d] * (kernel[d] - 1) + 1 + family.below(4) for d in range(2)]
    make = lambda s: family.normal(s, dtype)
    x = family.strided(make, [1 + family.below(3), groups * per_group, *size])
    weight = make([groups * filters, per_group, *kernel])
    bias = make([groups * filters]) if biased else None
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    family.case(
        "conv2d",
        lambda x, w, b: functional.conv2d(x, w, b, stride, padding, dilation, groups),
        [x, weight, bias],
        options,
        ulps=ULPS,
        magnitude=Products(),
    )


def conv2d_cases() -> None:
    for index in range(60):
        dtype = [F32, F64][index % 2]
        biased = index % 3 == 0
        if index % 4 == 0:
            conv2d_case(dtype, 2 + family.below(2), 2, 2, biased)
        elif index % 4 == 1:  # depthwise
            conv2d_case(dtype, 2 + family.below(4), 1, 1 + family.below(2), biased)
        else:
            conv2d_case(dtype, 1, 1 + family.below(4), 1 + family.below(4), biased)
    for n, c, m, kernel, stride in [(9, 3, 5, 3, 1), (5, 4, 3, 1, 1), (4, 3, 4, 3, 2), (8, 2, 2, 5, 1)]:
        options = {"stride": [stride] * 2, "padding": [kernel // 2] * 2, "dilation": [1, 1], "groups": 1}
        x, weight = family.normal([n, c, 5, 5]), family.normal([m, c, kernel, kernel])
        convolve = lambda x, w, b: functional.conv2d(x, w, b, stride, kernel // 2)
        family.case("conv2d", convolve, [x, weight, None], options, ulps=ULPS, magnitude=Products())


def conv2d_relu_cases() -> None:
    for index in range(16):
        dtype, kernel, stride = [F32, F64][index % 2], family.choose([1, 3]), 1 + family.below(2)
        n, c, m = 1 + family.below(9), 1 + family.below(4), 1 + family.below(4)
        x, weight = family.normal([n, c, 5, 5], dtype), family.normal([m, c, kernel, kernel], dtype)
        bias = family.normal([m], dtype) if index % 3 else None
        places = (5 + 2 * (kernel // 2) - kernel) // stride + 1
        residual = family.normal([n, m, places, places], dtype) if index % 4 else None

        def run(x, w, b, r, rectify=torch.relu):
            y = functional.conv2d(x, w, b, stride, kernel // 2)
            return rectify(y if r is None else y + r)

        # Of absolute values nothing is cut off: the bound of what is.
        magnitude = Products(lambda *operands: run(*operands, rectify=lambda y: y))
        options = {"stride": [stride] * 2, "padding": [kernel // 2] * 2, "dilation": [1, 1], "groups": 1}
        family.case("conv2d_relu", run, [x, weight, bias, residual], options, ulps=ULPS, magnitude=magnitude)


if __name__ == "__main__":
    matmul_cases()
    linear_cases()
    conv2d_cases()
    conv2d_relu_cases()
    family.write()
