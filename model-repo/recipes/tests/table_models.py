"""Models of TIGER's contract that look their log-probabilities up, for tests here and of the servers.

    PYTHONPATH=model-repo/recipes python model-repo/recipes/tests/table_models.py retrieval-server/src/test/resources/table-models
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from espalier_recipes import fused
from onnx import TensorProto, helper, numpy_helper

LEVELS = (1, 2, 3, 5)
CODES = 6


def tables(rng, levels, size):
    """By level, grid log-probabilities [size of the prefix's hash, size]: sums are exact, ties are common."""
    return [(-rng.integers(0, 12, (7, size)) / 64).astype(np.float32) for _ in range(levels)]


def _graph(inputs, outputs, nodes, constants):
    graph = helper.make_graph(
        nodes,
        "tables",
        [helper.make_tensor_value_info(name, kind, dims) for name, kind, dims in inputs],
        [helper.make_tensor_value_info(name, kind, dims) for name, kind, dims in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def model(tables):
    """Models of TIGER's contract: a row of the level's table by (history + 3 · each code so far + place) modulo 7."""
    size, levels = tables[0].shape[1], len(tables)
    prefill = _graph(
        [("history", TensorProto.INT64, ["batch", "events", levels])],
        [("log_probs", TensorProto.FLOAT, ["batch", size]), ("state_sum", TensorProto.FLOAT, ["batch", 1])],
        [
            helper.make_node("ReduceSum", ["history", "axes"], ["sum"], keepdims=0),
            helper.make_node("Mod", ["sum", "seven"], ["row"]),
            helper.make_node("Gather", ["table", "row"], ["log_probs"]),
            helper.make_node("Cast", ["row"], ["row_float"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["row_float", "one"], ["state_sum"]),
        ],
        {"axes": np.array([1, 2]), "one": np.array([1]), "seven": np.int64(7), "table": tables[0]},
    )
    steps = []
    for level in range(1, levels):
        inputs = [("state_sum", TensorProto.FLOAT, ["batch", 1]), ("code", TensorProto.INT64, ["batch", "beams"])]
        outputs = [("log_probs", TensorProto.FLOAT, ["batch", "beams", size])]
        nodes = [
            helper.make_node("Cast", ["code"], ["code_float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["code_float", "weight"], ["own"]),
        ]
        before = "own"
        if level > 1:
            inputs.append(("beam_cache", TensorProto.FLOAT, ["batch", "beams", level - 1, 1]))
            nodes.append(helper.make_node("ReduceSum", ["beam_cache", "axes"], ["earlier"], keepdims=0))
            nodes.append(helper.make_node("Add", ["own", "earlier"], ["all"]))
            before = "all"
        if level < levels - 1:
            outputs.append(("beam_new", TensorProto.FLOAT, ["batch", "beams", 1, 1]))
            nodes.append(helper.make_node("Unsqueeze", ["own", "axes"], ["beam_new"]))
        nodes += [
            helper.make_node("Add", [before, "state_sum"], ["total"]),
            helper.make_node("Cast", ["total"], ["whole"], to=TensorProto.INT64),
            helper.make_node("Mod", ["whole", "seven"], ["row"]),
            helper.make_node("Gather", ["table", "row"], ["log_probs"]),
        ]
        constants = {"axes": np.array([2, 3]), "weight": np.float32(2 + level), "seven": np.int64(7), "table": tables[level]}
        steps.append(_graph(inputs, outputs, nodes, constants))
    return prefill, steps


def write(folder: Path) -> None:
    """By number of levels, a folder of `prefill`, the steps, and `fused_live`."""
    for levels in LEVELS:
        prefill, steps = model(tables(np.random.default_rng(levels), levels, CODES))
        graphs = {"prefill": prefill, "fused_live": fused.fuse(prefill, steps, live=True)}
        graphs |= {f"step{level}": step for level, step in enumerate(steps, 1)}
        (folder / str(levels)).mkdir(parents=True, exist_ok=True)
        for name, graph in graphs.items():
            onnx.save(graph, folder / str(levels) / f"{name}.onnx")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
