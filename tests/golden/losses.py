"""Losses."""

import torch
from torch.nn import functional

from golden import F32, F64, Family, Terms

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


if __name__ == "__main__":
    cross_entropy_cases()
    family.write()
