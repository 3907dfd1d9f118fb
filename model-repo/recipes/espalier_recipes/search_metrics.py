"""NDCG and recall over graded judgments, folds that keep near-duplicate queries together, and the paired bootstrap."""

import math
from dataclasses import dataclass

import numpy as np

from .text_index import analyze


def ndcg(ranked: list[str], grades: dict[str, int], k: int = 10) -> float:
    """Gain 2^grade − 1, ideal over all judged products; unjudged products count as grade 0."""
    ideal = sorted(grades.values(), reverse=True)[:k]
    best = sum((2**grade - 1) / math.log2(place + 2) for place, grade in enumerate(ideal))
    if best == 0:
        return math.nan
    return sum((2 ** grades.get(item, 0) - 1) / math.log2(place + 2) for place, item in enumerate(ranked[:k])) / best


def ndcg_judged(ranked: list[str], grades: dict[str, int], k: int = 10) -> float:
    """NDCG of the list without its unjudged products."""
    return ndcg([item for item in ranked if item in grades], grades, k)


def recall(ranked: list[str], grades: dict[str, int], k: int = 100) -> float:
    """Share of the products with a positive grade among the first `k`."""
    wanted = {item for item, grade in grades.items() if grade > 0}
    return len(wanted.intersection(ranked[:k])) / len(wanted) if wanted else math.nan


def judged_share(ranked: list[str], grades: dict[str, int], k: int = 10) -> float:
    shown = ranked[:k]
    return sum(item in grades for item in shown) / len(shown) if shown else 0.0


@dataclass(frozen=True)
class Interval:
    """A mean or a ratio with its 95 % interval."""

    value: float
    low: float
    high: float


def _samples(count: int, times: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, count, (times, count))


def mean_interval(values, times: int = 10000, seed: int = 1) -> Interval:
    values = np.asarray(values, float)
    means = values[_samples(len(values), times, seed)].mean(1)
    return Interval(float(values.mean()), *(float(x) for x in np.quantile(means, [0.025, 0.975])))


def ratio_interval(ours, theirs, times: int = 10000, seed: int = 1) -> Interval:
    """Mean of `ours` over mean of `theirs`, the same queries drawn for both."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    rows = _samples(len(ours), times, seed)
    ratios = ours[rows].mean(1) / np.maximum(theirs[rows].mean(1), 1e-9)
    value = ours.mean() / max(theirs.mean(), 1e-9)
    return Interval(float(value), *(float(x) for x in np.quantile(ratios, [0.025, 0.975])))


def folds(queries: list[str], grades: dict, vectors: np.ndarray, count: int = 5) -> np.ndarray:
    """The fold of each query.

    Two queries are near duplicates, and share a fold, when their terms agree, when most of their letter trigrams do,
    when they mean the same (cosine ≥ 0.85), or when most of the products judged for one were judged for the other.
    """
    parent = list(range(len(queries)))

    def root(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    terms = [frozenset(analyze(query)) for query in queries]
    squeezed = ["".join(sorted(analyze(query))) for query in queries]
    grams = [{text[i : i + 3] for i in range(max(1, len(text) - 2))} for text in ("".join(q.split()) for q in queries)]
    for i in range(len(queries)):
        for j in range(i):
            shared = len(grades[queries[i]].keys() & grades[queries[j]].keys())
            smaller = min(len(grades[queries[i]]), len(grades[queries[j]]))
            alike = (
                terms[i] == terms[j]
                or squeezed[i] == squeezed[j]
                or len(grams[i] & grams[j]) > 0.5 * len(grams[i] | grams[j])
                or float(vectors[i] @ vectors[j]) >= 0.85
                or shared > 0.5 * smaller
            )
            if alike:
                parent[root(i)] = root(j)
    groups: dict[int, list[int]] = {}
    for i in range(len(queries)):
        groups.setdefault(root(i), []).append(i)
    fold = np.zeros(len(queries), np.int64)
    sizes = [0] * count
    for group in sorted(groups.values(), key=lambda members: (-len(members), queries[members[0]])):
        smallest = sizes.index(min(sizes))
        sizes[smallest] += len(group)
        fold[group] = smallest
    return fold
