"""TIGER's two decoders as the retrieval server serves them, and the fused graph in a bare ONNX Runtime loop, in one run.

Two servers, one a decoder, and the loop share one core and take turns (A B C A B C …); answers are compared. The loop
runs the model that a server makes of its snapshot on inputs made beforehand, in batches of the size that the server's
queue may make. Best in an environment whose onnxruntime is the servers' version (pom.xml).

    PYTHONPATH=model-repo/recipes python benchmarks/fused-vs-stepwise/run.py --data DIR [--bundle NAME] [--beams 20 50]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "tiger-vs-generate"))
from espalier_recipes import fused  # noqa: E402
from run import CLIENT_CORE, SERVER_CORE, Served, Timed, on_core, same  # noqa: E402

ROOM = 16  # rows of a delta without items, as the server pads them


class Loop:
    """The fused graph alone, its trie as constants, on one thread."""

    name = "bare loop"

    def __init__(self, folder: Path, manifest: dict, codes: np.ndarray):
        self.codes, self.sizes, self.trie = codes, manifest["parameters"]["history_sizes"], fused.trie(codes)
        model = fused.with_trie(onnx.load(folder / manifest["files"]["fused_live"]), self.trie)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.nothing = fused.delta(codes[:0], np.zeros(0, np.int64), self.trie, ROOM)

    def given(self, histories: list[list[int]], beam: int) -> dict:
        places = next(size for size in self.sizes if size >= min(len(histories[0]), self.sizes[-1]))
        tokens = np.full((len(histories), places, self.codes.shape[1]), -1, np.int64)
        legal = np.ones((len(histories), len(self.codes)), bool)
        for row, history in enumerate(histories):
            kept = history[-places:]
            tokens[row, places - len(kept) :] = self.codes[kept]
            legal[row, history] = False
        return {name: value[None].repeat(len(histories), 0) for name, value in self.nothing.items()} | {
            "history": tokens,
            "beams": np.zeros((len(histories), beam), np.int64),
            "filter": np.stack([fused.filter_words(row[self.trie["item_at"]]) for row in legal]),
        }

    def run(self, histories: list[list[int]], beam: int, batch: int) -> Timed:
        by_size: dict[int, list[int]] = {}
        for at, history in enumerate(histories):
            by_size.setdefault(sum(len(history) > size for size in self.sizes[:-1]), []).append(at)
        parts = [group[i : i + batch] for group in by_size.values() for i in range(0, len(group), batch)]
        inputs = [self.given([histories[at] for at in part], beam) for part in parts]
        timed = Timed(answers=[None] * len(histories))
        processor, start = time.process_time(), time.perf_counter()
        for part, given in zip(parts, inputs):
            begin = time.perf_counter()
            items, scores = self.session.run(["item", "scores"], given)
            timed.each += [time.perf_counter() - begin] * len(part)
            for at, found, score in zip(part, items.tolist(), scores.tolist()):
                timed.answers[at] = list(zip(found, score))
        timed.whole, timed.processor = time.perf_counter() - start, time.process_time() - processor
        return timed


def serve(options, decoder: str, port: int) -> subprocess.Popen:
    return subprocess.Popen(
        ["taskset", "-c", str(SERVER_CORE), str(ROOT / "espalier"), "serve", "retrieval", "--data", str(options.data),
         "--model-repo", str(options.model_repo), "--port", str(port), "--set", f"decode={decoder}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with sequences.tsv")
    parser.add_argument("--model-repo", type=Path, default=ROOT / "model-repo")
    parser.add_argument("--bundle", default="beauty-tiger")
    parser.add_argument("--beams", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--requests", type=int, default=200, help="in a block")
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--warm", type=int, default=4000, help="requests, before each beam, that warm a server")
    parser.add_argument("--port", type=int, default=50991)
    options = parser.parse_args()
    folder = options.model_repo / "bundles" / options.bundle / "1"
    manifest = yaml.safe_load((folder / "bundle.yaml").read_text())
    ids = (folder / manifest["files"]["items"]).read_text().split("\n")[:-1]
    rows = [row.split("\t")[1].split() for row in (folder / manifest["files"]["semantic_ids"]).read_text().splitlines()]
    loop = Loop(folder, manifest, np.array(rows, dtype=np.int64))
    sequences = (options.data / "sequences.tsv").read_text().splitlines()
    chosen = np.random.default_rng(1).choice(len(sequences), options.requests * options.blocks, replace=False)
    histories = [[int(i) for i in sequences[r].split("\t")[1].split()][:-1] for r in chosen]
    servers = {"stepwise": serve(options, "stepwise", options.port), "fused": serve(options, "fused", options.port + 1)}
    try:
        os.sched_setaffinity(0, {CLIENT_CORE})
        sides = {
            name: Served(options.bundle, 1, ids, f"127.0.0.1:{options.port + number}", process.pid)
            for number, (name, process) in enumerate(servers.items())
        }
        print(f"{options.bundle}, {len(ids):,} items, {options.blocks} blocks of {options.requests} requests, onnxruntime "
              f"{onnxruntime.__version__} in the loop, load before {os.getloadavg()[0]:.1f}")
        warm = (histories * (1 + options.warm // len(histories)))[: options.warm]
        print(f"{'beam':>4} {'at once':>7} {'side':<9} {'requests/s':>10} {'cpu ms':>7} {'of the loop':>12} blocks")
        for beam in options.beams:
            for side in sides.values():
                side.run(warm, beam, 8)
            loop.run(histories[:64], beam, 8)
            for in_flight, batch in ((1, 1), (16, 8)):
                timed = {name: [] for name in (*sides, "loop")}
                for at in range(0, len(histories), options.requests):
                    part = histories[at : at + options.requests]
                    for name, side in sides.items():
                        timed[name].append(side.run(part, beam, in_flight))
                    timed["loop"].append(on_core(SERVER_CORE, lambda: loop.run(part, beam, batch)))
                for name, blocks in timed.items():
                    each = [block.processor / len(block.each) for block in blocks]
                    share = [other.processor / len(other.each) / own for other, own in zip(timed["loop"], each)]
                    rate = np.median([block.rate() for block in blocks])
                    print(f"{beam:>4} {in_flight:>7} {name:<9} {rate:>10.1f} {1e3 * np.median(each):>7.2f} "
                          f"{np.median(share):>12.2f} {min(share):.2f} to {max(share):.2f}")
                answers = {name: [answer for block in blocks for answer in block.answers] for name, blocks in timed.items()}
                for name in ("stepwise", "loop"):
                    verdicts = [same(a, b) for a, b in zip(answers["fused"], answers[name])]
                    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ("equal", "close", "different"))
                    print(f"{beam:>4} {in_flight:>7} answers, fused and {name}: {counts}")
    finally:
        for process in servers.values():
            process.terminate()
        for process in servers.values():
            process.wait(timeout=60)


if __name__ == "__main__":
    main()
