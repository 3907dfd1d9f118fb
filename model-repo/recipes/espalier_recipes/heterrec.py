"""HeterRec (2025): items as sets of feature tokens under hierarchical causal transformers.

Each item of the history is four tokens (id, text, brand, category). A token-level causal
transformer reads all of them, what it makes of each item joins that item in an item-level causal
transformer, and several heads predict the items that come 1, 2, … steps later (the paper's LMP loss). The item
tower crosses the same features. A candidate's score is the largest over the heads, which is this
project's choice; the loss therefore also trains that maximum on the next item.

Id vectors and the item-level transformer start from SASRec's, and everything around them starts as
the identity, so that training begins where SASRec ended.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import layers, metrics, sasrec, trainer
from .data import Split, Windows, left_padded
from .features import Features


@dataclass(frozen=True)
class Shape:
    history: int = 20
    width: int = 64
    heads: int = 4
    attention_heads: int = 2
    inner: int = 128
    layers: int = 1  # of the token level
    dropout: float = 0.4
    negatives: int = 384


class HeterRec(nn.Module):
    def __init__(self, shape: Shape, features: Features, table: torch.Tensor, start: sasrec.SASRec):
        super().__init__()
        self.shape = shape
        width = shape.width
        self.register_buffer("text", torch.from_numpy(features.text).half())
        self.register_buffer("brand", torch.from_numpy(features.brand))
        self.register_buffer("category", torch.from_numpy(features.category))
        self.ids = nn.Embedding(len(features.text) + 1, width)
        # Servers warm a model with zeros, so number 0 has a row even where nothing has a brand.
        self.brands = nn.Embedding(max(1, features.brands) + 1, width)
        self.categories = nn.Embedding(max(1, features.categories) + 1, width)
        for embedding in (self.ids, self.brands, self.categories):
            nn.init.normal_(embedding.weight, std=0.02)
        with torch.no_grad():
            self.ids.weight[1:] = table
            self.ids.weight[0] = 0
        self.words = nn.Linear(features.text.shape[1], width)
        self.kinds = nn.Parameter(torch.randn(4, width) * 0.02)
        self.token_norm = layers.RMSNorm(width)
        self.tokens = layers.Decoder(
            width, shape.layers, shape.attention_heads, shape.inner, shape.dropout
        )
        self.join = nn.Linear(width, width, bias=False)
        self.enter = layers.RMSNorm(width)
        self.enter.load_state_dict(start.enter.state_dict())
        own = start.shape
        self.sequence = layers.Decoder(width, own.layers, own.heads, own.inner, shape.dropout)
        self.sequence.load_state_dict(start.decoder.state_dict())
        self.up = nn.Linear(width, shape.heads * width)
        self.out = nn.Parameter(torch.zeros(shape.heads, width, width))
        self.towers = nn.ModuleList(nn.Linear(width, width) for _ in range(4))
        self.cross = nn.Sequential(
            nn.Linear(4 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        with torch.no_grad():
            self.join.weight.zero_()
            self.cross[-1].weight.zero_()
            self.cross[-1].bias.zero_()

    def feature_tokens(self, items, brands, categories, text):
        """Four tokens [..., 4, width]; what is unknown (−1) has an embedding of its own."""
        return torch.stack(
            (
                self.ids(items + 1),
                self.words(text),
                self.brands(brands + 1),
                self.categories(categories + 1),
            ),
            -2,
        )

    def lookup(self, items: torch.Tensor):
        """Features of known items; −1 has none."""
        index = items.clamp(min=0)
        known = items >= 0
        brands = torch.where(known, self.brand[index], -1)
        categories = torch.where(known, self.category[index], -1)
        text = F.embedding(index, self.text).float() * known[..., None]
        return items, brands, categories, text

    def read(self, features, positions, mask, token_positions, token_mask) -> torch.Tensor:
        """Features [B, T, ...] to the heads' vectors [B, T, H, width]."""
        tokens = self.feature_tokens(*features)
        own = self.enter(tokens[..., 0, :])
        read = self.token_norm(tokens + self.kinds)
        read = F.dropout(read, self.shape.dropout, self.training)
        read = self.tokens(read.flatten(1, 2), token_positions, token_mask)
        x = own + self.join(read.unflatten(1, (-1, 4)).mean(2))
        x = F.dropout(x, self.shape.dropout, self.training)
        x = self.sequence(x, positions, mask)
        inner = F.gelu(self.up(x)).unflatten(-1, (self.shape.heads, self.shape.width))
        return x[..., None, :] + torch.einsum("...hd,hde->...he", inner, self.out)

    def hidden(self, items: torch.Tensor) -> torch.Tensor:
        """Right-padded items [B, T]."""
        length = items.shape[1]
        return self.read(
            self.lookup(items),
            torch.arange(length),
            layers.causal(length),
            torch.arange(4 * length),
            layers.causal(4 * length),
        )

    def forward(self, items, brands, categories, text) -> torch.Tensor:
        """The served form: left-padded features [B, T, ...] to users [B, H, width]."""
        some_text = text.abs().sum(-1) > 0
        present = (items >= 0) | (brands >= 0) | (categories >= 0) | some_text
        positions, mask = layers.left_padded_mask(present)
        token_present = present[..., None].expand(-1, -1, 4).flatten(1)
        token_positions, token_mask = layers.left_padded_mask(token_present)
        users = self.read(
            (items, brands, categories, text), positions, mask, token_positions, token_mask
        )
        return users[:, -1]

    def item_vectors(self, items, brands, categories, text) -> torch.Tensor:
        """Item tower: features [...] to vectors [..., width]."""
        tokens = self.feature_tokens(items, brands, categories, text)
        crossed = torch.cat(
            [F.gelu(tower(tokens[..., i, :])) for i, tower in enumerate(self.towers)], -1
        )
        return tokens[..., 0, :] + self.cross(crossed)

    def catalogue(self, items: torch.Tensor | None = None) -> torch.Tensor:
        items = torch.arange(len(self.text)) if items is None else items
        return self.item_vectors(*self.lookup(items))


