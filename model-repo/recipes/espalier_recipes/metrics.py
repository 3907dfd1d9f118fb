"""Ranks of targets over the whole catalogue, and the figures made of them."""

from __future__ import annotations

import numpy as np
import torch


def mask_seen(scores: torch.Tensor, histories) -> None:
    """Takes what a user has already had out of the ranking, in place."""
    rows = np.repeat(np.arange(len(histories)), [len(sequence) for sequence in histories])
    if len(rows):
        columns = np.concatenate(histories)
        scores[torch.from_numpy(rows), torch.from_numpy(columns)] = -torch.inf


def ranks(scores: torch.Tensor, targets: np.ndarray) -> np.ndarray:
    """Rank from 0 of each target; of equal scores the lower item index stands first."""
    target = torch.from_numpy(targets)
    own = scores.gather(1, target[:, None])
    above = (scores > own).sum(1)
    ties = (scores == own) & (torch.arange(scores.shape[1]) < target[:, None])
    return (above + ties.sum(1)).numpy()


def ranks_in_lists(lists: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Rank of each target in its list [users, k]; a huge rank where it is not in it."""
    hits = lists == targets[:, None]
    return np.where(hits.any(1), hits.argmax(1), 1 << 30)


def figures(rank: np.ndarray) -> dict[str, float]:
    """recall@k and ndcg@k with one relevant item a user."""
    found = {}
    gain = 1.0 / np.log2(rank + 2.0)
    for k in (5, 10):
        found[f"recall@{k}"] = float((rank < k).mean()) if len(rank) else 0.0
        found[f"ndcg@{k}"] = float(np.where(rank < k, gain, 0.0).mean()) if len(rank) else 0.0
    return found


def paired_bootstrap(
    first: np.ndarray, second: np.ndarray, k: int = 10, rounds: int = 2000, seed: int = 1
) -> tuple[float, float, float]:
    """Mean difference of recall@k (second − first) and its 95 % interval over users."""
    difference = (second < k).astype(np.float64) - (first < k)
    rng = np.random.default_rng(seed)
    means = [
        difference[rng.integers(0, len(difference), len(difference))].mean()
        for _ in range(rounds)
    ]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(difference.mean()), float(low), float(high)
