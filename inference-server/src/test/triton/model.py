"""The models of the table of cases for Triton's Python backend; the tests make the same as ONNX graphs."""

import json

import numpy as np
import triton_python_backend_utils as pb_utils

MODELS = {
    "affine": lambda x: {"y": 2 * x + 1},
    "levels": lambda x: {"y": 2 * x + 1},
    "lookup": lambda ids: {
        "vectors": np.stack([ids, ids + 0.25, -ids], -1).astype(np.float32),
        "next": ids + 1,
    },
    "unbatched": lambda x: {"y": -x},
    "text": lambda text: {"echo": text},
    "pair": lambda a, b: {"sum": a + b},
}


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.run = MODELS[config["name"]]  # "broken" has none and does not load.
        self.inputs = [tensor["name"] for tensor in config["input"]]

    def execute(self, requests):
        responses = []
        for request in requests:
            inputs = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
            outputs = [pb_utils.Tensor(name, value) for name, value in self.run(**inputs).items()]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses
