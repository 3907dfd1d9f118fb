"""TIGER's graphs in T5's shape against Hugging Face `generate`: the same weights, one thread on one core, in turn.

    PYTHONPATH=model-repo/recipes python benchmarks/t5-vs-generate/graphs.py [--items 12000 1000000] [--beams 20 50]

Prints milliseconds a request (processor time), ratios of blocks in turn, whether answers agree, and what the
fused graph makes of the core: multiplications a second beside a large product's, and time by operation.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from espalier_recipes import bundle, fused, quantised, tiger_t5
from onnx import helper, numpy_helper
from safetensors.torch import load_file
from transformers import T5Config, T5ForConditionalGeneration

LEVELS, CODES = 4, 256


def session(model: onnx.ModelProto, profile: Path | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class Generate:
    def __init__(self, folder: Path, codes: np.ndarray):
        config = json.loads((folder / "config.json").read_text())
        self.model = T5ForConditionalGeneration(T5Config(**config)).eval()
        self.model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
        self.offsets = torch.tensor([1 + CODES * level for level in range(LEVELS)])
        below: dict[tuple, set] = {}
        for path in (codes + self.offsets.numpy()).tolist():
            for level in range(LEVELS):
                below.setdefault(tuple(path[:level]), set()).add(path[level])
        self.below = {prefix: sorted(tokens) for prefix, tokens in below.items()}

    @torch.inference_mode()
    def __call__(self, histories: np.ndarray, beam: int):
        tokens = (torch.from_numpy(histories) + self.offsets).flatten(1)
        found = self.model.generate(
            input_ids=tokens, attention_mask=torch.ones_like(tokens), num_beams=beam, num_return_sequences=beam,
            do_sample=False, max_new_tokens=LEVELS, min_new_tokens=LEVELS, length_penalty=0.0, early_stopping=False,
            use_cache=True, return_dict_in_generate=True, output_scores=True,
            prefix_allowed_tokens_fn=lambda row, written: self.below.get(tuple(written.tolist()[1:]), [0]),
        )
        codes = found.sequences[:, 1:] - self.offsets
        return found.sequences_scores.view(-1, beam).numpy(), codes.view(-1, beam, LEVELS).numpy()


class Fused:
    def __init__(self, model: onnx.ModelProto, trie: dict, profile: Path | None = None):
        self.session, self.trie = session(model, profile), trie

    def __call__(self, histories: np.ndarray, beam: int):
        given = {"history": histories, "beams": np.zeros((len(histories), beam), np.int64)} | self.trie
        return self.session.run(["scores", "codes"], given)


class Steps:
    """The stepwise graphs one after another, over beams that are all given: what a search costs is left out."""

    def __init__(self, prefill: onnx.ModelProto, steps: list):
        self.prefill, self.steps = session(prefill), [session(step) for step in steps]

    def __call__(self, histories: np.ndarray, beam: int):
        names = [port.name for port in self.prefill.get_outputs()]
        state = dict(zip(names, self.prefill.run(None, {"history": histories})))
        del state["log_probs"]
        code, cache = np.zeros((len(histories), beam), np.int64), None
        for step in self.steps:
            _, *new = step.run(None, state | {"code": code} | ({"beam_cache": cache} if cache is not None else {}))
            if new:
                cache = new[0] if cache is None else np.concatenate((cache, new[0]), 2)


def agreement(a, b) -> str:
    """Lists with the same scores to 1e-4 and, but for near ties, the same codes in the same order."""
    close = int(sum(np.abs(x - y).max() <= 1e-4 for x, y in zip(a[0], b[0])))
    equal = int(sum(np.array_equal(x, y) for x, y in zip(a[1], b[1])))
    return f"{close} of {len(a[0])} lists with equal scores, {equal} with equal codes in order"


def overlap(a, b) -> float:
    shared = [len(set(map(tuple, x.tolist())) & set(map(tuple, y.tolist()))) / len(x) for x, y in zip(a[1], b[1])]
    return float(np.mean(shared))


def milliseconds(side, histories: np.ndarray, beam: int, batch: int) -> float:
    start = time.process_time()
    for at in range(0, len(histories), batch):
        side(histories[at : at + batch], beam)
    return 1e3 * (time.process_time() - start) / len(histories)


def best_batch(side, histories: np.ndarray, beam: int, name: str) -> int:
    found = {}
    for batch in (1, 2, 4, 8):
        side(histories[:batch], beam)
        found[batch] = min(milliseconds(side, histories[:8], beam, batch) for _ in range(2))
    print(f"{beam:>4} {name:<10} ms by batch: " + ", ".join(f"{b}: {ms:.2f}" for b, ms in found.items()), flush=True)
    return min(found, key=found.get)


def product_rate(size: int = 512) -> float:
    """Multiplications a second of a large product in ONNX Runtime."""
    weight = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
    made = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "product",
        [helper.make_tensor_value_info("x", 1, [size, size])], [helper.make_tensor_value_info("y", 1, [size, size])],
        [numpy_helper.from_array(weight, "w")],
    )
    run = session(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9))
    times = []
    for _ in range(30):
        start = time.process_time()
        run.run(None, {"x": weight})
        times.append(time.process_time() - start)
    return size**3 / float(np.median(times))


def multiplications(beam: int, shape: tiger_t5.Shape = tiger_t5.Shape()) -> float:
    """Of one request, whole matrix products alone: first layers' tables count nothing."""
    tokens, inner = shape.history * LEVELS, shape.heads * shape.head
    projections, feed = shape.width * inner, 2 * shape.width * shape.inner
    encoder = shape.layers * tokens * (4 * projections + feed + 2 * tokens * inner) - 3 * tokens * projections
    state = shape.layers * tokens * 2 * projections
    row = shape.layers * (6 * projections + feed + 2 * tokens * inner) + shape.width * (1 + LEVELS * CODES)
    rows = beam * (LEVELS - 1)
    return encoder + state + row * (rows + 1) - rows * 3 * projections


