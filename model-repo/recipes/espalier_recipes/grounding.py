"""TransRec's grounding: what n-grams say of items. Pure functions.

An n-gram weighs by how much likelier the decoder finds it than the corpus does; an item's score is the sum over the
n-grams in it that do not overlap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    gamma: float = 2.0
    beta: float = 0.8
    biases: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of ids, attributes, titles
    rows: int = 1500  # of an n-gram and of legal items that are looked at
    items: int = 1500  # that are scored in full


@dataclass(frozen=True)
class Ngram:
    facet: int  # 0 id, 1 attribute, 2 title
    tokens: tuple[int, ...]
    log_prob: float


def weight(facet: int, log_prob: float, count: int, size: int, settings: Settings) -> float:
    """How much an n-gram says that occurs `count` times among `size` tokens."""
    if count == 0:
        return 0.0
    model = min(log_prob + settings.biases[facet], -1.0)
    corpus = math.log((count + 5) / ((100.0 if facet == 1 else 1.0) * (size + 5)))
    said = (model + math.log1p(-math.exp(corpus))) - (corpus + math.log1p(-math.exp(model)))
    return max(said, 0.0) ** settings.gamma


def score(tokens: list[int], weights: dict[tuple[int, ...], float], beta: float) -> float:
    """Of an item's tokens: its best n-grams first, each where it overlaps none before.

    Equal weights: the longer n-gram, then the one that begins earlier. What an n-gram shares with those before it
    counts less: 1 − beta of its weight, and beta of it by the share of its different tokens that are new.
    """
    longest = max(map(len, weights), default=0)
    found = []
    for start in range(len(tokens)):
        for end in range(start + 1, min(len(tokens), start + longest) + 1):
            own = weights.get(tuple(tokens[start:end]))
            if own:
                found.append((-own, start - end, start))
    free, covered, total = [True] * len(tokens), set(), 0.0
    for negative, length, start in sorted(found):
        end = start - length
        if all(free[start:end]):
            free[start:end] = [False] * -length
            own = set(tokens[start:end])
            total += -negative * (1 - beta + beta * len(own - covered) / len(own))
            covered |= own
    return total
