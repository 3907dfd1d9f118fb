"""Makes a catalogue, a bundle in T5's shape and histories, for the served side and the peer alike.

    PYTHONPATH=model-repo/recipes python benchmarks/t5-vs-generate/prepare.py --folder DIR [--items 12000]

DIR/data is a data folder, DIR/model-repo holds the bundles `t5` (fp32) and `t5-int8` of the same weights, each with its fused
graph; users' sequences are the requests, `histories.npy` the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from espalier_recipes import bundle, fused_models, tiger_t5
from espalier_recipes.data import load
from graphs import CODES, LEVELS

# A retrieval server serves the sources of its catalogue's routes.
ROUTE = """\
name: t5-feed
kind: feed
default: true
mask_seen: true
sources:
- {bundle: t5@1, k: 50}
- {bundle: t5-int8@1, k: 50}
merge: {method: rrf}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--items", type=int, default=12_000)
    parser.add_argument("--requests", type=int, default=2_000)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    codes = rng.integers(0, CODES, (options.items, LEVELS))
    data, root = options.folder / "data", options.folder / "model-repo"
    data.mkdir(parents=True)
    with (data / "items.jsonl").open("w") as out:
        out.writelines(f'{{"item": {i}, "id": "i{i}", "title": "item {i}"}}\n' for i in range(options.items))
    history = tiger_t5.Shape().history
    histories = rng.integers(0, options.items, (options.requests, history))
    with (data / "sequences.tsv").open("w") as out:
        out.writelines(f"u{u}\t{' '.join(map(str, row))}\n" for u, row in enumerate(histories.tolist()))
    repository = bundle.Repository.of(root, load(data), "random", "made up")
    tiger_t5.write_random(repository, "t5", codes, CODES)
    fused_models.add(root, "t5", 1, "fp32")
    fused_models.add(root, "t5", 1, "int8", into="t5-int8")
    (root / "routes").mkdir()
    (root / "routes/t5-feed.yaml").write_text(ROUTE)
    np.save(options.folder / "codes.npy", codes)
    np.save(options.folder / "histories.npy", histories)


if __name__ == "__main__":
    main()