def by_operation(model: onnx.ModelProto, trie: dict, histories: np.ndarray, beam: int, folder: Path) -> None:
    side = Fused(model, trie, folder / "profile")
    for history in histories[:20]:
        side(history[None], beam)
    spent: Counter = Counter()
    for event in json.loads(Path(side.session.end_profiling()).read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    shares = ", ".join(f"{name} {100 * t / spent.total():.1f}%" for name, t in spent.most_common(12))
    print(f"{beam:>4} time by operation: {shares}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[12_000, 1_000_000])
    parser.add_argument("--beams", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--requests", type=int, default=8, help="in a block")
    parser.add_argument("--core", type=int, default=0)
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    torch.set_num_threads(1)
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        repository = bundle.Repository(root, "random", "sha256:none", "made up")
        name = tiger_t5.write_random(repository, "t5", rng.integers(0, CODES, (50, LEVELS)), CODES).split("@")[0]
        load = lambda part: onnx.load(root / f"models/{name}-{part}/1/model.onnx")  # noqa: E731
        prefill, steps = load("prefill"), [load(f"step{level}") for level in range(1, LEVELS)]
        template = fused.fuse(prefill, steps, live=False)
        bytes_ = quantised.int8(template)
        rate = product_rate()
        print(f"a product of 512³: {rate / 1e9:.1f} G multiplications/s, load {os.getloadavg()[0]:.1f}")
        for items in options.items:
            codes = rng.integers(0, CODES, (items, LEVELS))
            trie = fused.trie(codes)
            sides = {
                "generate": Generate(root / f"bundles/{name}/1", codes), "fused": Fused(template, trie), "int8": Fused(bytes_, trie),
                "steps": Steps(prefill, steps),
            }
            blocks = [codes[rng.integers(0, items, (options.requests, tiger_t5.Shape().history))] for _ in range(options.blocks)]
            for beam in options.beams:
                print(f"{items:,} items, beam {beam}")
                batches = {name: best_batch(side, blocks[0], beam, name) for name, side in sides.items()}
                for choice in ({name: 1 for name in sides}, batches):
                    took = {name: [] for name in sides}
                    for block in blocks:
                        for name, side in sides.items():
                            took[name].append(milliseconds(side, block, beam, choice[name]))
                    for name in ("fused", "int8", "steps"):
                        ratios = np.array(took["generate"]) / np.array(took[name])
                        print(f"{beam:>4} batch {choice['generate']} against {choice[name]}: generate {np.median(took['generate']):.1f} ms,"
                              f" {name} {np.median(took[name]):.2f} ms: {np.median(ratios):.1f}x"
                              f" ({ratios.min():.1f} to {ratios.max():.1f})", flush=True)
                least = 1e3 * multiplications(beam) / rate
                print(f"{beam:>4} roofline: {multiplications(beam) / 1e6:.0f} M multiplications, {least:.2f} ms at the large product's rate")
                a, b, c = (sides[name](blocks[0], beam) for name in ("fused", "generate", "int8"))
                print(f"{beam:>4} fused and generate: {agreement(a, b)}; int8 shares {100 * overlap(a, c):.1f}% of fp32's beams")
                by_operation(template, trie, blocks[0], beam, root)
                by_operation(bytes_, trie, blocks[0], beam, root)


if __name__ == "__main__":
    main()
