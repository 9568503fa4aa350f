"""Linear layers and convolutions whose weight is sparse: PyTorch's with the weight times its mask.

The gradient of the weight is kept where the mask is set, as one more output.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from golden import BOOL, F32, F64, Family, Products, absolute_projection, projection

family = Family("masked", seed=10)


def passes(layer: Callable[..., Tensor], project: Callable[..., Tensor]) -> Callable[..., list[Tensor]]:
    """The output and the gradients of input, weight and bias."""

    def run(x: Tensor, weight: Tensor, mask: Tensor, bias: Tensor) -> list[Tensor]:
        leaves = [tensor.detach().requires_grad_() for tensor in (x, weight, bias)]
        y = layer(leaves[0], leaves[1] * mask, leaves[2])
        return [y, *torch.autograd.grad(y, leaves, project(y.shape, 0, y.dtype))]

    return run


def record(op: str, layer: Callable[..., Tensor], x: list[int], weight: list[int], options: dict) -> None:
    dtype = [F32, F64][len(family.cases) % 2]
    density = family.choose([0.0, 0.05, 0.1, 0.3, 0.5, 0.8, 1.0])
    mask = (family.uniform(0, 1, weight) < density).to(BOOL)
    operands = [family.normal(x, dtype), family.normal(weight, dtype), mask, family.normal(weight[:1], dtype)]
    magnitude = Products(passes(layer, absolute_projection))
    family.case(
        op, passes(layer, projection), operands, options, ulps=4, magnitude=magnitude, differentiable=False
    )


def linear_cases() -> None:
    for index in range(20):
        leading = family.shape(1 + index % 2, 1, 9)
        inputs, outputs = 1 + family.below(24), 1 + family.below(12)
        record("masked_linear", functional.linear, [*leading, inputs], [outputs, inputs], {})


def conv2d_cases() -> None:
    for index in range(24):
        kernel = family.choose([1, 1, 3, 3, 2])
        groups = [1, 1, 1, 2][index % 4]
        stride, padding, dilation = 1 + family.below(2), family.below(2), 1 + family.below(2)
        per_group, filters = 1 + family.below(3), 1 + family.below(3)
        size = dilation * (kernel - 1) + 1 + family.below(3)

        def convolve(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
            return functional.conv2d(x, weight, bias, stride, padding, dilation, groups)

        options = {"stride": [stride] * 2, "padding": [padding] * 2, "dilation": [dilation] * 2, "groups": groups}
        x = [1 + family.below(9), groups * per_group, size, size + family.below(2)]
        record("masked_conv2d", convolve, x, [groups * filters, per_group, kernel, kernel], options)


if __name__ == "__main__":
    linear_cases()
    conv2d_cases()
    family.write()
