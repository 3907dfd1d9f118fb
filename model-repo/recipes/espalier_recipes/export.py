"""PyTorch to ONNX in Triton's layout, each export checked against PyTorch before it is kept."""

from __future__ import annotations

import inspect
import logging
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
import torch

_TYPES = {torch.int64: "TYPE_INT64", torch.float32: "TYPE_FP32"}


@dataclass(frozen=True)
class Port:
    """An input or output without its batch dimension; −1 is a size that varies."""

    name: str
    dtype: torch.dtype
    dims: tuple[int, ...]


@dataclass(frozen=True)
class Exported:
    """What a model folder holds."""

    inputs: list[Port]
    outputs: list[Port]
    max_batch: int = 8
    preferred: tuple[int, ...] = (4, 8)
    # Concrete dims of varying ports: one warm-up of each batch size for each entry.
    warm: list[dict[str, tuple[int, ...]]] = field(default_factory=lambda: [{}])


def to_onnx(
    module: torch.nn.Module,
    example: dict[str, torch.Tensor],
    outputs: list[str],
    varying: dict[str, dict[int, str]],
    path: Path,
) -> None:
    """Exports with the first dimension, and those named in `varying`, of any size."""
    module.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    dims: dict[str, object] = {}
    shapes = []
    for name in example:
        own = {0: "batch", **varying.get(name, {})}
        shapes.append({axis: torch.export.Dim.DYNAMIC for axis in own})
        dims.update({name_: None for name_ in own.values()})
    kinds = [parameter.kind for parameter in inspect.signature(module.forward).parameters.values()]
    if kinds == [inspect.Parameter.VAR_POSITIONAL]:
        shapes = [tuple(shapes)]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            tuple(example.values()),
            input_names=list(example),
            output_names=outputs,
            dynamic_shapes=tuple(shapes),
            dynamo=True,
            verbose=False,
            optimize=True,
        )
        program.save(str(path), external_data=False)


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def check(
    module: torch.nn.Module,
    runtime: onnxruntime.InferenceSession,
    inputs: dict[str, torch.Tensor],
    tolerance: float = 1e-4,
) -> float:
    """Largest difference between ONNX Runtime and PyTorch on these inputs; an error if too large."""
    with torch.no_grad():
        expected = module(*inputs.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = runtime.run(None, {name: value.numpy() for name, value in inputs.items()})
    worst = 0.0
    for name, want, have in zip(runtime.get_outputs(), expected, found):
        if tuple(want.shape) != have.shape:
            raise ValueError(f"{name.name}: shape {have.shape} (expected: {tuple(want.shape)})")
        worst = max(worst, float(np.abs(want.numpy() - have).max(initial=0.0)))
    if not worst <= tolerance:
        raise ValueError(f"ONNX differs from PyTorch by {worst} (expected: <= {tolerance})")
    return worst


def _ports(kind: str, ports: list[Port]) -> str:
    rows = []
    for port in ports:
        dims = ", ".join(str(size) for size in port.dims)
        rows.append(
            f'  {{\n    name: "{port.name}"\n    data_type: {_TYPES[port.dtype]}\n'
            f"    dims: [ {dims} ]\n  }}"
        )
    return f"{kind} [\n" + ",\n".join(rows) + "\n]\n"


def config(name: str, exported: Exported) -> str:
    """config.pbtxt as Triton reads it."""
    warm = []
    for number, dims_of in enumerate(exported.warm):
        for size in (1, exported.max_batch):
            inputs = []
            for port in exported.inputs:
                dims = dims_of.get(port.name, port.dims)
                inputs.append(
                    f'    inputs {{\n      key: "{port.name}"\n      value {{\n'
                    f"        data_type: {_TYPES[port.dtype]}\n"
                    + f"        dims: [ {', '.join(map(str, dims))} ]\n"
                    + "        zero_data: true\n      }\n    }\n"
                )
            label = f"batch {size}" if number == 0 else f"batch {size}, shape {number + 1}"
            warm.append(
                f'model_warmup {{\n    name: "{label}"\n    batch_size: {size}\n' + "".join(inputs) + "}\n"
            )
    preferred = ", ".join(str(size) for size in exported.preferred)
    return (
        f'name: "{name}"\n'
        'platform: "onnxruntime_onnx"\n'
        f"max_batch_size: {exported.max_batch}\n"
        + _ports("input", exported.inputs)
        + _ports("output", exported.outputs)
        + "instance_group [\n  {\n    count: 1\n    kind: KIND_CPU\n  }\n]\n"
        + f"dynamic_batching {{\n  preferred_batch_size: [ {preferred} ]\n}}\n"
        + "".join(warm)
    )
