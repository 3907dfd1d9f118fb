"""What is fitted on judgments: the text index's field weights, and the ranker's weights. Nothing else is.

Both are drawn at random around hand-set defaults, and of both the mean of the best is taken (a tenth of the text
searches, a hundredth of the weights), because with a few dozen queries the best single draw is best by luck. What is
reported is the mean over the folds that were left out, each with the search and the weights that the others chose.
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


@dataclass(frozen=True)
class TunedText:
    """The search that all folds chose, what the others of each fold chose, and NDCG@10 of each query by that."""

    search: TextSearch
    by_fold: dict[int, TextSearch]
    held: np.ndarray


BEST_SEARCHES = 15


def mean_search(searches: list[TextSearch]) -> TextSearch:
    """The mean of each number of some searches over the same fields."""
    fields = tuple(
        Field(own[0].name, *(round(float(np.mean([getattr(f, part) for f in own])), 3) for part in ("weight", "b", "k1")))
        for own in zip(*(search.fields for search in searches), strict=True)
    )
    return TextSearch(fields, round(float(np.mean([search.tie_breaker for search in searches])), 3))


def tune_text(index: TextIndex, ids: list[str], judged: Judged, count: int = 150) -> TunedText:
    """The mean of the best searches out of the default and `count` draws."""
    postings = [index.lookup(query) for query in judged.queries]

    def measured(search: TextSearch) -> np.ndarray:
        ranked = (
            [ids[item] for item, _ in top(index.scores(query, search, own), 10)]
            for query, own in zip(judged.queries, postings, strict=True)
        )
        return np.array([ndcg(row, judged.grades[query]) for query, row in zip(judged.queries, ranked, strict=True)])

    searches = text_searches(count)
    scores = np.array([measured(search) for search in tqdm(searches, desc="text fields", unit="setting")])

    def best(inside: np.ndarray) -> TextSearch:
        chosen = np.argsort(-scores[:, inside].mean(1), kind="stable")[:BEST_SEARCHES]
        return mean_search([searches[row] for row in chosen])

    held, by_fold = np.zeros(len(judged.queries)), {}
    for fold in np.unique(judged.fold):
        inside = judged.fold == fold
        by_fold[int(fold)] = best(~inside if (~inside).any() else inside)
        held[inside] = measured(by_fold[int(fold)])[inside]
    return TunedText(best(np.ones(len(held), bool)), by_fold, held)


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


def tune_weights(
    lists: list[Candidates],
    ids,
    judged: Judged,
    fixed: frozenset[str] = frozenset(),
    by_fold: dict[int, list[Candidates]] | None = None,
):
    """(weights fitted on all folds, NDCG@10 of each query by the weights that the other folds gave).

    `by_fold` has the candidates of all queries by what the others of each fold chose before; else they are `lists`.
    """
    draws = weight_draws(fixed)

    def fitted(own: list[Candidates], inside: np.ndarray) -> np.ndarray:
        scores = ndcg_of(own, ids, judged.queries, judged.grades, draws)
        return draws[np.argsort(-scores[:, inside].mean(1), kind="stable")[:KEPT]].mean(0).round(3)

    held = np.zeros(len(judged.queries))
    for fold in np.unique(judged.fold):
        inside = judged.fold == fold
        own = by_fold[int(fold)] if by_fold else lists
        weights = fitted(own, ~inside if (~inside).any() else inside)
        held[inside] = ndcg_of(own, ids, judged.queries, judged.grades, weights[None])[0, inside]
    return fitted(lists, np.ones(len(held), bool)), held
