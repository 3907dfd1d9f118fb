"""Adds the fused graphs to a bundle that has `prefill` and steps."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
import yaml

from . import bundle, export, fused, quantised

PRECISIONS = {"fp32": lambda model: model, "int8": quantised.int8}


def templates(root: Path, name: str, version: int, live: bool, precision: str = "fp32") -> onnx.ModelProto:
    """The fused graph of a bundle's own step graphs, its trie as inputs."""
    manifest = yaml.safe_load((root / "bundles" / name / str(version) / "bundle.yaml").read_text())
    models, levels = manifest["models"], manifest["parameters"]["levels"]
    parts = ["prefill", *(f"step{level}" for level in range(1, levels))]
    prefill, *steps = (onnx.load(str(root / "models" / models[part] / "1" / "model.onnx")) for part in parts)
    return PRECISIONS[precision](fused.fuse(prefill, steps, live))


def add(root: Path, name: str, version: int, precision: str) -> list[str]:
    """Writes `fused` and `fused_live` beside a bundle's models and names them in its bundle.yaml."""
    manifest_file = root / "bundles" / name / str(version) / "bundle.yaml"
    manifest = yaml.safe_load(manifest_file.read_text())
    suffix = "" if version == 1 else f"-v{version}"
    written = []
    for part, live in (("fused", False), ("fused_live", True)):
        model_name = f"{name}{suffix}-{part.replace('_', '-')}"
        folder = root / "models" / model_name
        (folder / "1").mkdir(parents=True, exist_ok=True)
        path = folder / "1" / "model.onnx"
        onnx.save(templates(root, name, version, live, precision), str(path))
        (folder / "config.pbtxt").write_text(export.config(model_name, _ports(manifest["parameters"], live)), "utf-8")
        manifest["models"][part] = model_name
        for file in (path, folder / "config.pbtxt"):
            manifest["checksums"][str(file.relative_to(root))] = bundle.sha256(file)
        written.append(model_name)
    manifest["parameters"]["fused_precision"] = precision
    manifest["checksums"] = dict(sorted(manifest["checksums"].items()))
    manifest_file.write_text(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=100), "utf-8")
    return written


def _ports(parameters: dict, live: bool) -> export.Exported:
    """What a request carries: the trie is no part of it, but constants of the snapshot's model."""
    levels, beam = parameters["levels"], parameters["beam"]
    ports = [export.Port("history", torch.int64, (-1, levels)), export.Port("beams", torch.int64, (-1,))]
    results = [
        export.Port("scores", torch.float32, (-1,)),
        export.Port("codes", torch.int64, (-1, levels)),
        export.Port("node", torch.int64, (-1,)),
        export.Port("item", torch.int64, (-1,)),
    ]
    if live:
        ports.append(export.Port("filter", torch.int64, (-1,)))
        ports += [export.Port(name, torch.int64, (levels, -1)) for name in fused.DELTA]
        ports.append(export.Port("delta_item", torch.int64, (-1,)))
        results.append(export.Port("delta", torch.int64, (-1,)))
    # A live graph's filter is as long as the catalogue, which a template does not know: no warm-up.
    sizes = [] if live else parameters["history_sizes"]
    warm = [{"history": (events, levels), "beams": (beam,)} for events in sizes]
    return export.Exported(ports, results, warm=warm)
