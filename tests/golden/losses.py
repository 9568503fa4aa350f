"""Losses."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from golden import F32, F64, Family, Input, Largest, Terms

family = Family("losses", seed=7)

REDUCTIONS = ["mean", "sum", "none"]


def cross_entropy_terms(operands, projections, classes: int, reduction: str, label_smoothing: float):
    """The loss of a row is -sum q log y, its gradient (y - q) g."""
    x, target = operands
    log_y = x.log_softmax(1)
    q = functional.one_hot(target, classes) * (1 - label_smoothing) + label_smoothing / classes
    rows = (q * (1 + log_y.abs())).sum(1)
    g = projections[0].abs().expand(rows.shape) / (len(rows) if reduction == "mean" else 1)
    loss = {"mean": rows.mean(), "sum": rows.sum(), "none": rows}[reduction]
    return [loss], [(log_y.exp() * (1 + log_y.abs()) + q) * g.unsqueeze(1)]


def cross_entropy_cases() -> None:
    for index in range(36):
        dtype = [F32, F64][index % 2]
        rows, classes = 1 + family.below(7), 1 + family.below(9)
        logits = family.strided(lambda s: family.normal(s, dtype) * 3, [rows, classes])
        target = family.integers(0, classes, [rows])
        options = {"reduction": REDUCTIONS[index % 3], "label_smoothing": [0.0, 0.1, 0.0, 0.5, 1.0][index % 5]}
        loss = lambda x, t: functional.cross_entropy(x, t, **options)
        terms = Terms(lambda operands, projections: cross_entropy_terms(operands, projections, classes, **options))
        family.case("cross_entropy", loss, [logits, target], options, ulps=4, magnitude=terms)


def class_cases() -> None:
    """Class weights, ignored classes, targets per pixel and as probabilities."""
    for index in range(24):
        dtype, reduction = [F32, F64][index % 2], REDUCTIONS[index % 3]
        rows, classes = 2 + family.below(5), 2 + family.below(5)
        pixels = [] if index % 4 else family.shape(2, 1, 3)
        logits = Input(family.normal([rows, classes, *pixels], dtype) * 2)
        target = family.integers(0, classes, [rows, *pixels])
        weight = family.uniform(0.25, 2, [classes], dtype)
        ignored = -100 if index % 3 == 0 else int(target.flatten()[0])
        if ignored == -100:
            target.view(-1)[::3] = -100
        if bool((target == ignored).all()):
            target.view(-1)[0] = (ignored + 1) % classes if ignored >= 0 else 0
        options: dict[str, Any] = {"reduction": reduction, "ignore_index": ignored}
        smoothing = [0.0, 0.1][index // 2 % 2]
        entropy = lambda x, t, w: functional.cross_entropy(
            x, t, w.detach(), ignore_index=ignored, reduction=reduction, label_smoothing=smoothing
        )
        given = [logits, target, weight]
        record("weighted_cross_entropy", entropy, given, options | {"label_smoothing": smoothing})
        nll = lambda x, t, w: functional.nll_loss(x, t, w.detach(), ignore_index=ignored, reduction=reduction)
        record("nll_loss", nll, given, options)
        probabilities = family.normal([rows, classes, *pixels], dtype).softmax(1)
        soft = lambda x, p: functional.cross_entropy(x, p, reduction=reduction, label_smoothing=smoothing)
        options = {"reduction": reduction, "label_smoothing": smoothing}
        record("soft_cross_entropy", soft, [logits, probabilities], options)


def record(op: str, loss: Callable[..., Tensor], operands: list, options: dict[str, Any], ulps: float = 8) -> None:
    family.case(op, loss, operands, options, ulps=ulps, magnitude=Largest())


def pairwise_cases() -> None:
    for index in range(12):
        dtype, reduction = [F32, F64][index % 2], REDUCTIONS[index % 3]
        shape = family.shape(1 + index % 3, 1, 5)
        a = family.strided(lambda s: family.normal(s, dtype), shape)
        b = family.strided(lambda s: family.normal(s, dtype), shape)
        options: dict[str, Any] = {"reduction": reduction}
        record("mse_loss", lambda a, b: functional.mse_loss(a, b, reduction=reduction), [a, b], options)
        record("l1_loss", lambda a, b: functional.l1_loss(a, b, reduction=reduction), [a, b], options)
        beta = family.choose([0.5, 1.0, 2.0])
        smooth = lambda a, b: functional.smooth_l1_loss(a, b, reduction=reduction, beta=beta)
        record("smooth_l1_loss", smooth, [a, b], options | {"beta": beta})
        huber = lambda a, b: functional.huber_loss(a, b, reduction=reduction, delta=beta)
        record("huber_loss", huber, [a, b], options | {"delta": beta})
        p = Input(family.uniform(0.05, 0.95, shape, dtype))
        q = Input(family.uniform(0.05, 0.95, shape, dtype))
        record("bce", lambda p, q: functional.binary_cross_entropy(p, q, reduction=reduction), [p, q], options)
        logits = lambda a, q: functional.binary_cross_entropy_with_logits(a, q, reduction=reduction)
        record("bce_with_logits", logits, [a, q], options)
        positive = family.uniform(0.5, 3, shape[-1:], dtype)
        weighed = lambda a, q, w: functional.binary_cross_entropy_with_logits(
            a, q, pos_weight=w.detach(), reduction=reduction
        )
        record("bce_with_logits", weighed, [a, q, positive], options)
        logarithms = Input(family.uniform(-4, -0.1, shape, dtype))
        divergence = lambda a, q: functional.kl_div(a, q, reduction=reduction)
        record("kl_div", divergence, [logarithms, q], options)
        divergence = lambda a, b: functional.kl_div(a, b, reduction=reduction, log_target=True)
        record("kl_div_log", divergence, [logarithms, Input(family.uniform(-4, -0.1, shape, dtype))], options)


if __name__ == "__main__":
    cross_entropy_cases()
    class_cases()
    pairwise_cases()
    family.write()
