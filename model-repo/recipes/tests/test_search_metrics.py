import math

import numpy as np
import pytest
from espalier_recipes import search_metrics
from espalier_recipes.search_metrics import ndcg
from espalier_recipes.search_tuning import FEATURES, Candidates, Judged, mean_search, ndcg_of, tune_weights
from espalier_recipes.text_index import Field, TextSearch


def test_ndcg_idealOverAllJudged():
    grades = {"a": 3, "b": 1, "c": 0}
    assert search_metrics.ndcg(["a", "b"], grades) == pytest.approx(1.0)
    assert search_metrics.ndcg(["x", "a"], grades) == pytest.approx(7 / math.log2(3) / (7 + 1 / math.log2(3)))


def test_ndcg_noPositiveGrade_nan():
    assert math.isnan(search_metrics.ndcg(["a"], {"a": 0}))


def test_ratioInterval_betterEverywhere_aboveOne():
    generator = np.random.default_rng(3)
    theirs = generator.random(60) * 0.5 + 0.2
    found = search_metrics.ratio_interval(theirs * 1.2, theirs)
    assert found.low > 1.1
    assert found.value == pytest.approx(1.2)


def test_folds_nearDuplicates_share():
    queries = ["red lamp", "red lamps", "desk", "lamp red", "chair", "sofa"]
    grades = {query: {query: 1} for query in queries}
    fold = search_metrics.folds(queries, grades, np.eye(6), 3)
    assert fold[0] == fold[1] == fold[3]
    assert len(set(fold)) == 3


def test_folds_sameProductsJudged_share():
    queries = ["ps4", "playstation 4", "xbox"]
    grades = {"ps4": {"1": 1, "2": 1}, "playstation 4": {"1": 1, "2": 0}, "xbox": {"9": 1}}
    fold = search_metrics.folds(queries, grades, np.eye(3), 2)
    assert fold[0] == fold[1] != fold[2]


def lists_where(feature: str):
    generator = np.random.default_rng(5)
    lists, grades, queries = [], {}, []
    for number in range(12):
        values = np.zeros((30, len(FEATURES)))
        values[:, 0] = generator.random(30)
        right = generator.permutation(30)[:5]
        values[right, FEATURES.index(feature)] = 1.0
        lists.append(Candidates(np.arange(30), values))
        queries.append(f"q{number}")
        grades[f"q{number}"] = {str(item): 3 for item in right}
    return lists, [str(item) for item in range(30)], queries, grades


def test_ndcgOf_manyWeights_equalsNdcgOfEachRanking():
    lists, ids, queries, grades = lists_where("type")
    weights = np.abs(np.random.default_rng(7).normal(size=(5, len(FEATURES))))
    found = ndcg_of(lists, ids, queries, grades, weights)
    for row in range(5):
        for column, own in enumerate(lists):
            ranked = [ids[item] for item in own.ranked(weights[row])]
            assert abs(found[row, column] - ndcg(ranked, grades[queries[column]])) < 1e-9


def test_tuneWeights_leftOutFeature_hasNoWeight():
    lists, ids, queries, grades = lists_where("type")
    weights, _ = tune_weights(lists, ids, Judged(queries, grades, np.arange(12) % 3), frozenset(("rewrite",)))
    assert weights[FEATURES.index("rewrite")] == 0.0
    assert weights[FEATURES.index("bm25")] == 1.0
    assert (weights >= 0).all()


def test_tuneWeights_reportsHeldOutFolds():
    lists, ids, queries, grades = lists_where("dense")
    judged = Judged(queries, grades, np.arange(12) % 3)
    weights, held = tune_weights(lists, ids, judged)
    assert held.shape == (12,)
    assert held.mean() > 0.4
    assert weights[FEATURES.index("dense")] > 0.3


def test_tuneWeights_foldWithItsOwnCandidates_isReportedByThem():
    lists, ids, queries, grades = lists_where("dense")
    judged = Judged(queries, grades, np.arange(12) % 3)
    _, held = tune_weights(lists, ids, judged)
    nothing = [Candidates(own.items[:0], own.features[:0]) for own in lists]
    _, by_fold = tune_weights(lists, ids, judged, by_fold={0: nothing, 1: lists, 2: lists})
    assert (by_fold[judged.fold == 0] == 0).all()
    assert (by_fold[judged.fold > 0] == held[judged.fold > 0]).all()


def test_meanSearch_isTheMeanOfEachNumber():
    one = TextSearch((Field("title", 1.0, 0.2, 0.3), Field("brand", 0.0, 0.75, 0.9)), 0.0)
    other = TextSearch((Field("title", 1.0, 0.6, 0.9), Field("brand", 0.2, 0.75, 0.9)), 0.3)
    found = mean_search([one, other])
    assert found == TextSearch((Field("title", 1.0, 0.4, 0.6), Field("brand", 0.1, 0.75, 0.9)), 0.15)
