"""Writes bundles: models in Triton's layout, files, bundle.yaml with the checksum of each."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from .data import Folder


@dataclass(frozen=True)
class Repository:
    """A model repository that is being written, and what its bundles say of their data."""

    root: Path
    data_name: str
    fingerprint: str
    data_licence: str
    licence: str = "Apache-2.0"
    version: int = 1

    @staticmethod
    def of(root: Path, folder: Folder, name: str, data_licence: str, version: int = 1):
        return Repository(root, name, folder.fingerprint, data_licence, version=version)


def sha256(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


class Writer:
    """One bundle version; nothing is visible under its name until `finish`."""

    def __init__(self, repository: Repository, name: str, system: str, shape: str):
        self.repository, self.name = repository, name
        self.manifest = {
            "name": name,
            "version": repository.version,
            "system": system,
            "shape": shape,
            "data": {
                "name": repository.data_name,
                "fingerprint": repository.fingerprint,
                "licence": repository.data_licence,
            },
            "licence": repository.licence,
            "models": {},
            "files": {},
            "parameters": {},
            "metrics": {},
            "checksums": {},
        }
        self.folder = repository.root / "bundles" / name / str(repository.version)
        self.draft = self.folder.with_name(f".{self.folder.name}.draft")
        shutil.rmtree(self.draft, ignore_errors=True)
        self.draft.mkdir(parents=True)

    def file(self, part: str, name: str) -> Path:
        """Path to write the file of this part to."""
        self.manifest["files"][part] = name
        return self.draft / name

    def lines(self, part: str, name: str, lines) -> None:
        with self.file(part, name).open("w", encoding="utf-8", newline="\n") as out:
            for line in lines:
                out.write(line + "\n")

    def array(self, part: str, name: str, values: np.ndarray) -> None:
        """NumPy format 1.0, C order, little-endian."""
        values = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<")))
        with self.file(part, name).open("wb") as out:
            np.lib.format.write_array(out, values, version=(1, 0), allow_pickle=False)

    def examples(self, part: str, name: str, rows) -> None:
        with gzip.GzipFile(self.file(part, name), "wb", mtime=0) as out:
            for row in rows:
                out.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")

    def parameters(self, **values) -> None:
        self.manifest["parameters"].update(values)

    def metrics(self, prefix: str, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            if "@" in name:
                self.manifest["metrics"][f"{prefix}.{name}"] = round(float(value), 6)

    def finish(self) -> str:
        """Writes bundle.yaml, moves the bundle into place, returns `name@version`."""
        for file in self.manifest["files"].values():
            self.manifest["checksums"][file] = sha256(self.draft / file)
        self.manifest["checksums"] = dict(sorted(self.manifest["checksums"].items()))
        kept = {key: value for key, value in self.manifest.items() if value not in ({}, [])}
        with (self.draft / "bundle.yaml").open("w", encoding="utf-8") as out:
            yaml.safe_dump(kept, out, sort_keys=False, allow_unicode=True, width=100)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.draft.rename(self.folder)
        return f"{self.name}@{self.manifest['version']}"


def reopened(root: Path, name: str, version: int) -> Writer:
    """A writer over a bundle that is there, to add to it."""
    folder = root / "bundles" / name / str(version)
    manifest = yaml.safe_load((folder / "bundle.yaml").read_text("utf-8"))
    data = manifest["data"]
    repository = Repository(root, data["name"], data["fingerprint"], data["licence"], manifest["licence"], version)
    writer = Writer(repository, name, manifest["system"], manifest["shape"])
    writer.manifest = {**writer.manifest, **manifest}
    for file in manifest["files"].values():
        shutil.copyfile(folder / file, writer.draft / file)
    return writer
