"""ResNet-20 trained for some steps from the same weights on the same images: a whole network, forward and backward.

Weights and images are hashes of their positions, so that the file holds losses and a few parameters only.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import BasicBlock

from golden import F32, F64, I64, Family, Terms

family = Family("training", seed=16)

# Kept of the trained network besides the losses.
KEPT = ["bn1.running_var", "conv1.weight", "fc.bias", "layer2.0.bn2.weight"]


def noise(shape: Sequence[int], stream: int) -> Tensor:
    """Multiples of 2^-15 in [-1, 1), in f64; training.cpp has the same."""
    low = 2**32 - 1
    index = torch.arange(math.prod(shape), dtype=I64) + stream * 1000003
    hashed = index * 2654435761 & low
    hashed = (hashed ^ hashed >> 15) * 2246822519 & low
    hashed = (hashed ^ hashed >> 13) * 3266489917 & low
    return ((hashed >> 16).to(F64) / 2**15 - 1).reshape(tuple(shape))


class ResNet20(nn.Module):
    """By the names of torchvision."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self.stage(16, 16, 1)
        self.layer2 = self.stage(16, 32, 2)
        self.layer3 = self.stage(32, 64, 2)
        self.fc = nn.Linear(64, 10)

    @staticmethod
    def stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        project = None
        if stride > 1:
            project = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        first = BasicBlock(inputs, outputs, stride, project)
        return nn.Sequential(first, *[BasicBlock(outputs, outputs) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def set_weights(model: nn.Module) -> None:
    """By name in alphabetical order; norms stay as they are."""
    with torch.no_grad():
        for index, (name, parameter) in enumerate(sorted(model.named_parameters())):
            if parameter.dim() > 1:
                bound = math.sqrt(6 / parameter[0].numel())
                parameter.copy_(noise(parameter.shape, index) * bound)
    nn.init.zeros_(model.fc.bias)


@torch.enable_grad()
def train(steps: int, batch: int, size: int, lr: float, momentum: float, weight_decay: float, dtype: torch.dtype):
    model = ResNet20().to(F64)
    set_weights(model)
    if dtype == F32:  # the start that f32 has
        model.to(F32).to(F64)
    optimiser = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay)
    losses = []
    for step in range(steps):
        images = noise([batch, 3, size, size], 1000 + step % 3)
        labels = (torch.arange(batch) * 7 + step % 3) % 10
        loss = functional.cross_entropy(model(images), labels)
        losses.append(loss.detach())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    state = model.state_dict()
    return [tensor.to(dtype) for tensor in (torch.stack(losses), *[state[name] for name in KEPT])]


def training_cases() -> None:
    # Errors are absolute: 1e-10 after 50 steps in f64, 3e-5 after 10 in f32; in units of each dtype's epsilon.
    for dtype, steps, bound in [(F64, 50, 1e-10), (F32, 10, 3e-5)]:
        for lr, momentum, weight_decay in [(0.05, 0.0, 0.0), (0.02, 0.9, 1e-4)]:
            options = {"batch": 8, "size": 8, "lr": lr, "momentum": momentum, "weight_decay": weight_decay}
            run = lambda: train(steps, dtype=dtype, **options)
            ones = Terms(lambda operands, projections: ([torch.ones(()) for _ in range(1 + len(KEPT))], []))
            named = options | {"steps": steps, "dtype": str(dtype).removeprefix("torch."), "kept": KEPT}
            family.case("resnet20", run, [], named, ulps=bound / torch.finfo(dtype).eps, magnitude=ones)


if __name__ == "__main__":
    training_cases()
    family.write()
