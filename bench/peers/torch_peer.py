"""PyTorch as a peer; see protocol.h. Usage: torch_peer.py THREADS [compile]"""

import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

THREADS = int(sys.argv[1])
COMPILE = "compile" in sys.argv[2:]
torch.set_num_threads(THREADS)
torch.manual_seed(0)


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        outputs = 4 * width
        self.c1, self.b1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.c2, self.b2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.c3, self.b3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.down = shortcut(inputs, outputs, stride)

    def forward(self, x):
        y = F.relu(self.b1(self.c1(x)))
        y = F.relu(self.b2(self.c2(y)))
        return F.relu(self.b3(self.c3(y)) + self.down(x))


class Basic(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.c2, self.b2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.down = shortcut(inputs, outputs, stride)

    def forward(self, x):
        return F.relu(self.b2(self.c2(F.relu(self.b1(self.c1(x))))) + self.down(x))


def shortcut(inputs, outputs, stride):
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def resnet50():
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(True), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for width, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(count):
            layers.append(Bottleneck(inputs, width, stride if i == 0 else 1))
            inputs = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))


def cifar_resnet(widths, blocks):
    """Residual networks for images of 32 x 32, with projections."""
    layers = [nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(True)]
    inputs = widths[0]
    for stage, width in enumerate(widths):
        for i in range(blocks):
            layers.append(Basic(inputs, width, 2 if stage > 0 and i == 0 else 1))
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
    )


STEPS = {
    "mnist_mlp": (mlp, (1, 28, 28)),
    "resnet20": (lambda: cifar_resnet((16, 32, 64), 3), (3, 32, 32)),
    "resnet18": (lambda: cifar_resnet((64, 128, 256, 512), 2), (3, 32, 32)),
}


def no_grad(call):
    def run():
        with torch.no_grad():
            call()

    return run


def gemm(a):
    x, y = torch.randn(a["m"], a["k"]), torch.randn(a["k"], a["n"])
    out = torch.empty(a["m"], a["n"])
    return no_grad(lambda: torch.mm(x, y, out=out))


def spmm(a):
    dense = torch.randn(a["m"], a["k"])
    dense[torch.rand(a["m"], a["k"]) < a["percent"] / 100] = 0
    sparse, x = dense.to_sparse_csr(), torch.randn(a["k"], a["n"])
    return no_grad(lambda: sparse @ x)


def resnet50_inference(a):
    net = resnet50().eval()
    x = torch.randn(a["n"], 3, 224, 224)
    with torch.no_grad():
        if COMPILE:
            net = torch.compile(net.to(memory_format=torch.channels_last))
            x = x.contiguous(memory_format=torch.channels_last)
        else:  # batch norm folded, oneDNN's layouts kept between layers
            net = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, x)))
        for _ in range(2):
            net(x)
    return no_grad(lambda: net(x))


def step(a):
    build, image = STEPS[a["network"]]
    net = build().train().to(memory_format=torch.channels_last)
    x = torch.randn(a["n"], *image).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (a["n"],))
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
    model = torch.compile(net) if COMPILE else net

    def run():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return run


def op(a):
    x = torch.randn(128, 64, 32, 32)
    flat = torch.randn(1 << 24)
    name = a["name"]
    if name == "batch_norm_backward":
        weight, bias = torch.ones(64, requires_grad=True), torch.zeros(64, requires_grad=True)
        leaf, d_y = x.clone().requires_grad_(), torch.randn_like(x)

        def both():
            leaf.grad = weight.grad = bias.grad = None
            F.batch_norm(leaf, None, None, weight, bias, True).backward(d_y)

        return both
    if name == "adam":
        p = torch.zeros(24_900_000, requires_grad=True)
        p.grad = torch.randn_like(p)
        return torch.optim.AdamW([p]).step
    rows = torch.randn(4096, 4096)
    calls = {
        "batch_norm": lambda: F.batch_norm(x, None, None, training=True),
        "softmax": lambda: torch.softmax(rows, 1),
        "max_pool": lambda: F.max_pool2d(x, 2),
        "relu": lambda: torch.relu(flat),
        "add": lambda: flat + flat,
        "exp": lambda: torch.exp(flat),
    }
    return no_grad(calls[name])


KINDS = {
    "gemm": gemm,
    "spmm": spmm,
    "resnet50": resnet50_inference,
    "step": step,
    "op": op,
}


def value(text):
    return int(text) if text.lstrip("-").isdigit() else text


def main():
    clock = time.process_time if THREADS == 1 else time.thread_time
    mode = "compiled" if COMPILE else "eager, channels-last"
    print(f"peer\tPyTorch\t{torch.__version__}\t{mode}", flush=True)
    call = None
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "run":
            calls = int(words[0])
            wall, cpu = time.perf_counter(), clock()
            for _ in range(calls):
                call()
            print((time.perf_counter() - wall) / calls, (clock() - cpu) / calls, flush=True)
            continue
        try:
            call = KINDS[words[0]]({k: value(v) for k, v in (word.split("=") for word in words[1:])})
            print("ready", flush=True)
        except Exception as error:  # whatever it is, this case is not measured
            print("no", words[0], repr(error).replace("\n", " ")[:200], flush=True)


main()
