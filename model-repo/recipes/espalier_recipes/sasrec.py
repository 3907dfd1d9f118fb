"""SASRec (2018) with item features: the teacher of ids, tables and lists for the other recipes.

Trained on training interactions alone with the softmax over the whole catalogue. An item's
vector is the sum of its id embedding, which is dropped now and then so that rare items lean on
what is known of them, and projections of its text, brand and category.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import layers, metrics, softmax, trainer
from .data import Cases, Split, Windows, by_length
from .features import Features


@dataclass(frozen=True)
class Shape:
    history: int = 50
    width: int = 64
    layers: int = 2
    heads: int = 2
    inner: int = 128
    dropout: float = 0.5
    id_dropout: float = 0.1
    features: bool = True


class ItemTower(nn.Module):
    """All items' vectors [n, width]."""

    def __init__(self, features: Features, width: int, id_dropout: float, use: bool = True):
        super().__init__()
        self.ids = nn.Embedding(len(features.text), width)
        nn.init.normal_(self.ids.weight, std=0.02)
        self.use, self.id_dropout = use, id_dropout
        if use:
            self.register_buffer("text", torch.from_numpy(features.text), persistent=False)
            self.project = nn.Linear(features.text.shape[1], width, bias=False)
            nn.init.normal_(self.project.weight, std=0.02 / features.text.shape[1] ** 0.5 * 2)
            self.tables = nn.ModuleList()
            for name, size in (
                ("brand", features.brands),
                ("category", features.categories),
                ("department", features.departments),
            ):
                table = nn.Embedding(size + 1, width, padding_idx=0)
                nn.init.normal_(table.weight, std=0.02)
                with torch.no_grad():
                    table.weight[0] = 0
                self.tables.append(table)
                index = torch.from_numpy(getattr(features, name) + 1)
                self.register_buffer(name, index, persistent=False)

    def forward(self) -> torch.Tensor:
        vectors = self.ids.weight
        if not self.use:
            return vectors
        if self.training and self.id_dropout:
            keep = (torch.rand(len(vectors), 1) >= self.id_dropout).to(vectors.dtype)
            vectors = vectors * keep
        vectors = vectors + self.project(self.text)
        for table, index in zip(self.tables, (self.brand, self.category, self.department)):
            vectors = vectors + table(index)
        return vectors


class SASRec(nn.Module):
    def __init__(self, features: Features, shape: Shape):
        super().__init__()
        self.shape = shape
        self.tower = ItemTower(features, shape.width, shape.id_dropout, shape.features)
        self.bias = nn.Parameter(torch.zeros(len(features.text)))
        self.enter = layers.RMSNorm(shape.width)
        self.decoder = layers.Decoder(
            shape.width, shape.layers, shape.heads, shape.inner, shape.dropout
        )

    def hidden(self, items: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        """Right-padded item indices [B, T] to user vectors [B, T, width]."""
        x = self.enter(F.embedding(items.clamp(min=0), table))
        x = F.dropout(x, self.shape.dropout, self.training)
        length = items.shape[1]
        return self.decoder(x, torch.arange(length), layers.causal(length))


def loss(model: SASRec, batch) -> torch.Tensor:
    inputs, targets = torch.from_numpy(batch.inputs), torch.from_numpy(batch.targets)
    table = model.tower()
    hidden = model.hidden(inputs, table)
    wanted = targets >= 0
    return softmax.whole(hidden[wanted], table, model.bias, targets[wanted])


@torch.no_grad()
def users(model: SASRec, histories, table: torch.Tensor | None = None) -> torch.Tensor:
    """User vectors [n, width] after each whole history; zeros for an empty one."""
    table = model.tower() if table is None else table
    found = torch.zeros(len(histories), model.shape.width)
    history = model.shape.history
    for numbers in by_length(histories, history):
        rows = [histories[i][-history:] for i in numbers]
        longest = max(1, max(len(row) for row in rows))
        padded = np.full((len(rows), longest), -1, dtype=np.int64)
        for number, row in enumerate(rows):
            padded[number, : len(row)] = row
        hidden = model.hidden(torch.from_numpy(padded), table)
        last = torch.tensor([len(row) - 1 for row in rows])
        vectors = hidden[torch.arange(len(rows)), last.clamp(min=0)]
        vectors[last < 0] = 0
        found[torch.from_numpy(numbers)] = vectors
    return found


@torch.no_grad()
def ranks_of(vectors, table, bias, cases: Cases, chunk: int = 512) -> np.ndarray:
    ranks = []
    for start in range(0, len(cases), chunk):
        part = slice(start, start + chunk)
        scores = vectors[part] @ table.t() + bias
        metrics.mask_seen(scores, cases.histories[part])
        ranks.append(metrics.ranks(scores, cases.targets[part]))
    return np.concatenate(ranks) if ranks else np.zeros(0, dtype=np.int64)


def fit(
    split: Split,
    features: Features,
    shape: Shape,
    settings: trainer.Settings,
    work: Path,
    seconds: float,
    key: str,
    judged: int = 6000,
) -> tuple[SASRec, dict[str, float]]:
    torch.manual_seed(settings.seed)
    model = SASRec(features, shape)
    windows = Windows(split.train, shape.history)
    cases = split.validation.sample(judged, seed=1)

    def judge(current: SASRec) -> dict[str, float]:
        table = current.tower()
        vectors = users(current, cases.histories, table)
        return metrics.figures(ranks_of(vectors, table, current.bias, cases))

    best = trainer.train(
        "sasrec",
        model,
        windows_batches(windows),
        loss,
        judge,
        settings,
        work,
        seconds,
        key=trainer.key_of(asdict(shape), key),
    )
    return model, best


def windows_batches(windows: Windows):
    def batches(rng):
        return [windows.batch(numbers) for numbers in windows.epoch(rng)]

    return batches
