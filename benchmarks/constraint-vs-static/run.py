"""What a constraint costs: this project's trie and search beside STATIC's own code (JAX on the CPU).

Whole constrained decodes of a random model, as STATIC's benchmark does: both sides on one core, in turn, in blocks.
`random` draws logits at each step and takes their log-softmax; with `given` both are there before (XLA does the softmax of
a constant once), which leaves the constraint and the search.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHAPES = {  # items, levels, codes, beams, requests a decode
    "1M 4x256 beam 50": (1_000_000, 4, 256, 50, 1),
    "1M 8x2048 beam 50": (1_000_000, 8, 2048, 50, 1),
    "1M 8x2048 beam 70 x2": (1_000_000, 8, 2048, 70, 2),
    "20M 8x2048 beam 70": (20_000_000, 8, 2048, 70, 1),
    "10k 8x2048 beam 70": (10_000, 8, 2048, 70, 1),
    "10k 4x256 beam 50": (10_000, 4, 256, 50, 1),
}
TOKENS_PER_BEAM = 30  # STATIC's own setting: it looks at so many continuations of a beam in its dense levels


class Ours:
    def __init__(self, shape, model: str, core: int):
        java = subprocess.check_output([ROOT / "espalier", "jdk-home"], text=True).strip() + "/bin/java"
        classpath = (ROOT / "benchmarks/target/classpath").read_text().strip()
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), java, "-XX:+UseSerialGC", "--add-modules", "jdk.incubator.vector", "-Xms6g", "-Xmx6g", "-cp",
             f"{ROOT}/benchmarks/target/classes:{classpath}", "io.espalier.retrieval.ConstrainedDecode",
             *map(str, shape), model],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        _, seconds, ids, items = self.process.stdout.readline().split()
        self.build, self.bytes, self.item_bytes = float(seconds), int(ids), int(items)

    def decode(self, times: int) -> list[float]:
        self.process.stdin.write(f"{times}\n")
        self.process.stdin.flush()
        *milliseconds, missing = self.process.stdout.readline().split()
        if int(missing):
            raise SystemExit(f"{missing} beams ended in nothing")
        return [float(value) for value in milliseconds]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Static:
    def __init__(self, shape, model: str):
        import gc

        import jax
        import jax.numpy as jnp
        import numpy as np
        from static_decoding.csr_utils import build_static_index
        from static_decoding.decoding_jax import RandomModel, sparse_transition_jax

        items, self.levels, self.codes, self.beams, self.requests = shape
        ids = np.random.default_rng(1).integers(0, self.codes, (items, self.levels), dtype=np.int32)
        start = time.perf_counter()
        ids = ids[np.lexsort([ids[:, d] for d in range(self.levels - 1, -1, -1)])]
        self.sort = time.perf_counter() - start
        seconds = []
        for _ in range(1 if items > 5_000_000 else 3):
            start = time.perf_counter()
            index = build_static_index(ids, self.codes, dense_lookup_layers=2)
            seconds.append(time.perf_counter() - start)
        self.build = min(seconds)
        csr, indptr, self.branches, start_mask, dense_mask, dense_states = index
        self.arrays = [jnp.array(a) for a in (csr, indptr, start_mask, dense_mask, dense_states)]
        self.bytes = sum(a.nbytes for a in self.arrays)
        del ids, index, csr, indptr
        gc.collect()
        if model == "random":
            self.model = RandomModel(self.codes)
        else:
            rows = self.beams * self.requests
            logits = jnp.array(np.random.default_rng(2).random((rows, 1, self.codes), dtype=np.float32))

            class Given:
                def __call__(self, input_ids, key):
                    return logits[: input_ids.shape[0]], key

            self.model = Given()
        self.jax, self.run = jax, sparse_transition_jax
        self.decode(2)

    def decode(self, times: int) -> list[float]:
        csr, indptr, start_mask, dense_mask, dense_states = self.arrays
        milliseconds = []
        for number in range(times):
            start = time.perf_counter()
            self.run(
                self.model, self.jax.random.key(number), self.requests, self.beams, TOKENS_PER_BEAM, 0, self.levels,
                self.codes, self.branches, csr, indptr, start_mask, dense_mask, dense_states, d_dense=2,
            ).block_until_ready()
            milliseconds.append((time.perf_counter() - start) * 1e3)
        return milliseconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--static", type=Path, help="a checkout of youtube/static-constraint-decoding; without it, ours alone")
    parser.add_argument("--shapes", nargs="*", default=list(SHAPES), help=f"of {list(SHAPES)}")
    parser.add_argument("--models", nargs="*", default=["random", "given"])
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--warm", type=float, default=30, help="seconds, for our side")
    parser.add_argument("--core", type=int, default=1)
    options = parser.parse_args()
    if options.static:
        sys.path.insert(0, str(options.static))
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
        os.environ["JAX_PLATFORMS"] = "cpu"
        os.sched_setaffinity(0, {options.core})
    print("| shape | model | side | ms a decode (median of blocks; spread) | bytes an item | build s |")
    print("|---|---|---|---:|---:|---:|")
    for name in options.shapes:
        shape = SHAPES[name]
        for model in options.models:
            ours = Ours(shape, model, options.core)
            theirs = Static(shape, model) if options.static else None
            start = time.perf_counter()
            while time.perf_counter() - start < options.warm:  # the compiler settles late: it shares the core
                ours.decode(100)
            blocks = []
            for _ in range(options.blocks):
                mine = statistics.median(ours.decode(options.times))
                peer = statistics.median(theirs.decode(options.times)) if theirs else float("nan")
                blocks.append((mine, peer))
            ours.close()
            for side, column, index in (("Espalier", 0, ours), ("STATIC", 1, theirs)):
                if index is None:
                    continue
                times = sorted(block[column] for block in blocks)
                print(
                    f"| {name} | {model} | {side} | {statistics.median(times):.3f} ({times[0]:.3f} to {times[-1]:.3f}) "
                    f"| {index.bytes / shape[0]:.1f} | {index.build:.3f} |",
                    flush=True,
                )
            if theirs:
                print(f"| {name} | {model} | STATIC's sort before its build | | | {theirs.sort:.3f} |", flush=True)
            if theirs:
                ratios = sorted(mine / peer for mine, peer in blocks)
                print(
                    f"| {name} | {model} | ratio | {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}) "
                    f"| {ours.bytes / theirs.bytes:.3f} | {ours.build / theirs.build:.3f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
