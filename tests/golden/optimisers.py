"""Trajectories of optimisers, and the factors of learning-rate schedules."""

import torch
from torch import Tensor
from torch.optim import lr_scheduler

from golden import F32, F64, Family, Largest

family = Family("optimisers", seed=8)

STEPS = 6


def trajectory(make, steps: int = STEPS):
    """The parameter after every step, from its start and its gradients; the rate halves after half of the steps."""

    def run(start: Tensor, gradients: Tensor) -> Tensor:
        parameter = start.clone().requires_grad_()
        optimiser = make([parameter])
        visited = []
        for step, gradient in enumerate(gradients):
            if step == steps // 2:
                for group in optimiser.param_groups:
                    group["lr"] /= 2
            parameter.grad = gradient.clone()
            optimiser.step()
            visited.append(parameter.detach().clone())
        return torch.stack(visited)

    return run


def record(op: str, kind, options: dict, dtype: torch.dtype) -> None:
    shape = family.shape(1 + family.below(2), 1, 6)
    start, gradients = family.normal(shape, dtype), family.normal([STEPS, *shape], dtype)
    run = trajectory(lambda parameters: kind(parameters, **options))
    family.case(op, run, [start, gradients], options, ulps=4, magnitude=Largest(), differentiable=False)


def optimiser_cases() -> None:
    for momentum, dampening, nesterov in [(0, 0, False), (0.9, 0, False), (0.9, 0, True), (0.5, 0.25, False)]:
        for weight_decay in [0.0, 0.01]:
            for dtype in [F32, F64]:
                options = {
                    "lr": family.choose([0.1, 0.5]),
                    "momentum": momentum,
                    "dampening": dampening,
                    "weight_decay": weight_decay,
                    "nesterov": nesterov,
                }
                record("sgd", torch.optim.SGD, options, dtype)
    for betas in [[0.9, 0.999], [0.8, 0.9]]:
        for weight_decay in [0.0, 0.1]:
            for eps in [1e-8, 1e-2]:
                for dtype in [F32, F64]:
                    options = {"lr": 0.05, "betas": betas, "weight_decay": weight_decay, "eps": eps}
                    record("adamw", torch.optim.AdamW, options, dtype)


def factors(make, steps: int) -> Tensor:
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = make(optimiser)
    visited = []
    for _ in range(steps):
        visited.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return torch.tensor(visited, dtype=F64)


def schedule_case(op: str, options: dict, make, steps: int = 20) -> None:
    # PyTorch goes from each rate to the next, which rounds at every step; ours are closed forms.
    family.case(op, lambda: factors(make, steps), [], options | {"steps": steps}, ulps=4, magnitude=Largest())


def schedule_cases() -> None:
    for t_max, end in [(19, 0.0), (10, 0.1), (7, 0.01)]:
        make = lambda o: lr_scheduler.CosineAnnealingLR(o, t_max, end)
        schedule_case("cosine", {"t_max": t_max, "end_factor": end}, make, steps=t_max + 1)
    for size, gamma in [(1, 0.9), (5, 0.1), (7, 0.5)]:
        make = lambda o: lr_scheduler.StepLR(o, size, gamma)
        schedule_case("step", {"step_size": size, "gamma": gamma}, make)
    for milestones, gamma in [([3, 8, 12], 0.1), ([5], 0.5), ([1, 2, 19], 0.3)]:
        make = lambda o: lr_scheduler.MultiStepLR(o, milestones, gamma)
        schedule_case("multi_step", {"milestones": milestones, "gamma": gamma}, make)
    for start, end, total in [(1 / 3, 1.0, 5), (0.1, 1.0, 10), (1.0, 0.2, 15)]:
        make = lambda o: lr_scheduler.LinearLR(o, start, end, total)
        schedule_case("linear_factor", {"start_factor": start, "end_factor": end, "total_iters": total}, make)
    for warm, start, t_max in [(4, 0.1, 15), (5, 0.25, 14)]:

        def warm_cosine(o):
            schedules = [lr_scheduler.LinearLR(o, start, 1.0, warm), lr_scheduler.CosineAnnealingLR(o, t_max)]
            return lr_scheduler.SequentialLR(o, schedules, [warm])

        schedule_case("warmup_cosine", {"warm": warm, "start_factor": start, "t_max": t_max}, warm_cosine)


if __name__ == "__main__":
    optimiser_cases()
    schedule_cases()
    family.write()
