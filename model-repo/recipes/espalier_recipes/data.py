"""Data folders: a catalogue of items, sequences of users, and their leave-one-out split."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Item:
    """One line of the items file; what a folder does not say is empty."""

    id: str
    title: str = ""
    brand: str = ""
    category: tuple[str, ...] = ()
    description: str = ""

    def text(self) -> str:
        parts = (self.title, self.brand, " ".join(self.category[-2:]))
        return ". ".join(part for part in parts if part)


@dataclass(frozen=True)
class Folder:
    """A data folder: items in order, and the sequence of item numbers of each user."""

    path: Path
    items: tuple[Item, ...]
    users: tuple[str, ...]
    sequences: tuple[np.ndarray, ...]
    fingerprint: str

    def split(self) -> "Split":
        return Split.leave_one_out(len(self.items), self.sequences)

    def events(self) -> str:
        """Names what the users did, so that a checkpoint of other sequences is not taken up."""
        digest = hashlib.sha256()
        for sequence in self.sequences:
            digest.update(np.asarray(sequence, dtype=np.int64).tobytes() + b"\n")
        return digest.hexdigest()


def _object(line: str, where: str) -> dict:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as wrong:
        raise ValueError(f"{where}: {wrong} (expected: one JSON object a line)") from None
    if not isinstance(found, dict):
        raise ValueError(f"{where}: {line.strip()[:60]} (expected: a JSON object)")
    return found


def _item(line: dict, where: str) -> Item:
    external = next((line[key] for key in ("asin", "id", "item") if key in line), None)
    if external is None:
        raise ValueError(f"{where}: no id (expected: one of asin, id, item)")
    category = line.get("category") or ()
    if isinstance(category, str):
        category = tuple(part.strip() for part in category.replace(">", "/").split("/"))
    return Item(
        id=str(external),
        title=str(line.get("title") or ""),
        brand=str(line.get("brand") or ""),
        category=tuple(str(part) for part in category if part),
        description=str(line.get("description") or ""),
    )


def items_file(folder: Path) -> Path | None:
    return next(
        (folder / name for name in ("items.jsonl", "products.jsonl") if (folder / name).exists()),
        None,
    )


def fingerprint(ids: list[str]) -> str:
    digest = hashlib.sha256()
    for external in ids:
        digest.update(external.encode() + b"\n")
    return "sha256:" + digest.hexdigest()


def load(folder: Path) -> Folder:
    source = items_file(folder)
    if source is None:
        raise FileNotFoundError(f"{folder}: no items (expected: items.jsonl or products.jsonl)")
    items = []
    with source.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                items.append(_item(_object(line, f"{source}:{number}"), f"{source}:{number}"))
    users, sequences = [], []
    path = folder / "sequences.tsv"
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                user, _, rest = line.rstrip("\n").partition("\t")
                try:
                    sequence = np.array(rest.split(), dtype=np.int64)
                except ValueError:
                    raise ValueError(
                        f"{path}:{number}: {rest[:60]!r} (expected: item numbers)"
                    ) from None
                if len(sequence) == 0:
                    continue
                if sequence.min() < 0 or sequence.max() >= len(items):
                    bad = sequence[(sequence < 0) | (sequence >= len(items))][0]
                    raise ValueError(
                        f"{path}:{number}: item {bad} (expected: 0..{len(items) - 1})"
                    )
                users.append(user)
                sequences.append(sequence)
    return Folder(
        path=folder,
        items=tuple(items),
        users=tuple(users),
        sequences=tuple(sequences),
        fingerprint=fingerprint([item.id for item in items]),
    )


@dataclass(frozen=True)
class Cases:
    """Histories (oldest first) and the item that followed each."""

    histories: list[np.ndarray]
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.targets)

    def first(self, count: int) -> "Cases":
        return Cases(self.histories[:count], self.targets[:count])

    def sample(self, count: int, seed: int) -> "Cases":
        if count >= len(self):
            return self
        chosen = np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False))
        return Cases([self.histories[i] for i in chosen], self.targets[chosen])


@dataclass(frozen=True)
class Split:
    """Leave-one-out: the last item is the test target, the one before it the validation target.

    Users of one or two events have nothing to hold out: all they did is training.
    """

    items: int
    train: list[np.ndarray]
    validation: Cases
    test: Cases

    @staticmethod
    def leave_one_out(items: int, sequences) -> "Split":
        train, validation, validation_targets, test, test_targets = [], [], [], [], []
        for sequence in sequences:
            if len(sequence) < 3:
                train.append(sequence)
                continue
            train.append(sequence[:-2])
            validation.append(sequence[:-2])
            validation_targets.append(sequence[-2])
            test.append(sequence[:-1])
            test_targets.append(sequence[-1])
        return Split(
            items,
            train,
            Cases(validation, np.array(validation_targets, dtype=np.int64)),
            Cases(test, np.array(test_targets, dtype=np.int64)),
        )

    def counts(self) -> np.ndarray:
        flat = np.concatenate(self.train) if self.train else np.zeros(0, dtype=np.int64)
        return np.bincount(flat, minlength=self.items)


@dataclass(frozen=True)
class Batch:
    """Right-padded windows: inputs and targets [B, T], −1 where there is nothing to learn."""

    inputs: np.ndarray
    targets: np.ndarray


class Windows:
    """Training windows of at most N events, in batches of windows of about the same length.

    A sequence longer than N is cut into windows that overlap by half; the overlap is context, so
    every transition is a target exactly once.
    """

    def __init__(self, sequences, history: int, tokens: int = 2048):
        self.tokens = tokens
        self.windows: list[tuple[np.ndarray, np.ndarray]] = []
        for sequence in sequences:
            inputs, targets = sequence[:-1], sequence[1:]
            end = 0
            while end < len(inputs):
                start = max(0, end - history // 2)
                stop = min(len(inputs), start + history)
                wanted = targets[start:stop].copy()
                wanted[: end - start] = -1
                self.windows.append((inputs[start:stop], wanted))
                end = stop
        self.lengths = np.array([len(window[0]) for window in self.windows], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.windows)

    def transitions(self) -> int:
        return int(sum((targets >= 0).sum() for _, targets in self.windows))

    def epoch(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Batches of window numbers; lengths jitter a little so that neighbours change."""
        order = np.argsort(self.lengths + rng.random(len(self.lengths)) * 1.5, kind="stable")
        batches, start = [], 0
        while start < len(order):
            stop, longest = start, 0
            while stop < len(order):
                longest = max(longest, self.lengths[order[stop]])
                if stop > start and longest * (stop - start + 1) > self.tokens:
                    break
                stop += 1
            batches.append(order[start:stop])
            start = stop
        rng.shuffle(batches)
        return batches

    def batch(self, numbers: np.ndarray) -> Batch:
        longest = int(self.lengths[numbers].max())
        inputs = np.full((len(numbers), longest), -1, dtype=np.int64)
        targets = np.full((len(numbers), longest), -1, dtype=np.int64)
        for row, number in enumerate(numbers):
            window_inputs, window_targets = self.windows[number]
            inputs[row, : len(window_inputs)] = window_inputs
            targets[row, : len(window_targets)] = window_targets
        return Batch(inputs, targets)


def left_padded(histories, history: int) -> np.ndarray:
    """The served form: [B, N], the most recent event last, −1 before the first."""
    padded = np.full((len(histories), history), -1, dtype=np.int64)
    for row, sequence in enumerate(histories):
        recent = sequence[-history:]
        if len(recent):
            padded[row, history - len(recent) :] = recent
    return padded


def by_length(histories, history: int, tokens: int = 16384):
    """Numbers of histories in batches of similar length, for evaluation."""
    lengths = np.array([min(len(sequence), history) for sequence in histories], dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = min(len(order), start + max(1, tokens // max(1, int(lengths[order[start]]))))
        while stop > start + 1 and (stop - start) * lengths[order[stop - 1]] > tokens:
            stop -= 1
        yield order[start:stop]
        start = stop
