"""Which codes a new item gets: how the servers turn `assign`'s vectors into semantic ids, in Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .export import session

LISTED = 8  # last codes that are listed for a prefix: enough for so many new items before distance decides

class Prefixes:
    """The prefixes of a bundle's items, and the codes that go on from each."""

    def __init__(self, codes: np.ndarray):
        self.codes = codes
        self.children: dict[tuple[int, ...], np.ndarray] = {}
        for level in range(codes.shape[1]):
            pairs = np.unique(codes[:, : level + 1], axis=0)
            starts = np.flatnonzero(np.r_[True, (np.diff(pairs[:, :-1], axis=0) != 0).any(1)])
            for group in np.split(pairs, starts[1:]):
                self.children[tuple(group[0, :-1].tolist())] = group[:, -1]

    def whole(self) -> list[tuple[int, ...]]:
        """Those that only the last code is missing of, in order."""
        return sorted(prefix for prefix in self.children if len(prefix) == self.codes.shape[1] - 1)

    def nearest(self, vectors: np.ndarray, books: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Prefixes [n, L − 1] by residual distance, and by how much each choice won over the next at least [n]."""
        found = np.zeros((len(vectors), books.shape[0] - 1), dtype=np.int64)
        margin = np.full(len(vectors), np.inf)
        for row, vector in enumerate(vectors):
            left, prefix = vector.astype(np.float32), ()
            for book in books[:-1]:
                children = self.children[prefix]
                far = ((book[children] - left) ** 2).sum(1)
                order = np.argsort(far, kind="stable")
                if len(order) > 1:
                    margin[row] = min(margin[row], far[order[1]] - far[order[0]])
                prefix += (int(children[order[0]]),)
                left = left - book[prefix[-1]]
            found[row] = prefix
        return found, margin


class LastCodes:
    """Gives items of one prefix different last codes, without moving those that have one."""

    def __init__(self, prefixes: Prefixes, listed: dict[tuple[int, ...], list[int]], books: np.ndarray):
        self.taken = {prefix: set(prefixes.children[prefix].tolist()) for prefix in prefixes.whole()}
        self.listed, self.books = listed, books

    def take(self, prefix: tuple[int, ...], vector: np.ndarray) -> int:
        """The first listed code that is free, else the nearest free one, else the nearest."""
        left = vector.astype(np.float32) - sum(book[code] for book, code in zip(self.books, prefix))
        near = np.argsort(((self.books[-1] - left) ** 2).sum(1), kind="stable").tolist()
        taken = self.taken[prefix]
        code = next((c for c in [*self.listed.get(prefix, []), *near] if c not in taken), near[0])
        taken.add(code)
        return code


def willing(root: Path, manifest: dict, prefixes: Prefixes, histories: np.ndarray) -> dict[tuple[int, ...], list[int]]:
    """By prefix, the last codes that no item has and that the decoder would write most readily.

    A last code says little of an item, but the decoder has learnt to write after a prefix only what it saw there:
    among 256 codes that are all free, its probabilities differ by e⁴ and more. `histories` are item indices [U, N].
    """
    models, levels = manifest["models"], prefixes.codes.shape[1]
    parts = ["prefill", *(f"step{level}" for level in range(1, levels))]
    prefill, *steps = (session(root / "models" / models[part] / "1" / "model.onnx") for part in parts)
    written = np.where(histories[..., None] >= 0, prefixes.codes[histories.clip(min=0)], -1)
    outputs = [port.name for port in prefill.get_outputs()]
    state = dict(zip(outputs, prefill.run(None, {"history": written.astype(np.int64)})))
    state.pop("log_probs")
    listed, wanted = {}, prefixes.whole()
    for start in range(0, len(wanted), 32):
        part = np.array(wanted[start : start + 32], dtype=np.int64).reshape(-1, levels - 1)
        cache = []
        for level, step in enumerate(steps):
            code = np.broadcast_to(part[None, :, level], (len(histories), len(part)))
            feed = {**state, "code": np.ascontiguousarray(code)}
            if level:
                feed["beam_cache"] = np.concatenate(cache, 2)
            found = dict(zip([port.name for port in step.get_outputs()], step.run(None, feed)))
            cache.append(found.get("beam_new"))
        chances = np.exp(found["log_probs"]).mean(0)
        for prefix, row in zip(wanted[start : start + 32], chances):
            taken = set(prefixes.children[prefix].tolist())
            listed[prefix] = [c for c in np.argsort(-row, kind="stable").tolist() if c not in taken][:LISTED]
    return listed
