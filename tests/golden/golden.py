"""Records cases of an op, as PyTorch computes them, in a safetensors file that golden_tests reads.

A case is an op's name, its options, its inputs, its outputs and the gradients of a projection of the outputs to every
floating input. README.md describes the file.
"""

from __future__ import annotations

import json
import pathlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

import torch
from torch import Tensor

VALUES = pathlib.Path(__file__).resolve().parent / "values"

F32, F64 = torch.float32, torch.float64
F16, BF16 = torch.float16, torch.bfloat16
I32, I64, U8, BOOL = torch.int32, torch.int64, torch.uint8, torch.bool

# As safetensors calls them; wide elements first, so that every tensor in a file is aligned to its element.
DTYPE_NAMES = {F64: "F64", I64: "I64", F32: "F32", I32: "I32", F16: "F16", BF16: "BF16", U8: "U8", BOOL: "BOOL"}


@dataclass
class Input:
    """A contiguous base and the views that make the op's operand of it."""

    base: Tensor
    views: list[list[Any]] = field(default_factory=list)


Operand = Union[Tensor, Input, None]
Function = Callable[..., Any]


def apply_views(tensor: Tensor, views: list[list[Any]]) -> Tensor:
    for name, *arguments in views:
        if name == "slice":
            dim, start, end, step = arguments
            tensor = tensor[(slice(None),) * dim + (slice(start, end, step),)]
        else:
            tensor = getattr(tensor, name)(*arguments)
    return tensor


def projection(shape: Sequence[int], output: int, dtype: torch.dtype) -> Tensor:
    """The gradient fed to an output: multiples of 2^-15 in [-1, 1) that golden_tests computes too."""
    count = int(torch.tensor(shape, dtype=I64).prod())
    index = torch.arange(count, dtype=I64) + 7919 * output + 1
    hashed = (index * 2654435761) % 2**32 // 2**16
    return (hashed.to(F64) / 2**15 - 1).to(dtype).reshape(tuple(shape))


