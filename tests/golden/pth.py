"""Writes tests/golden/pth: files of torch.save, and what PyTorch computes from them.

Run once with Debian's python3-torch 1.13: python3 tests/golden/pth.py
"""

import pathlib

import torch

FOLDER = pathlib.Path(__file__).parent / "pth"


def network() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(),
        torch.nn.Conv2d(6, 4, 1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 5),
    )


def attention() -> None:
    """A layer of attention and what it computes where words are padding."""
    layer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    torch.nn.init.normal_(layer.in_proj_bias)
    torch.nn.init.normal_(layer.out_proj.bias)
    words = torch.randn(2, 5, 8)
    padding = torch.arange(5) >= torch.tensor([[5], [3]])
    with torch.no_grad():
        output, weights = layer(words, words, words, key_padding_mask=padding)
    torch.save(layer.state_dict(), FOLDER / "attention.pth")
    values = {"words": words, "padding": padding, "output": output, "weights": weights}
    torch.save(values, FOLDER / "attention_values.pth")


def main() -> None:
    torch.manual_seed(7)
    FOLDER.mkdir(exist_ok=True)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    images = torch.randn(4, 3, 8, 8)
    for _ in range(3):
        optimizer.zero_grad()
        model(images).square().sum().backward()
        optimizer.step()
    model.eval()
    torch.save(model.state_dict(), FOLDER / "network.pth")
    torch.save(model.state_dict(), FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(
        {
            "epoch": 3,
            "loss": 0.25,
            "name": "tiny",
            "best": None,
            "finished": True,
            "state_dict": {f"module.{name}": value for name, value in model.state_dict().items()},
            "optimizer": optimizer.state_dict(),
        },
        FOLDER / "checkpoint.pth",
    )
    torch.save(model, FOLDER / "module.pth")

    numbers = torch.arange(24, dtype=torch.float32)
    torch.save(
        {
            "f64": numbers.double().view(2, 12),
            "f16": numbers.half(),
            "bf16": numbers.bfloat16(),
            "i64": numbers.long() - 12,
            "i32": numbers.int() - 12,
            "u8": numbers.byte(),
            "bool": numbers % 3 == 0,
            "transposed": numbers.view(4, 6).t(),
            "column": numbers.view(4, 6)[1:, 2],
            "scalar": torch.tensor(2.5),
            "empty": torch.zeros(0, 3),
            "parameter": torch.nn.Parameter(torch.ones(2)),
            "list": [torch.tensor([1]), (torch.tensor([2]), 3)],
        },
        FOLDER / "types.pth",
    )
    with torch.no_grad():
        outputs = model(images)
    torch.save({"images": images, "outputs": outputs}, FOLDER / "values.pth")
    attention()


if __name__ == "__main__":
    main()