class ItemModel(nn.Module):
    """The item tower with the inputs of the served model."""

    def __init__(self, model: HeterRec):
        super().__init__()
        self.model = model

    def forward(self, items, brands, categories, text):
        return self.model.item_vectors(items[:, 0], brands[:, 0], categories[:, 0], text)


def loss(model: HeterRec, batch) -> torch.Tensor:
    """The next item by the best head, and the item h + 1 steps on by head h (LMP)."""
    inputs, targets = torch.from_numpy(batch.inputs), torch.from_numpy(batch.targets)
    heads = model.hidden(inputs)
    catalogue = len(model.text)
    negatives = torch.randint(0, catalogue, (min(model.shape.negatives, catalogue),))
    correction = float(np.log(catalogue / len(negatives)))
    other = heads @ model.catalogue(negatives).t() + correction  # [B, T, H, S]
    own = model.catalogue(targets.clamp(min=0))

    def part(users, others, ahead):
        wanted = targets[:, ahead:] >= 0
        if not wanted.any():
            return 0.0
        target = targets[:, ahead:][wanted]
        positive = (users[wanted] * own[:, ahead:][wanted][:, None]).sum(-1).amax(1)
        rest = others[wanted].amax(1).masked_fill(negatives == target[:, None], layers.BLOCKED)
        return (torch.logsumexp(torch.cat((positive[:, None], rest), 1), 1) - positive).mean()

    total = part(heads, other, 0)
    length = targets.shape[1]
    for head in range(min(model.shape.heads, length)):
        users, others = heads[:, : length - head, head, None], other[:, : length - head, head, None]
        total = total + 0.3 * 0.5**head * part(users, others, head)
    return total


@torch.no_grad()
def users(model: HeterRec, histories, batch: int = 256) -> torch.Tensor:
    """Heads' vectors [n, H, width] after each history."""
    found = torch.zeros(len(histories), model.shape.heads, model.shape.width)
    order = np.argsort([len(h) for h in histories], kind="stable")
    for start in range(0, len(order), batch):
        numbers = order[start : start + batch]
        rows = [histories[i] for i in numbers]
        longest = min(model.shape.history, max(1, max(len(row) for row in rows)))
        items = torch.from_numpy(left_padded(rows, longest))
        found[torch.from_numpy(numbers)] = model(*model.lookup(items))
    return found


def scores(users: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """[B, H, d] and [n, d] to [B, n]."""
    return (users.flatten(0, 1) @ vectors.t()).unflatten(0, users.shape[:2]).amax(1)


def ranks_of(model_users, vectors, cases, chunk: int = 256) -> np.ndarray:
    ranks = []
    for start in range(0, len(cases), chunk):
        part = slice(start, start + chunk)
        found = scores(model_users[part], vectors)
        metrics.mask_seen(found, cases.histories[part])
        ranks.append(metrics.ranks(found, cases.targets[part]))
    return np.concatenate(ranks) if ranks else np.zeros(0, dtype=np.int64)


def fit(
    split: Split,
    features: Features,
    taught_by: sasrec.SASRec,
    shape: Shape,
    settings: trainer.Settings,
    work: Path,
    seconds: float,
    key: str,
    judged: int = 4000,
    name: str = "heterrec",
) -> tuple[HeterRec, dict[str, float]]:
    torch.manual_seed(settings.seed)
    taught_by.eval()
    with torch.no_grad():
        model = HeterRec(
            replace(shape, width=taught_by.shape.width), features, taught_by.tower(), taught_by
        )
    windows = Windows(split.train, shape.history)
    cases = split.validation.sample(judged, seed=1)

    def judge(current: HeterRec) -> dict[str, float]:
        found = users(current, cases.histories)
        return metrics.figures(ranks_of(found, current.catalogue(), cases))

    best = trainer.train(
        name,
        model,
        sasrec.windows_batches(windows),
        loss,
        judge,
        settings,
        work,
        seconds,
        key=trainer.key_of(asdict(shape), key),
    )
    return model, best
