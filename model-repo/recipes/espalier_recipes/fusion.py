"""Fusion: weights of calibrated log-probabilities, chosen on validation data.

A candidate's score is Σ weight · max(log-probability, floor). For E4SRec and HeterRec it is the
log-softmax of logit / temperature over the whole catalogue; for TIGER the log-probability of the
item's beam; for neighbours the logarithm of its share of the user's summed similarity.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Candidates:
    """Of each user, the candidates [U, C] (−1 = none) and what each source says of them [U, C]."""

    items: np.ndarray
    scores: dict[str, np.ndarray] = field(default_factory=dict)  # −inf where a source is silent


def union(lists: list[list[np.ndarray]], most: int = 500) -> np.ndarray:
    """Distinct candidates of several sources' lists, in turn, at most `most` a user."""
    users = len(lists[0])
    rows = []
    for user in range(users):
        row = np.concatenate([source[user] for source in lists])
        _, first = np.unique(row, return_index=True)
        rows.append(row[np.sort(first)][:most])
    width = max((len(row) for row in rows), default=1)
    found = np.full((users, max(1, width)), -1, dtype=np.int64)
    for user, row in enumerate(rows):
        found[user, : len(row)] = row
    return found


def combine(candidates: Candidates, weights: dict[str, float], floors: dict[str, float]):
    total = np.zeros(candidates.items.shape, dtype=np.float64)
    for name, weight in weights.items():
        if weight:
            total += weight * np.maximum(candidates.scores[name], floors[name])
    return np.where(candidates.items >= 0, total, -np.inf)


def rank_of(candidates: Candidates, total: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Rank of each target among the candidates, ties to the lower item; huge where it is not."""
    is_target = candidates.items == targets[:, None]
    own = np.where(is_target, total, -np.inf).max(1)
    above = (total > own[:, None]).sum(1)
    ties = ((total == own[:, None]) & (candidates.items < targets[:, None]) & (candidates.items >= 0))
    return np.where(is_target.any(1), above + ties.sum(1), 1 << 30)


def objective(rank: np.ndarray) -> float:
    """NDCG@10 plus a little of recall@10: smooth enough to climb, and about the head of lists."""
    gain = np.where(rank < 10, 1.0 / np.log2(rank + 2.0), 0.0)
    return float(gain.mean() + 0.5 * (rank < 10).mean())


def choose(
    candidates: Candidates, targets: np.ndarray, main: str, rounds: int = 3
) -> tuple[dict[str, float], dict[str, float], float]:
    """Coordinate search over weights and floors on validation data; the main source weighs 1."""
    names = list(candidates.scores)
    floors, floor_grid = {}, {}
    for name in names:
        known = candidates.scores[name][np.isfinite(candidates.scores[name])]
        low = float(np.quantile(known, 0.02)) if len(known) else -15.0
        floors[name] = round(low - 1.0, 2)
        floor_grid[name] = [round(low + step, 2) for step in (-3.0, -1.0, 0.0, 1.0, 2.0)]
    weights = {name: 1.0 if name == main else 0.0 for name in names}

    def judge(w, f) -> float:
        return objective(rank_of(candidates, combine(candidates, w, f), targets))

    best = judge(weights, floors)
    grid = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.3, 1.6, 2.0)
    for _ in range(rounds):
        before = best
        for name in names:
            if name == main:
                continue
            for value in grid:
                found = judge({**weights, name: value}, floors)
                if found > best + 1e-6:
                    best, weights = found, {**weights, name: value}
            if weights[name]:
                for value in floor_grid[name]:
                    found = judge(weights, {**floors, name: value})
                    if found > best + 1e-6:
                        best, floors = found, {**floors, name: value}
        if best - before < 1e-5:
            break
    return weights, floors, best
