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
    for op, kind in [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam)]:
        for betas in [[0.9, 0.999], [0.8, 0.9]]:
            for weight_decay in [0.0, 0.1]:
                for eps in [1e-8, 1e-2]:
                    for dtype in [F32, F64]:
                        options = {"lr": 0.05, "betas": betas, "weight_decay": weight_decay, "eps": eps}
                        record(op, kind, options, dtype)
    for momentum in [0.0, 0.9]:
        for centered in [False, True]:
            for weight_decay in [0.0, 0.1]:
                for dtype in [F32, F64]:
                    options = {
                        "lr": 0.01,
                        "alpha": family.choose([0.99, 0.9]),
                        "eps": family.choose([1e-8, 1e-3]),
                        "weight_decay": weight_decay,
                        "momentum": momentum,
                        "centered": centered,
                    }
                    record("rmsprop", torch.optim.RMSprop, options, dtype)


def clip_cases() -> None:
    for norm_type in [1.0, 2.0, 3.0, float("inf")]:
        for max_norm in [0.5, 100.0]:
            for dtype in [F32, F64]:

                def clip(*gradients: Tensor) -> list[Tensor]:
                    parameters = [torch.zeros_like(gradient) for gradient in gradients]
                    for parameter, gradient in zip(parameters, gradients):
                        parameter.grad = gradient.clone()
                    norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm, norm_type)
                    return [norm.to(F64), *[parameter.grad for parameter in parameters]]

                gradients = [family.normal(shape, dtype) for shape in ([3, 4], [5], [2, 1, 3])]
                options = {"max_norm": max_norm, "norm_type": "inf" if norm_type == float("inf") else norm_type}
                family.case("clip_grad_norm_", clip, gradients, options, ulps=4, differentiable=False)


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
    for gamma in [0.9, 0.5]:
        schedule_case("exponential", {"gamma": gamma}, lambda o: lr_scheduler.ExponentialLR(o, gamma))
    for total, power in [(10, 1.0), (19, 2.0), (15, 0.9)]:
        make = lambda o: lr_scheduler.PolynomialLR(o, total, power)
        schedule_case("polynomial", {"total_iters": total, "power": power}, make, steps=total)
    for total, linear in [(20, False), (20, True), (10, False)]:
        options = {"pct_start": 0.25, "div_factor": 10.0, "final_div_factor": 100.0}
        strategy = "linear" if linear else "cos"
        make = lambda o: lr_scheduler.OneCycleLR(
            o, 1.0, total, anneal_strategy=strategy, cycle_momentum=False, **options
        )
        schedule_case("one_cycle", options | {"total_steps": total, "linear": linear}, make, steps=total)
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
    clip_cases()
    schedule_cases()
    family.write()
