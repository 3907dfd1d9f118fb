"""Semantic ids by balanced residual k-means over what items say and how they are used.

Each level clusters what the levels before it left over, with clusters of about equal size. The
last level is assigned so that the items of one prefix get different codes while there are enough
of them; only beyond that do items share an id.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from tqdm import tqdm


@dataclass(frozen=True)
class SemanticIds:
    codes: np.ndarray  # [n, L]
    size: int  # codes a level
    centroids: np.ndarray  # [L, K, width]

    @property
    def levels(self) -> int:
        return self.codes.shape[1]

    def shared(self) -> int:
        """Items that share their id with another."""
        _, inverse, counts = np.unique(self.codes, axis=0, return_inverse=True, return_counts=True)
        return int((counts[inverse] > 1).sum())


def codes_a_level(items: int) -> int:
    """Enough codes that two levels hold about twice the items, so that prefixes are small."""
    size = 8
    while size < 256 and size * size < 2 * items:
        size *= 2
    return size


def item_space(text: np.ndarray, behaviour: np.ndarray, text_weight: float) -> np.ndarray:
    """[text; behaviour], each with its components' variances flattened half way.

    Full whitening would blow up the components that carry noise; none would let a few rule.
    """
    parts = []
    for vectors, weight in ((text, text_weight), (behaviour, 1.0)):
        if weight == 0 or np.abs(vectors).sum() == 0:
            continue
        centred = vectors - vectors.mean(0)
        left, sizes, _ = np.linalg.svd(centred.astype(np.float32), full_matrices=False)
        flat = left * np.sqrt(sizes)
        parts.append(weight * flat / np.sqrt((flat**2).sum(1).mean()))
    return np.concatenate(parts, 1).astype(np.float32)


def _distances(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    return (centroids**2).sum(1)[None, :] - 2 * points @ centroids.T


def _balanced(distances: np.ndarray, capacity: int) -> np.ndarray:
    """Nearest clusters with room; the points that would lose most by waiting choose first."""
    nearest = np.partition(distances, 1, axis=1)[:, :2]
    order = np.argsort(nearest.min(1) - nearest.max(1), kind="stable")
    preference = np.argsort(distances, axis=1, kind="stable")
    room = np.full(distances.shape[1], capacity)
    chosen = np.empty(len(distances), dtype=np.int64)
    for point in order:
        for cluster in preference[point]:
            if room[cluster]:
                room[cluster] -= 1
                chosen[point] = cluster
                break
    return chosen


def _means(points, chosen, centroids, rng):
    sums = np.zeros_like(centroids)
    np.add.at(sums, chosen, points)
    counts = np.bincount(chosen, minlength=len(centroids))
    empty = counts == 0
    means = np.where(empty[:, None], centroids, sums / np.maximum(counts, 1)[:, None])
    if empty.any():
        means[empty] = points[rng.choice(len(points), empty.sum(), replace=len(points) < empty.sum())]
    return means


def fit(
    space: np.ndarray,
    levels: int = 3,
    size: int | None = None,
    slack: float = 1.25,
    seed: int = 1,
    distinct: bool = True,
) -> SemanticIds:
    """Codes [n, levels] for items in `space` [n, width]; without `distinct` ids are clusters, which items share."""
    rng = np.random.default_rng(seed)
    size = size or codes_a_level(len(space))
    capacity = int(np.ceil(len(space) / size * slack))
    left = space.astype(np.float32).copy()
    codes, books = [], []
    for level in tqdm(range(levels), desc="tokenizer", unit="level"):
        start = rng.choice(len(left), size, replace=len(left) < size)
        centroids = left[start] + (0 if len(left) >= size else 1e-4)
        for _ in range(15):
            centroids = _means(left, _distances(left, centroids).argmin(1), centroids, rng)
        for _ in range(4):
            chosen = _balanced(_distances(left, centroids), capacity)
            centroids = _means(left, chosen, centroids, rng)
        if distinct and level == levels - 1:
            chosen = _distinct(codes, _distances(left, centroids))
        codes.append(chosen)
        books.append(centroids)
        left = left - centroids[chosen]
    return SemanticIds(np.stack(codes, 1), size, np.stack(books))


def _distinct(codes: list[np.ndarray], distances: np.ndarray) -> np.ndarray:
    """Last codes: different inside a prefix, nearest in sum; used again only when all are used."""
    chosen = np.empty(len(distances), dtype=np.int64)
    if codes:
        _, prefix = np.unique(np.stack(codes, 1), axis=0, return_inverse=True)
    else:
        prefix = np.zeros(len(distances), dtype=np.int64)
    order = np.argsort(prefix.ravel(), kind="stable")
    bounds = np.flatnonzero(np.diff(prefix.ravel()[order])) + 1
    for members in np.split(order, bounds):
        for start in range(0, len(members), distances.shape[1]):
            part = members[start : start + distances.shape[1]]
            rows, columns = linear_sum_assignment(distances[part])
            chosen[part[rows]] = columns
    return chosen
