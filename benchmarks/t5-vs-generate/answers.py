"""Whether a retrieval server's answers are those of Hugging Face `generate`: scores to 1e-4, items in order but for near ties.

    PYTHONPATH=model-repo/recipes python benchmarks/t5-vs-generate/answers.py --folder DIR --target 127.0.0.1:PORT

DIR is what `prepare.py` made, the server what `served.sh` starts. Of the bundle in int8, which `generate` does not have, it
prints the share of fp32's beams that it returns.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from graphs import Generate

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tiger-vs-generate"))
from run import Served, same  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--beams", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--requests", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    codes, histories = np.load(options.folder / "codes.npy"), np.load(options.folder / "histories.npy")[: options.requests]
    at_path = defaultdict(list)
    for item, path in enumerate(map(tuple, codes.tolist())):
        at_path[path].append(item)
    generate = Generate(options.folder / "model-repo/bundles/t5/1", codes)
    names = [f"i{item}" for item in range(len(codes))]
    sides = {name: Served(name, 1, names, options.target, os.getpid(), bar_seen=False) for name in ("t5", "t5-int8")}
    for beam in options.beams:
        scores, paths = generate(codes[histories], beam)
        expected = [
            [(item, score) for path, score in zip(map(tuple, found), row) for item in at_path[path]][:beam]
            for found, row in zip(paths.tolist(), scores.tolist())
        ]
        answers = {name: side.run(histories.tolist(), beam, 4).answers for name, side in sides.items()}
        verdicts = [same(a, b) for a, b in zip(answers["t5"], expected)]
        shared = [len({i for i, _ in a} & {i for i, _ in b}) / len(b) for a, b in zip(answers["t5-int8"], expected)]
        print(f"{len(codes):,} items, {beam} beams, {len(verdicts)} answers: {verdicts.count('equal')} equal, {verdicts.count('close')} equal "
              f"but for near ties, {verdicts.count('different')} different; int8 shares {100 * np.mean(shared):.1f}% of the beams")


if __name__ == "__main__":
    main()
