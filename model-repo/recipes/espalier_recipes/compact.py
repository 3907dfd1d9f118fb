"""Small model files: weights as halves, big tables as bytes with a scale a row.

The module's own weights are rounded first, so that what is stored loses nothing more: PyTorch and the served graph
agree as closely as if the weights were floats. They are widened when the model is loaded; arithmetic stays in floats.
"""

import os
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from . import bundle, export

LEAST = 1024
_LARGEST_HALF = 65504


def _scales(values: np.ndarray) -> np.ndarray:
    return (np.maximum(np.abs(values).max(1), 1e-8) / 127).astype(np.float32)


@torch.no_grad()
def round_weights(module: torch.nn.Module, tables: tuple[str, ...] = ()) -> None:
    """Rounds weights in place: parameters named in `tables` to bytes with a scale a row, other big ones to halves."""
    for name, weight in module.named_parameters():
        if name in tables:
            values = weight.numpy()
            scales = _scales(values)
            weight.copy_(torch.from_numpy(np.rint(values / scales[:, None]).astype(np.float32) * scales[:, None]))
        elif weight.numel() >= LEAST:
            weight.copy_(weight.half().float())


def compress(model: onnx.ModelProto, tables: dict[str, np.ndarray] | None = None) -> onnx.ModelProto:
    """Stores the graph's big float weights as halves, and those equal to a value of `tables` as bytes."""
    graph = model.graph
    kept, stored, nodes = [], [], []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims, dtype=np.int64) < LEAST:
            kept.append(weight)
            continue
        values = numpy_helper.to_array(weight)
        name = weight.name + "_stored"
        if any(values.shape == table.shape and np.array_equal(values, table) for table in (tables or {}).values()):
            scales = _scales(values)
            stored.append(numpy_helper.from_array(np.rint(values / scales[:, None]).astype(np.int8), name))
            stored.append(numpy_helper.from_array(scales, weight.name + "_scale"))
            nodes.append(helper.make_node("DequantizeLinear", [name, weight.name + "_scale"], [weight.name], axis=0))
        elif np.abs(values).max() > _LARGEST_HALF or not np.array_equal(values.astype(np.float16), values):
            kept.append(weight)  # a constant of the graph, not a rounded weight
        else:
            stored.append(numpy_helper.from_array(values.astype(np.float16), name))
            nodes.append(helper.make_node("Cast", [name], [weight.name], to=TensorProto.FLOAT))
    body = list(graph.node)
    del graph.initializer[:], graph.node[:], graph.value_info[:]
    graph.initializer.extend(kept + stored)
    graph.node.extend(nodes + body)
    for node in graph.node:
        del node.metadata_props[:]  # the exporter's notes: as large as the weights, with paths of the machine
    return model


def add_model(
    writer: bundle.Writer,
    part: str,
    module: torch.nn.Module,
    example: dict[str, torch.Tensor],
    exported: export.Exported,
    varying: dict[str, dict[int, str]],
    checks=(),
    tables: tuple[str, ...] = (),
    tolerance: float = 2e-4,
):
    """Exports a module whose weights are rounded into the bundle, stores it compactly, checks it against PyTorch."""
    version = writer.repository.version
    name = f"{writer.name}{'' if version == 1 else f'-v{version}'}-{part}"
    folder = writer.repository.root / "models" / name
    path = folder / "1" / "model.onnx"
    export.to_onnx(module, example, [port.name for port in exported.outputs], varying, path)
    own = {key: value.detach().numpy() for key, value in module.named_parameters() if key in tables}
    model = compress(onnx.load(str(path)), own)
    onnx.checker.check_model(model)
    draft = path.with_name("model.onnx.part")
    draft.write_bytes(model.SerializeToString())
    os.replace(draft, path)
    (folder / "config.pbtxt").write_text(export.config(name, exported), encoding="utf-8")
    session = export.session(path)
    for inputs in (example, *checks):
        export.check(module, session, inputs, tolerance)
    writer.manifest["models"][part] = name
    for file in (path, folder / "config.pbtxt"):
        writer.manifest["checksums"][str(Path(file).relative_to(writer.repository.root))] = bundle.sha256(file)
    return session
