"""What is fitted on judgments: the text index's field weights, and the ranker's weights. Nothing else is.

Both are drawn at random around hand-set defaults. Of the text searches the one with the best mean NDCG@10 over the
training folds is taken; of the ranker's weights the mean of the best hundredth, because with a few dozen queries the
best single draw is best by luck (coordinate search over the same features: .776 over the folds that were left out, the
mean of the best: .798). What is reported is the mean over the folds that were left out.
"""

import random
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from .search_metrics import ndcg
from .text_index import Field, TextIndex, TextSearch, top

FEATURES = ("bm25", "dense", "type", "attribute", "accessory", "rewrite", "title")
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
DEFAULT_WEIGHTS = {
    "bm25": 1.0, "dense": 0.3, "type": 0.1, "attribute": 1.0, "accessory": 0.4, "rewrite": 0.8, "title": 0.3,
}


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
    """A query's candidates: item numbers in the merged order, and their features [n, 7]."""

    items: np.ndarray
    features: np.ndarray

    def ranked(self, weights: np.ndarray) -> np.ndarray:
        """Item numbers by falling score; equal scores keep the merged order."""
        return self.items[np.argsort(-(self.features @ weights), kind="stable")]


DRAWS, KEPT, SPREAD, LEFT_OUT = 4000, 40, 0.8, 0.3


def weight_draws(fixed: frozenset[str] = frozenset(), count: int = DRAWS, seed: int = 1) -> np.ndarray:
    """[count, 7]: each weight its default times a lognormal factor, or 0 with probability LEFT_OUT; `bm25` is 1."""
    draw = np.random.default_rng(seed)
    centre = np.array([0.0 if name in fixed else DEFAULT_WEIGHTS[name] for name in FEATURES])
    drawn = centre * np.exp(draw.normal(0.0, SPREAD, (count, len(FEATURES))))
    drawn[draw.random(drawn.shape) < LEFT_OUT] = 0.0
    drawn[:, FEATURES.index("bm25")] = 1.0
    return drawn


def ndcg_of(lists: list[Candidates], ids, queries, grades, weights: np.ndarray) -> np.ndarray:
    """NDCG@10 of each row of `weights` [w, 7] for each query, [w, queries]."""
    found = np.zeros((len(weights), len(queries)))
    discount = 1.0 / np.log2(np.arange(10) + 2.0)
    for column, (own, query) in enumerate(zip(lists, queries, strict=True)):
        gain = np.array([2.0 ** grades[query].get(ids[item], 0) - 1 for item in own.items])
        ideal = np.sort([2.0**grade - 1 for grade in grades[query].values()])[::-1][:10]
        most = min(10, len(own.items))
        if not most or not ideal.sum():
            continue
        scores = -(own.features @ weights.T) + np.arange(len(own.items))[:, None] * 1e-9
        best = np.argpartition(scores, most - 1, axis=0)[:most]
        best = np.take_along_axis(best, np.take_along_axis(scores, best, 0).argsort(0), 0)
        found[:, column] = discount[:most] @ gain[best] / (ideal @ discount[: len(ideal)])
    return found


def tune_weights(lists: list[Candidates], ids, judged: Judged, fixed: frozenset[str] = frozenset()):
    """(weights fitted on all folds, NDCG@10 of each query by the weights that the other folds gave)."""
    draws = weight_draws(fixed)
    scores = ndcg_of(lists, ids, judged.queries, judged.grades, draws)

    def best(inside: np.ndarray) -> np.ndarray:
        return draws[np.argsort(-scores[:, inside].mean(1), kind="stable")[:KEPT]].mean(0).round(3)

    held = np.zeros(len(judged.queries))
    for fold in np.unique(judged.fold):
        inside = judged.fold == fold
        weights = best(~inside if (~inside).any() else inside)
        held[inside] = ndcg_of(lists, ids, judged.queries, judged.grades, weights[None])[0, inside]
    return best(np.ones(len(judged.queries), bool)), held
