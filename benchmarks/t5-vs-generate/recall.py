"""A TIGER bundle's fused graph in each precision: recall over the test users, speed, and agreement with its fixture.

    PYTHONPATH=model-repo/recipes python benchmarks/t5-vs-generate/recall.py --data DIR [--bundle NAME]

Seen items are barred by the filter. One thread; batches of 8, histories of the longest size.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path

import numpy as np
import onnxruntime
import yaml
from espalier_recipes import fused, fused_models
from espalier_recipes.data import left_padded

ROOT = Path(__file__).resolve().parents[2]
PRECISIONS = tuple(fused_models.PRECISIONS)


class Lists:
    """The items of a bundle's fused graph, in one precision."""

    def __init__(self, root: Path, bundle: str, precision: str, codes: np.ndarray, history: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        model = fused_models.templates(root, bundle, 1, live=True, precision=precision)
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.codes, self.history, self.trie = codes, history, fused.trie(codes)
        nothing = fused.delta(codes[:0], np.zeros(0, np.int64), self.trie, 1)
        self.delta = {name: value[None] for name, value in nothing.items()}

    def given(self, histories, beam: int):
        padded = left_padded(histories, self.history)
        legal = np.ones((len(histories), len(self.codes)), bool)
        for row, history in enumerate(histories):
            legal[row, history] = False
        filters = [fused.filter_words(row[self.trie["item_at"]]) for row in legal]
        batch = len(histories)
        return self.trie | {name: value.repeat(batch, 0) for name, value in self.delta.items()} | {
            "history": np.where(padded[..., None] >= 0, self.codes[padded.clip(min=0)], -1),
            "beams": np.zeros((batch, beam), np.int64),
            "filter": np.stack(filters),
        }

    def __call__(self, histories, beam: int):
        given = self.given(histories, beam)
        start = time.process_time()
        items, scores = self.session.run(["item", "scores"], given)
        return items, scores, time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", default="beauty-tiger")
    parser.add_argument("--beam", type=int, default=50)
    parser.add_argument("--users", type=int, default=0, help="default: all")
    options = parser.parse_args()
    root = ROOT / "model-repo"
    folder = root / "bundles" / options.bundle / "1"
    manifest = yaml.safe_load((folder / "bundle.yaml").read_text())
    rows = (folder / "semantic_ids.tsv").read_text().splitlines()
    codes = np.array([[int(c) for c in row.split("\t")[1].split()] for row in rows])
    sides = {p: Lists(root, options.bundle, p, codes, manifest["parameters"]["history"]) for p in PRECISIONS}
    with gzip.open(folder / "parity.jsonl.gz", "rt") as lines:
        examples = [json.loads(line) for line in lines]
    equal = close = 0
    for at in range(0, len(examples), 8):
        part = examples[at : at + 8]
        items, scores, _ = sides["fp32"]([np.array(e["history"]) for e in part], manifest["parameters"]["parity_beam"])
        for row, example in enumerate(part):
            kept = len(example["items"])
            equal += items[row, :kept].tolist() == example["items"]
            close += bool(np.abs(scores[row, :kept] - example["scores"]).max() <= 1e-4)
    print(f"fixture: {len(examples)} lists, {equal} with the same items in order, {close} with scores within 1e-4")
    sequences = [np.array(line.split("\t")[1].split(), int) for line in (options.data / "sequences.tsv").read_text().splitlines()]
    sequences = [s for s in sequences if len(s) >= 3][: options.users or None]
    hits, seconds, lists = {p: 0 for p in PRECISIONS}, {p: 0.0 for p in PRECISIONS}, {p: [] for p in PRECISIONS}
    for at in range(0, len(sequences), 8):
        part = sequences[at : at + 8]
        targets = np.array([s[-1] for s in part])
        for precision, side in sides.items():
            items, _, took = side([s[:-1] for s in part], options.beam)
            hits[precision] += int((items[:, :10] == targets[:, None]).any(1).sum())
            seconds[precision] += took
            lists[precision].append(items[:, :10])
    for precision in PRECISIONS:
        same = np.mean([[len(np.intersect1d(a, b)) / 10 for a, b in zip(x, y)] for x, y in zip(lists["fp32"][:500], lists[precision][:500])])
        print(f"{precision}: recall@10 {hits[precision] / len(sequences):.4f}, {1e3 * seconds[precision] / len(sequences):.2f} ms"
              f" of processor time a request, top 10 shared with fp32 {100 * same:.1f}%, {len(sequences):,} users")


if __name__ == "__main__":
    main()