def as_list(outputs: Any) -> list[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


def forward(function: Function, bases: list[Optional[Tensor]], views: list[list[list[Any]]]) -> list[Tensor]:
    operands = [None if base is None else apply_views(base, view) for base, view in zip(bases, views)]
    return as_list(function(*operands))


def differentiate(outputs: list[Tensor], leaves: list[Tensor], project: Function = projection) -> list[Tensor]:
    """Gradients of the projected outputs; zeros where a leaf was not reached."""
    reached = [(output, index) for index, output in enumerate(outputs) if output.requires_grad]
    gradients = torch.autograd.grad(
        [output for output, _ in reached],
        leaves,
        [project(output.shape, index, output.dtype) for output, index in reached],
        allow_unused=True,
    )
    return [torch.zeros_like(leaf) if gradient is None else gradient for leaf, gradient in zip(leaves, gradients)]


def is_leaf(base: Optional[Tensor]) -> bool:
    return base is not None and base.dtype.is_floating_point


def absolute_projection(shape: Sequence[int], output: int, dtype: torch.dtype) -> Tensor:
    return projection(shape, output, dtype).abs()


class Magnitude:
    """What an error is measured against, where that is not the result itself: see README.md."""

    def of(
        self, function: Function, bases: list[Optional[Tensor]], views: list[list[list[Any]]], differentiable: bool
    ) -> tuple[list[Optional[Tensor]], list[Optional[Tensor]]]:
        """Magnitudes of the outputs and of the gradients to the floating bases, all in f64."""
        raise NotImplementedError


class Products(Magnitude):
    """The sum of |a||b|...: the op (or `function`, where the op subtracts) on absolute values."""

    def __init__(self, function: Optional[Function] = None) -> None:
        self.function = function

    def of(self, function, bases, views, differentiable):
        bases = [base.detach().abs().requires_grad_(differentiable) if is_leaf(base) else base for base in bases]
        outputs = forward(self.function or function, bases, views)
        leaves = [base for base in bases if is_leaf(base)]
        gradients = differentiate(outputs, leaves, absolute_projection) if differentiable else []
        return [output.detach().abs() for output in outputs], [gradient.abs() for gradient in gradients]


class Broadcast(Magnitude):
    """Of an elementwise op: a gradient that broadcasting adds up is measured by the sum of its absolute terms."""

    def of(self, function, bases, views, differentiable):
        outputs = forward(function, bases, views)
        if not differentiable:
            return [None] * len(outputs), []
        leaves = [base.detach().requires_grad_() for base in bases if is_leaf(base)]
        rest = iter(leaves)
        wholes = [
            apply_views(next(rest) if is_leaf(base) else base, view).expand(outputs[0].shape)
            for base, view in zip(bases, views)
        ]
        parts = [w.detach().clone().requires_grad_(w.dtype.is_floating_point) for w in wholes]
        terms = differentiate(as_list(function(*parts)), [part for part in parts if part.requires_grad])
        magnitudes = [
            torch.autograd.grad(whole, leaf, term.abs())[0]
            for whole, leaf, term in zip([w for w in wholes if w.requires_grad], leaves, terms)
        ]
        return [None] * len(outputs), magnitudes


class Terms(Magnitude):
    """The sum of the absolute terms of the formulas of the results, where those cancel.

    `terms(operands, projections)` gives a list for the outputs, where None means the output itself, and one for the
    gradients of the floating operands.
    """

    def __init__(self, terms: Callable[[list[Any], list[Tensor]], tuple[list, list[Tensor]]]) -> None:
        self.terms = terms

    def of(self, function, bases, views, differentiable):
        bases = [base.detach().requires_grad_() if is_leaf(base) else base for base in bases]
        operands = [None if base is None else apply_views(base, view) for base, view in zip(bases, views)]
        with torch.no_grad():
            outputs = as_list(function(*operands))
            projections = [projection(output.shape, index, output.dtype) for index, output in enumerate(outputs)]
            of_outputs, of_operands = self.terms(operands, projections)
        leaves = [(base, operand) for base, operand in zip(bases, operands) if is_leaf(base)]
        if not differentiable:
            return of_outputs, []
        return of_outputs, [
            torch.autograd.grad(operand, base, magnitude)[0] if operand is not base else magnitude
            for (base, operand), magnitude in zip(leaves, of_operands)
        ]


class Largest(Magnitude):
    """The largest absolute value of the whole tensor: for results whose elements share one sum."""

    def of(self, function, bases, views, differentiable):
        bases = [base.detach().requires_grad_(differentiable) if is_leaf(base) else base for base in bases]
        outputs = forward(function, bases, views)
        gradients = differentiate(outputs, [base for base in bases if is_leaf(base)]) if differentiable else []

        def largest(tensor: Tensor) -> Optional[Tensor]:
            finite = tensor.detach()[tensor.isfinite()] if tensor.dtype.is_floating_point else tensor.new_empty(0)
            return finite.abs().max().to(F64) if finite.numel() > 0 else None

        return [largest(output) for output in outputs], [largest(gradient) for gradient in gradients]


class Family:
    """The cases of one file, values/<name>.safetensors."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.generator = torch.Generator().manual_seed(seed)
        self.cases: list[dict[str, Any]] = []
        self.tensors: dict[str, Tensor] = {}

    # --- inputs
    def normal(self, shape: Sequence[int], dtype: torch.dtype = F32) -> Tensor:
        return torch.randn(tuple(shape), generator=self.generator, dtype=dtype)

    def uniform(self, low: float, high: float, shape: Sequence[int], dtype: torch.dtype = F32) -> Tensor:
        return torch.rand(tuple(shape), generator=self.generator, dtype=dtype) * (high - low) + low

    def integers(self, low: int, high: int, shape: Sequence[int], dtype: torch.dtype = I64) -> Tensor:
        """In [low, high)."""
        return torch.randint(low, high, tuple(shape), generator=self.generator).to(dtype)

    def distinct(self, shape: Sequence[int], dtype: torch.dtype = F32) -> Tensor:
        """No two elements equal, all multiples of 1/8."""
        count = int(torch.tensor(shape, dtype=I64).prod())
        return ((torch.randperm(count, generator=self.generator) - count // 2).to(dtype) / 8).reshape(tuple(shape))

    def below(self, bound: int) -> int:
        """A random integer in [0, bound)."""
        return int(torch.randint(0, bound, (), generator=self.generator))

    def choose(self, choices: Sequence[Any]) -> Any:
        return choices[self.below(len(choices))]

    def shape(self, rank: int, low: int = 1, high: int = 5) -> list[int]:
        """Sizes in [low, high]."""
        return [low + self.below(high - low + 1) for _ in range(rank)]

    def strided(self, make: Callable[[list[int]], Tensor], shape: Sequence[int]) -> Input:
        """An operand of that shape in a random one of four memory orders, over a base from make(shape)."""
        shape = list(shape)
        kind = self.below(4) if shape else 0
        if kind == 1:
            order = torch.randperm(len(shape), generator=self.generator).tolist()
            base = [0] * len(shape)
            for position, dim in enumerate(order):
                base[dim] = shape[position]
            return Input(make(base), [["permute", order]])
        if kind == 2:
            dim = self.below(len(shape))
            step, start = 1 + self.below(3), self.below(3)
            size = start + step * shape[dim]
            return Input(make(shape[:dim] + [size] + shape[dim + 1 :]), [["slice", dim, start, size, step]])
        if kind == 3:
            dim = self.below(len(shape))
            return Input(make(shape[:dim] + [1] + shape[dim + 1 :]), [["expand", shape]])
        return Input(make(shape))

    # --- recording
    def case(
        self,
        op: str,
        function: Function,
        inputs: Sequence[Operand],
        options: Optional[dict[str, Any]] = None,
        *,
        ulps: float = 0,
        magnitude: Optional[Magnitude] = None,
        native: bool = False,
        differentiable: bool = True,
    ) -> None:
        """Runs function(*inputs) and its backward, and keeps it all under `op`.

        f32 inputs are computed with in f64 and the results rounded, unless `native`. ulps 0 asks for equality.
        """
        given = [Input(operand) if isinstance(operand, Tensor) else operand for operand in inputs]
        views = [[] if operand is None else operand.views for operand in given]
        originals = [None if operand is None else operand.base.contiguous() for operand in given]
        dtypes = {base.dtype for base in originals if is_leaf(base)}
        widen = not native and dtypes == {F32}
        bases = [
            base.to(F64) if widen and is_leaf(base) else (None if base is None else base.clone()) for base in originals
        ]
        differentiable = differentiable and bool(dtypes)

        for base in bases:
            if is_leaf(base):
                base.requires_grad_(differentiable)
        outputs = forward(function, bases, views)
        leaves = [index for index, base in enumerate(bases) if is_leaf(base)] if differentiable else []
        gradients = differentiate(outputs, [bases[index] for index in leaves]) if differentiable else []

        def narrow(tensor: Tensor) -> Tensor:
            return tensor.detach().to(F32) if widen and tensor.dtype == F64 else tensor.detach()

        entry: dict[str, Any] = {"op": op}
        if options:
            entry["options"] = options
        if ulps:
            entry["ulps"] = ulps
        if any(views):
            entry["views"] = {str(index): view for index, view in enumerate(views) if view}
        entry["inputs"] = len(given)
        prefix = f"{len(self.cases)}."
        self.cases.append(entry)
        for index, base in enumerate(originals):
            if base is not None:
                self.tensors[f"{prefix}input{index}"] = base
        for index, output in enumerate(outputs):
            self.tensors[f"{prefix}output{index}"] = narrow(output)
        for index, gradient in zip(leaves, gradients):
            self.tensors[f"{prefix}gradient{index}"] = narrow(gradient)
        if magnitude is None:
            return
        plain = [base.detach() if is_leaf(base) else base for base in bases]
        of_outputs, of_gradients = magnitude.of(function, plain, views, differentiable)
        self.measure([f"{prefix}output{index}" for index in range(len(outputs))], of_outputs)
        self.measure([f"{prefix}gradient{index}" for index in leaves], of_gradients)

    def measure(self, names: list[str], magnitudes: list[Optional[Tensor]]) -> None:
        for name, magnitude in zip(names, magnitudes):
            value = self.tensors[name]
            if magnitude is None or not value.dtype.is_floating_point:
                continue
            if magnitude.shape == value.shape and torch.allclose(magnitude.to(F64), value.to(F64).abs(), rtol=1e-6, atol=0):
                continue
            self.tensors[name + ".magnitude"] = magnitude.to(F32)

    def write(self) -> None:
        names = sorted(self.tensors, key=lambda name: list(DTYPE_NAMES).index(self.tensors[name].dtype))
        header: dict[str, Any] = {
            "__metadata__": {
                "cases": json.dumps(self.cases, separators=(",", ":")),
                "source": f"tests/golden/{self.name}.py, torch {torch.__version__}",
            }
        }
        content = bytearray()
        for name in names:
            tensor = self.tensors[name].contiguous()
            begin = len(content)
            content += (tensor.view(torch.int16) if tensor.dtype == BF16 else tensor).numpy().tobytes()
            header[name] = {
                "dtype": DTYPE_NAMES[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": [begin, len(content)],
            }
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        VALUES.mkdir(exist_ok=True)
        path = VALUES / f"{self.name}.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(content))
        print(f"{path.name}: {len(self.cases)} cases, {path.stat().st_size / 1024:.0f} KiB")
