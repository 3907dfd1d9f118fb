"""Graphs with matrices as bytes, from the same weights: activations are quantised as they come.

ONNX Runtime's processor kernels multiply bytes (VNNI); it has none that gain from halves or bfloat16 on x86.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic


def int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with each constant matrix as signed bytes, a scale a column."""
    with tempfile.TemporaryDirectory() as folder:
        source, folded, made = (Path(folder) / name for name in ("source.onnx", "folded.onnx", "made.onnx"))
        onnx.save(model, source)
        options = onnxruntime.SessionOptions()
        # Weights that are joined or turned when a graph loads are constants afterwards.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(folded)
        options.log_severity_level = 3
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
        quantize_dynamic(
            folded, made, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"],
            extra_options={"MatMulConstBOnly": True},
        )
        return onnx.load(made)
