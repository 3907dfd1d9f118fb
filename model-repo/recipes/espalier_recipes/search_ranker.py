"""What a query asks for: product types from the words of a query, by what the catalogue calls its products.

Every type has kinds: the phrases that named its products ("lcd monitor", "widescreen monitor"). A query's
log-probabilities come from the text encoder: for each type the nearest of its kinds, with a prior that grows with the
square root of the products of that kind, and a softmax over the types. Nothing is trained here beside the encoder:
kinds and priors are learnt from titles and attributes (`product_types`).
"""

import math
from collections import Counter

import numpy as np
import torch
from torch import nn

from .product_types import Types
from .text_encoder import TextEncoder

MAX_TOKENS = 24
HEAT = 0.05


class QueryTypes(nn.Module):
    """`input_ids`, `attention_mask` [B, S] to `type_log_probs` [B, T]."""

    def __init__(self, encoder: TextEncoder, kinds: torch.Tensor, prior: torch.Tensor, type_of: torch.Tensor, types: int):
        """`kinds` [K, width] unit vectors, `prior` and `type_of` [K]; every type has a kind."""
        super().__init__()
        self.encoder = encoder
        self.kinds = nn.Parameter(kinds, requires_grad=False)
        self.prior = nn.Parameter(prior, requires_grad=False)
        # Row t lists the kinds of type t, the first of them again where it has fewer than the most.
        rows = [torch.nonzero(type_of == type_).flatten().tolist() for type_ in range(types)]
        longest = max(map(len, rows))
        padded = [row + row[:1] * (longest - len(row)) for row in rows]
        self.register_buffer("rows", torch.tensor(padded, dtype=torch.long))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        near = self.encoder(input_ids, attention_mask) @ self.kinds.T / HEAT + self.prior
        return torch.log_softmax(near[:, self.rows].amax(-1), -1)


def load_tokenizer(path):
    """The text encoder's tokenizer, cut at the ranker's length."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def kinds_of(types: Types, most: int = 12) -> list[tuple[str, int, int]]:
    """(phrase, type, how many products it names): of each type its name and its commonest phrases."""
    count: dict[int, Counter] = {}
    for phrase, type_ in zip(types.phrases, types.of, strict=True):
        count.setdefault(int(type_), Counter())[phrase or types.names[type_]] += 1
    found = []
    for type_, name in enumerate(types.names):
        own = count.get(type_, Counter())
        own[name] += 0
        kept = dict(own.most_common(most)) | {name: own[name]}
        found.extend((phrase, type_, number) for phrase, number in kept.items())
    return found


def build(types: Types, encoder: TextEncoder, embed) -> QueryTypes:
    """The model over an encoder; `embed` gives the encoder's vectors of texts."""
    kinds = kinds_of(types)
    vectors = torch.from_numpy(np.asarray(embed([phrase for phrase, _, _ in kinds]), np.float32))
    prior = torch.tensor([0.5 * math.log(max(1, number)) for _, _, number in kinds])
    type_of = torch.tensor([type_ for _, type_, _ in kinds])
    return QueryTypes(encoder, vectors, prior, type_of, len(types.names)).eval()
