"""What is fitted on judgments: the text index's field weights, and the ranker's weights. Nothing else is.

Both are chosen from few candidates by the mean NDCG@10 of the training folds; what is reported is the mean over
the folds that were left out.
"""

import random
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from .search_metrics import ndcg
from .text_index import Field, TextIndex, TextSearch, top

FEATURES = ("bm25", "dense", "type", "attribute", "accessory", "rewrite")
DEFAULT_SEARCH = TextSearch(
    (
        Field("title", 1.0, 0.6, 0.6),
        Field("brand", 0.2, 0.75, 0.9),
        Field("category", 0.3, 0.75, 0.9),
        Field("description", 0.5, 0.5, 0.9),
        Field("attributes", 0.3, 0.75, 0.6),
    ),
    0.1,
)
DEFAULT_WEIGHTS = {"bm25": 1.0, "dense": 0.3, "type": 0.1, "attribute": 1.0, "accessory": 0.1, "rewrite": 1.0}


@dataclass(frozen=True)
class Judged:
    """Judged queries that have a positive grade, and their folds."""

    queries: list[str]
    grades: dict
    fold: np.ndarray

    def each(self):
        return range(len(self.queries))


def text_searches(count: int, seed: int = 1) -> list[TextSearch]:
    """The default, and `count` others drawn from a grid."""
    draw = random.Random(seed)
    found = [DEFAULT_SEARCH]
    for _ in range(count):
        fields = (
            Field("title", 1.0, draw.choice((0.2, 0.4, 0.6, 0.75)), draw.choice((0.3, 0.6, 0.9, 1.2))),
            Field("brand", draw.choice((0.0, 0.1, 0.2, 0.4)), 0.75, 0.9),
            Field("category", draw.choice((0.1, 0.3, 0.5)), 0.75, 0.9),
            Field("description", draw.choice((0.2, 0.4, 0.7, 1.0)), draw.choice((0.2, 0.5, 0.75)), 0.9),
            Field("attributes", draw.choice((0.1, 0.3, 0.5)), 0.75, draw.choice((0.3, 0.6, 1.2))),
        )
        found.append(TextSearch(fields, draw.choice((0.0, 0.1, 0.3, 1.0))))
    return found


def tune_text(index: TextIndex, ids: list[str], judged: Judged, count: int = 150):
    """(the search that is best over all folds, NDCG@10 of each query by the search its other folds chose)."""
    searches = text_searches(count)
    postings = [index.lookup(query) for query in judged.queries]
    scores = np.zeros((len(searches), len(judged.queries)))
    for row, search in enumerate(tqdm(searches, desc="text fields", unit="setting")):
        for i, query in enumerate(judged.queries):
            ranked = [ids[item] for item, _ in top(index.scores(query, search, postings[i]), 10)]
            scores[row, i] = ndcg(ranked, judged.grades[query])
    held = np.zeros(len(judged.queries))
    for fold in np.unique(judged.fold):
        inside = judged.fold == fold
        chosen = scores[:, ~inside].mean(1).argmax() if (~inside).any() else 0
        held[inside] = scores[chosen, inside]
    return searches[int(scores.mean(1).argmax())], held


@dataclass(frozen=True)
class Candidates:
    """A query's candidates: item numbers in the merged order, and their features [n, 6]."""

    items: np.ndarray
    features: np.ndarray

    def ranked(self, weights: np.ndarray) -> np.ndarray:
        """Item numbers by falling score; equal scores keep the merged order."""
        return self.items[np.argsort(-(self.features @ weights), kind="stable")]


GRID = {
    "dense": (0.0, 0.15, 0.3, 0.6, 1.0),
    "type": (0.0, 0.1, 0.2, 0.4, 0.8),
    "attribute": (0.0, 0.3, 0.6, 1.0, 1.5),
    "accessory": (0.0, 0.05, 0.1, 0.2, 0.4),
    "rewrite": (0.0, 0.3, 0.6, 1.0, 1.5),
}


def _mean(lists: list[Candidates], ids, queries, grades, weights: np.ndarray) -> np.ndarray:
    return np.array(
        [
            ndcg([ids[item] for item in found.ranked(weights)[:10]], grades[query])
            for found, query in zip(lists, queries, strict=True)
        ]
    )


def fit_weights(lists: list[Candidates], ids, queries, grades, fixed: frozenset[str] = frozenset(), sweeps: int = 3):
    """Coordinate search from the defaults over GRID; a smaller weight wins where the mean is within .001."""
    weights = np.array([0.0 if name in fixed else DEFAULT_WEIGHTS[name] for name in FEATURES])
    best = _mean(lists, ids, queries, grades, weights).mean()
    for _ in range(sweeps):
        before = weights.copy()
        for name, values in GRID.items():
            if name in fixed:
                continue
            column = FEATURES.index(name)
            tried = []
            for value in values:
                other = weights.copy()
                other[column] = value
                tried.append((_mean(lists, ids, queries, grades, other).mean(), value))
            most = max(score for score, _ in tried)
            score, value = next((s, v) for s, v in tried if s >= most - 0.001)
            weights[column], best = value, score
        if np.array_equal(before, weights):
            break
    return weights, float(best)


def tune_weights(lists: list[Candidates], ids, judged: Judged, fixed: frozenset[str] = frozenset()):
    """(weights fitted on all folds, NDCG@10 of each query by the weights that the other folds gave)."""
    held = np.zeros(len(judged.queries))
    for fold in tqdm(np.unique(judged.fold), desc="ranker weights", unit="fold"):
        inside = judged.fold == fold
        rows = [i for i in judged.each() if not inside[i]] or list(judged.each())
        weights, _ = fit_weights([lists[i] for i in rows], ids, [judged.queries[i] for i in rows], judged.grades, fixed)
        for i in np.flatnonzero(inside):
            query = judged.queries[i]
            held[i] = ndcg([ids[item] for item in lists[i].ranked(weights)[:10]], judged.grades[query])
    weights, _ = fit_weights(lists, ids, judged.queries, judged.grades, fixed)
    return weights, held
