"""Triton's Python backend. Its dynamic batcher without a delay, as NVIDIA advises."""

import os
import sys

import numpy as np
import triton_python_backend_utils as triton

# The stub takes no notice of it.
sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
from recommender import Recommender  # noqa: E402


class TritonPythonModel:
    def initialize(self, args):
        self.recommender = Recommender()

    def execute(self, requests):
        histories, ks = [], []
        for request in requests:
            history = triton.get_input_tensor_by_name(request, "history").as_numpy()
            histories.append([id_.decode() for id_ in history[0]])
            ks.append(int(triton.get_input_tensor_by_name(request, "k").as_numpy()[0, 0]))
        return [
            triton.InferenceResponse(
                [
                    triton.Tensor("items", np.array([items], dtype=object)),
                    triton.Tensor("scores", np.array([scores], dtype=np.float32)),
                ]
            )
            for items, scores in self.recommender(histories, ks)
        ]
