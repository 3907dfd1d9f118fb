"""Stands where Triton's ONNX Runtime backend would: a backend in Python that runs a model's graph on one thread.

As there, requests of a batch are joined, a run that fails fails all of them, and nobody looks who still waits. A test may
hold a model: while the file /hold/<model> is there no run starts, and <model>.held tells that one waits.
"""
import json
import os
import time

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

HOLDS = "/hold"


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        return config

    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.name = args["model_name"]
        self.outputs = [output["name"] for output in config["output"]]
        self.batched = config["max_batch_size"] > 0
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = [value.name for value in self.session.get_inputs()]

    def execute(self, requests):
        self.wait_while_held()
        batches = [requests] if self.batched else [[request] for request in requests]
        return [response for batch in batches for response in self.run(batch)]

    def run(self, requests):
        try:
            results = self.session.run(self.outputs, {name: self.joined(requests, name) for name in self.inputs})
        except Exception as error:
            message = f"onnx runtime error: {error}"
            return [pb_utils.InferenceResponse(error=pb_utils.TritonError(message)) for _ in requests]
        if len(requests) == 1:
            return [self.response(results)]
        sizes = [pb_utils.get_input_tensor_by_name(request, self.inputs[0]).shape()[0] for request in requests]
        ends = np.cumsum(sizes)
        return [self.response([result[end - size : end] for result in results]) for size, end in zip(sizes, ends)]

    def joined(self, requests, name):
        tensors = [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests]
        return np.concatenate(tensors) if len(tensors) > 1 else tensors[0]

    def response(self, results):
        tensors = [
            pb_utils.Tensor(name, np.ascontiguousarray(result)) for name, result in zip(self.outputs, results)
        ]
        return pb_utils.InferenceResponse(output_tensors=tensors)

    def wait_while_held(self):
        hold = os.path.join(HOLDS, self.name)
        if not os.path.exists(hold):
            return
        with open(hold + ".held", "w"):
            pass
        while os.path.exists(hold):
            time.sleep(0.001)
        os.remove(hold + ".held")
