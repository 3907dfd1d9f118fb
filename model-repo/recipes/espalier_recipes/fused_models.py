"""Adds the fused graph to a bundle that has `prefill` and steps."""

from __future__ import annotations

import shutil
from pathlib import Path

import onnx
import torch
import yaml

from . import bundle, export, fused, quantised

PRECISIONS = {"fp32": lambda model: model, "int8": quantised.int8}
SERVED = ("history", "history_sizes", "levels", "codes", "cache_width", "beam")


def templates(root: Path, name: str, version: int, live: bool, precision: str = "fp32") -> onnx.ModelProto:
    """The fused graph of a bundle's own step graphs, its trie as inputs."""
    manifest = yaml.safe_load((root / "bundles" / name / str(version) / "bundle.yaml").read_text())
    models, levels = manifest["models"], manifest["parameters"]["levels"]
    parts = ["prefill", *(f"step{level}" for level in range(1, levels))]
    prefill, *steps = (onnx.load(str(root / "models" / models[part] / "1" / "model.onnx")) for part in parts)
    return PRECISIONS[precision](fused.fuse(prefill, steps, live))


def add(root: Path, name: str, version: int, precision: str, into: str | None = None) -> Path:
    """Writes `fused_live` into a bundle's folder; with `into`, into a new bundle of the same models and semantic ids.

    A graph that is not fp32 answers otherwise than the bundle's steps: it wants a bundle of its own.
    """
    if (precision != "fp32") != (into is not None):
        raise ValueError(f"precision {precision}, new bundle {into} (expected: a new bundle for all but fp32)")
    source = root / "bundles" / name / str(version)
    manifest = yaml.safe_load((source / "bundle.yaml").read_text())
    folder = source
    if into:
        folder = root / "bundles" / into / "1"
        folder.mkdir(parents=True)
        kept = {part: manifest["files"][part] for part in ("items", "semantic_ids")}
        for file in kept.values():
            shutil.copyfile(source / file, folder / file)
        parameters = {key: value for key, value in manifest["parameters"].items() if key in SERVED}
        sums = {file: s for file, s in manifest["checksums"].items() if "/" in file or file in kept.values()}
        manifest |= {"name": into, "version": 1, "files": kept, "parameters": parameters, "metrics": {}, "checksums": sums}
    onnx.save(templates(root, name, version, True, precision), str(folder / "fused_live.onnx"))
    (folder / "fused_live.pbtxt").write_text(_config(manifest["parameters"]), "utf-8")
    manifest["files"] |= {"fused_live": "fused_live.onnx", "fused_live_config": "fused_live.pbtxt"}
    for file in ("fused_live.onnx", "fused_live.pbtxt"):
        manifest["checksums"][file] = bundle.sha256(folder / file)
    manifest["parameters"] |= {"precision": precision} | ({"decode": "fused"} if into else {})
    manifest["checksums"] = dict(sorted(manifest["checksums"].items()))
    text = yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=100)
    (folder / "bundle.yaml").write_text(text, "utf-8")
    return folder


def _config(parameters: dict) -> str:
    """What a request carries: the trie is no part of it, but constants of the snapshot's model, which names itself."""
    levels = parameters["levels"]
    ports = [
        export.Port("history", torch.int64, (-1, levels)),
        export.Port("beams", torch.int64, (-1,)),
        export.Port("filter", torch.int64, (-1,)),
        *(export.Port(name, torch.int64, (levels, -1)) for name in fused.DELTA),
        export.Port("delta_item", torch.int64, (-1,)),
    ]
    results = [
        export.Port("scores", torch.float32, (-1,)),
        export.Port("codes", torch.int64, (-1, levels)),
        export.Port("node", torch.int64, (-1,)),
        export.Port("item", torch.int64, (-1,)),
        export.Port("delta", torch.int64, (-1,)),
    ]
    # A filter is as long as the catalogue, which is not known here: the server adds the warm-ups.
    named = export.config("", export.Exported(ports, results, warm=[]))
    return named.split("\n", 1)[1]
