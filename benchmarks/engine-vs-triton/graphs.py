"""The models of the comparison as one repository: ONNX graphs for Espalier, the same behind Triton's Python backend.

Triton's side takes the form that suits it best: identity hands its input back, the product is numpy's, the transformer
is ONNX Runtime's on one thread. Both sides have one instance, and batch what waits.
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, LENGTH, HEADS, LAYERS = 64, 100, 4, 2

SHAPES = {"identity": [16], "product": [WIDTH], "transformer": [LENGTH, WIDTH]}

CONFIG = """\
max_batch_size: 32
input {{ name: "x" data_type: TYPE_FP32 dims: {dims} }}
output {{ name: "y" data_type: TYPE_FP32 dims: {dims} }}
instance_group {{ count: 1 kind: KIND_CPU }}
dynamic_batching {{ }}
"""

PYTHON_MODEL = '''\
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        folder = f"{args['model_repository']}/{args['model_version']}"
LOAD

    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        x = inputs[0] if len(inputs) == 1 else np.concatenate(inputs)
        y = RUN
        responses, row = [], 0
        for one in inputs:
            output = pb_utils.Tensor("y", y[row : row + len(one)])
            responses.append(pb_utils.InferenceResponse([output]))
            row += len(one)
        return responses
'''

PYTHON = {
    "identity": ("        pass", "x"),
    "product": ('        self.weights = np.load(f"{folder}/weights.npy")', "x @ self.weights"),
    "transformer": (
        "        import onnxruntime\n"
        "        options = onnxruntime.SessionOptions()\n"
        "        options.intra_op_num_threads = 1\n"
        '        self.session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options)',
        'self.session.run(["y"], {"x": x})[0]',
    ),
}


class Graph:
    """A graph in the making; each call adds an operator and gives the name of its output."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants = [], []

    def weights(self, *shape):
        return self.constant((self.random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32))

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def __call__(self, operator, *inputs, output=None, **attributes):
        name = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def norm(self, x):
        scale, bias = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)
        return self("LayerNormalization", x, self.constant(scale), self.constant(bias), axis=-1)

    def model(self, shape):
        dims = ["rows", *shape]
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, dims)],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model


def attention(graph, x):
    split = graph.constant(np.array([0, LENGTH, HEADS, WIDTH // HEADS], np.int64))
    joined = graph.constant(np.array([0, LENGTH, WIDTH], np.int64))

    def heads(perm):
        projected = graph("Reshape", graph("MatMul", x, graph.weights(WIDTH, WIDTH)), split)
        return graph("Transpose", projected, perm=perm)

    scale = graph.constant(np.array((WIDTH // HEADS) ** -0.5, np.float32))
    scores = graph("Mul", graph("MatMul", heads([0, 2, 1, 3]), heads([0, 2, 3, 1])), scale)
    mixed = graph("MatMul", graph("Softmax", scores, axis=-1), heads([0, 2, 1, 3]))
    mixed = graph("Reshape", graph("Transpose", mixed, perm=[0, 2, 1, 3]), joined)
    return graph("MatMul", mixed, graph.weights(WIDTH, WIDTH))


def transformer():
    graph = Graph(seed=1)
    x = "x"
    for _ in range(LAYERS):
        x = graph("Add", x, attention(graph, graph.norm(x)))
        hidden = graph("Relu", graph("MatMul", graph.norm(x), graph.weights(WIDTH, 4 * WIDTH)))
        x = graph("Add", x, graph("MatMul", hidden, graph.weights(4 * WIDTH, WIDTH)))
    graph("Identity", x, output="y")
    return graph.model(SHAPES["transformer"])


def product():
    graph = Graph(seed=0)
    graph("MatMul", "x", graph.weights(WIDTH, WIDTH), output="y")
    return graph.model(SHAPES["product"])


def identity():
    graph = Graph(seed=0)
    graph("Identity", "x", output="y")
    return graph.model(SHAPES["identity"])


def write(root: pathlib.Path):
    """Writes root/espalier and root/triton, each a model repository."""
    for name, make in (("identity", identity), ("product", product), ("transformer", transformer)):
        model, config = make(), CONFIG.format(dims=SHAPES[name])
        ours, theirs = root / "espalier" / name, root / "triton" / name
        for folder, backend in ((ours, "onnxruntime"), (theirs, "python")):
            (folder / "1").mkdir(parents=True)
            (folder / "config.pbtxt").write_text(f'backend: "{backend}"\n{config}')
            onnx.save(model, folder / "1" / "model.onnx")
        if name == "product":
            np.save(theirs / "1" / "weights.npy", numpy_helper.to_array(model.graph.initializer[0]))
        load, run = PYTHON[name]
        (theirs / "1" / "model.py").write_text(PYTHON_MODEL.replace("LOAD", load).replace("RUN", run))
