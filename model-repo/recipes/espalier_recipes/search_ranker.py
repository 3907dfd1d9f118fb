"""What a query asks for: a small model from a query's tokens to product types.

It learns from the catalogue alone. A query that ends a product's phrase ("monitor", "lcd monitor", "acme lcd
monitor") asks for that product's type, so such endings of phrases, with brands and attribute values before them,
count as the types of the products that they name. Any other words of the catalogue ("laptop" where titles say
"notebook") get the types whose phrases lie nearest in the teacher's space.
"""

import hashlib
import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import trainer
from .product_types import Types
from .text_encoder import TABLE_WIDTH, Encoded, Layer

MAX_TOKENS = 24


class QueryTypes(nn.Module):
    """`input_ids`, `attention_mask` [B, S] to `type_log_probs` [B, T]."""

    def __init__(self, vocabulary: int, types: int):
        super().__init__()
        self.table = nn.Embedding(vocabulary, TABLE_WIDTH)
        self.positions = nn.Parameter(torch.zeros(MAX_TOKENS, TABLE_WIDTH))
        self.norm = nn.LayerNorm(TABLE_WIDTH)
        self.layer = Layer(TABLE_WIDTH, 4, 2 * TABLE_WIDTH)
        self.out = nn.Linear(2 * TABLE_WIDTH, types)
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        weights = attention_mask.unsqueeze(-1).to(self.positions.dtype)
        # Positions count from the end: the last word of a query is its head.
        from_end = (attention_mask.flip(1).cumsum(1).flip(1) - 1).clamp(0, MAX_TOKENS - 1)
        x = self.norm(self.table(input_ids) + self.positions[from_end])
        x = self.layer(x, (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * -1e4)
        mean = (x * weights).sum(1) / weights.sum(1).clamp(min=1.0)
        most = (x - (1.0 - weights) * 1e4).amax(1)
        return torch.log_softmax(self.out(torch.cat([mean, most], -1)), -1)


def load_tokenizer(path: Path):
    """The text encoder's tokenizer, cut at the ranker's length."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def endings(products, types: Types) -> dict[str, Counter]:
    """Texts that end a product's phrase, and the types that they name."""
    found: dict[str, Counter] = defaultdict(Counter)
    for product, type_, phrase in zip(products, types.of, types.phrases, strict=True):
        own = phrase or types.names[type_]
        words = own.split()
        brand = product.brand.lower()
        for start in range(len(words)):
            text = " ".join(words[start:])
            found[text][int(type_)] += 1
            if brand and start == 0:
                found[f"{brand} {text}"][int(type_)] += 1
        for value in list(product.attributes.values())[:4]:
            if isinstance(value, str) and 2 < len(value) < 24 and "," not in value:
                found[f"{value.lower()} {' '.join(words[-2:])}"][int(type_)] += 1
    return found


def targets(products, types: Types, phrases: list[str], phrase_vectors: np.ndarray, embed, heat: float = 0.05):
    """Training texts and their distributions over types, [n, T]."""
    kinds = sorted(
        {(phrase or types.names[t], int(t)) for phrase, t in zip(types.phrases, types.of, strict=True)},
        key=lambda kind: (kind[1], kind[0]),
    )
    size = Counter((phrase or types.names[t], int(t)) for phrase, t in zip(types.phrases, types.of, strict=True))
    kind_vectors = embed([text for text, _ in kinds])
    kind_type = np.array([t for _, t in kinds])
    prior = np.array([0.5 * math.log(size[kind]) for kind in kinds], np.float32)

    starts = np.flatnonzero(np.r_[True, kind_type[1:] != kind_type[:-1]])

    def near(vectors: np.ndarray) -> np.ndarray:
        likely = np.zeros((len(vectors), len(types.names)), np.float32)
        for start in range(0, len(vectors), 1024):
            logits = vectors[start : start + 1024] @ kind_vectors.T / heat + prior
            best = np.maximum.reduceat(logits, starts, axis=1)
            best = np.exp(best - best.max(1, keepdims=True))
            likely[start : start + 1024, kind_type[starts]] = best / best.sum(1, keepdims=True)
        return likely

    ends = endings(products, types)
    # The least common texts carry nothing that their parts do not: keep the memory bounded.
    kept = sorted(ends, key=lambda text: (-sum(ends[text].values()), text))[:40000]
    spread = near(phrase_vectors).astype(np.float32) if len(phrases) else np.zeros((0, len(types.names)), np.float32)
    row_of = {text: row for row, text in enumerate(phrases)}
    texts, rows = list(phrases), [spread]
    for text in kept:
        counts = ends[text]
        own = np.zeros(len(types.names), np.float32)
        for type_, count in counts.items():
            own[type_] = count
        own /= own.sum()
        if text in row_of:
            spread[row_of[text]] = 0.3 * spread[row_of[text]] + 0.7 * own
        else:
            texts.append(text)
            rows.append(own[None])
    return texts, np.concatenate(rows)


def learn(
    products, types: Types, phrases, phrase_vectors, embed, table: torch.Tensor | None, tokenizer, work: Path,
    seconds: float, epochs: int = 12,
):
    """The trained QueryTypes and its figures; `table` starts the token table."""
    texts, wanted = targets(products, types, phrases, phrase_vectors, embed)
    model = QueryTypes(tokenizer.get_vocab_size(), len(types.names))
    if table is not None:
        with torch.no_grad():
            model.table.weight.copy_(table / table.std() * 0.5)
    goal = torch.from_numpy(wanted)
    held = np.zeros(len(texts), bool)
    held[np.random.default_rng(11).permutation(len(texts))[: min(1500, len(texts) // 10 + 1)]] = True
    train_rows, held_rows = np.flatnonzero(~held), np.flatnonzero(held)
    encoded = Encoded(tokenizer, [texts[row] for row in train_rows], 3072)
    held_encoded = Encoded(tokenizer, [texts[row] for row in held_rows], 8192)

    def loss(net, numbers):
        ids, mask = encoded.tensors(numbers)
        return -(goal[train_rows[numbers]] * net(ids, mask)).sum(-1).mean()

    def judge(net):
        right = 0
        for numbers in held_encoded.batches():
            guess = net(*held_encoded.tensors(numbers)).argmax(1)
            right += int((guess == goal[held_rows[numbers]].argmax(1)).sum())
        return {"accuracy": right / len(held_rows)}

    settings = trainer.Settings(epochs=epochs, learning_rate=1e-3, average=0.995, patience=4, weight_decay=0.01)
    key = trainer.key_of(hashlib.sha256("\x00".join(texts).encode()).hexdigest(), types.names)
    figures = trainer.train(
        "query-types", model, encoded.batches, loss, judge, settings, work, seconds, key, metric="accuracy"
    )
    return model, figures
