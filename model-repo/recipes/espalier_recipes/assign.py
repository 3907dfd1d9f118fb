"""Semantic ids from text, for items that a bundle was not trained on.

A bag of word pieces becomes a vector by a small network; the codebooks turn it into codes as a residual quantiser
does. Both are learnt from the bundle's own items: the cross-entropy of each code given those before it, with minus the
squared distance to the centroids as logits. So neither the vectors that the ids were made of nor the decoder is needed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import trainer
from .text_encoder import Encoded

UNKNOWN = 1  # the piece that stands for what no piece covers
MAX_TOKENS = 64
_LAST_LEVEL = 0.25  # its codes tell items of one prefix apart more than they say what the items are


@dataclass(frozen=True)
class Shape:
    vocabulary: int = 8000
    table: int = 128
    inner: int = 256
    width: int = 64


class Assigner(nn.Module):
    """`input_ids`, `attention_mask` INT64 [B, S] to `vector` FP32 [B, width]."""

    def __init__(self, shape: Shape, vocabulary: int, levels: int, codes: int):
        super().__init__()
        self.table = nn.Embedding(vocabulary, shape.table)
        self.weight = nn.Embedding(vocabulary, 1)
        self.norm = nn.LayerNorm(shape.table)
        self.enter, self.leave = nn.Linear(shape.table, shape.inner), nn.Linear(shape.inner, shape.width)
        self.codebooks = nn.Parameter(0.1 * torch.randn(levels, codes, shape.width))
        nn.init.normal_(self.table.weight, std=0.1)
        nn.init.zeros_(self.weight.weight)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        there = attention_mask.to(torch.float32)
        if self.training:
            there = there * (torch.rand_like(there) > 0.1)
        share = torch.exp(self.weight(input_ids).squeeze(-1)) * there
        share = share / share.sum(1, keepdim=True).clamp(min=1e-6)
        bag = self.norm((self.table(input_ids) * share.unsqueeze(-1)).sum(1))
        bag = F.dropout(bag, 0.2, self.training)
        return self.leave(F.dropout(F.gelu(self.enter(bag)), 0.3, self.training))


def text_tokenizer(texts: list[str], size: int):
    """Lower-case word pieces of these texts; piece 0 pads, piece 1 is unknown; no special tokens around a text."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=["[PAD]", "[UNK]"], min_frequency=2, show_progress=False
    )
    tokenizer.train_from_iterator(texts, pieces)
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def distances(vectors: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """Squared distances [B, K]."""
    return (vectors * vectors).sum(-1, keepdim=True) - 2 * vectors @ centroids.T + (centroids * centroids).sum(-1)


def loss(model: Assigner, ids: torch.Tensor, mask: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    left, total = model(ids, mask), 0.0
    for level, centroids in enumerate(model.codebooks):
        chosen = codes[:, level]
        weight = _LAST_LEVEL if level == len(model.codebooks) - 1 else 1.0
        total = total + weight * F.cross_entropy(-distances(left, centroids), chosen, label_smoothing=0.05)
        left = left - centroids[chosen]
    return total


@torch.no_grad()
def vectors_of(model: nn.Module, texts: Encoded, width: int) -> torch.Tensor:
    """`vector` of each text, in their order."""
    found = torch.zeros(len(texts.ids), width)
    for numbers in texts.batches():
        found[torch.from_numpy(numbers)] = model(*texts.tensors(numbers))
    return found


def fit(texts: list[str], codes: np.ndarray, size: int, out: np.ndarray, work: Path, seconds: float, key: str,
        shape: Shape = Shape(), epochs: int = 12, seed: int = 1):
    """(model, tokenizer), learnt from the items with a text that are not `out`; a twentieth of them chooses the epoch."""
    rows = np.flatnonzero(np.array([bool(text) for text in texts]) & ~out)
    rows = np.random.default_rng((seed, 7)).permutation(rows)
    judged, learnt = np.split(rows, [max(1, len(rows) // 20)])
    tokenizer = text_tokenizer([texts[row] for row in np.sort(rows)], shape.vocabulary)
    torch.manual_seed(seed)
    model = Assigner(shape, tokenizer.get_vocab_size(), codes.shape[1], size)
    lessons, questions = (Encoded(tokenizer, [texts[row] for row in part], 6144) for part in (learnt, judged))
    wanted = torch.from_numpy(codes.astype(np.int64))

    def judge(current: Assigner) -> dict[str, float]:
        left = distances(vectors_of(current, questions, shape.width), current.codebooks[0])
        return {"code": float(left.argmin(1).eq(wanted[judged, 0]).float().mean())}

    settings = trainer.Settings(
        epochs=epochs, learning_rate=4e-3, weight_decay=0.05, average=0.99, patience=4, warmup=50, seed=seed
    )
    trainer.train(
        "assign", model, lessons.batches,
        lambda current, numbers: loss(current, *lessons.tensors(numbers), wanted[learnt[numbers]]),
        judge, settings, work, seconds, key=trainer.key_of(asdict(shape), key, texts, codes.tolist()), metric="code",
    )
    return model, tokenizer
