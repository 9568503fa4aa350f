"""ONNX Runtime as a peer: ResNet-50 inference; see protocol.h. Usage: onnxruntime_peer.py THREADS"""

import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

THREADS = int(sys.argv[1])


class Graph:
    """ResNet-50 (v1.5) with random weights, batch norms as nodes of their own: folding them is the runtime's work."""

    def __init__(self, batch):
        self.random = np.random.default_rng(0)
        self.nodes, self.weights, self.count = [], [], 0
        last = self.network()
        self.nodes[-1].output[0] = "y"
        assert last
        graph = helper.make_graph(
            self.nodes,
            "resnet50",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 224, 224])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 1000])],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        self.bytes = model.SerializeToString()

    def add(self, kind, inputs, **attributes):
        self.count += 1
        self.nodes.append(helper.make_node(kind, inputs, [f"t{self.count}"], **attributes))
        return f"t{self.count}"

    def weight(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def conv(self, x, inputs, outputs, k, stride=1, relu=True):
        w = self.weight(self.random.normal(0, (2 / (outputs * k * k)) ** 0.5, (outputs, inputs, k, k)))
        x = self.add("Conv", [x, w], strides=[stride, stride], pads=[k // 2] * 4, kernel_shape=[k, k])
        moments = [np.ones(outputs), np.zeros(outputs), np.zeros(outputs), np.ones(outputs)]
        x = self.add("BatchNormalization", [x, *(self.weight(m) for m in moments)])
        return self.add("Relu", [x]) if relu else x

    def network(self):
        x = self.conv("x", 3, 64, 7, 2)
        x = self.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        inputs = 64
        for width, blocks, first_stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            for i in range(blocks):
                stride, outputs = (first_stride if i == 0 else 1), 4 * width
                y = self.conv(x, inputs, width, 1)
                y = self.conv(y, width, width, 3, stride)
                y = self.conv(y, width, outputs, 1, relu=False)
                if i == 0:
                    x = self.conv(x, inputs, outputs, 1, stride, relu=False)
                x = self.add("Relu", [self.add("Add", [y, x])])
                inputs = outputs
        x = self.add("Flatten", [self.add("GlobalAveragePool", [x])])
        w, b = self.weight(self.random.normal(0, 0.01, (2048, 1000))), self.weight(np.zeros(1000))
        return self.add("Gemm", [x, w, b])


def prepare(batch):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(Graph(batch).bytes, options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).uniform(-1, 1, (batch, 3, 224, 224)).astype(np.float32)
    return lambda: session.run(None, {"x": x})


def main():
    clock = time.process_time if THREADS == 1 else time.thread_time
    print(f"peer\tONNX Runtime\t{onnxruntime.__version__}\tall optimisations", flush=True)
    call = None
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "run":
            calls = int(words[0])
            wall, cpu = time.perf_counter(), clock()
            for _ in range(calls):
                call()
            print((time.perf_counter() - wall) / calls, (clock() - cpu) / calls, flush=True)
        elif words[0] == "resnet50":
            call = prepare(int(words[1].split("=")[1]))
            print("ready", flush=True)
        else:
            print("no", words[0], flush=True)


main()
