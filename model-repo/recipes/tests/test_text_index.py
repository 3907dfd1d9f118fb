import math

import numpy as np
from espalier_recipes.catalogue import Product
from espalier_recipes.text_index import Field, TextIndex, TextSearch, analyze, top


def test_analyze_english_asLucene():
    assert analyze("The Runner's USB-C cables, 4.5 mm") == ["runner", "usb", "c", "cabl", "4.5", "mm"]


def test_analyze_standard_keepsWords():
    assert analyze("The cables", "standard") == ["the", "cables"]


def products():
    return [
        Product("a", "Red lamp", description="a lamp lamp for desks"),
        Product("b", "Desk", description="a desk"),
        Product("c", "Blue desk lamp"),
    ]


def test_scores_oneField_bm25Formula():
    index = TextIndex(products())
    search = TextSearch((Field("title", 2.0, 0.5, 1.0),), 0.0)
    scores = index.scores("lamp", search)
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    average = (2 + 1 + 3) / 3
    expected = [2 * idf / (1 + 1 - 0.5 + 0.5 * 2 / average), 0, 2 * idf / (1 + 1 - 0.5 + 0.5 * 3 / average)]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_scores_tieBreaker_betweenBestFieldAndSum():
    index = TextIndex(products())
    fields = (Field("title", 1.0), Field("description", 1.0))
    best = index.scores("lamp", TextSearch(fields, 0.0))[0]
    every = index.scores("lamp", TextSearch(fields, 1.0))[0]
    half = index.scores("lamp", TextSearch(fields, 0.5))[0]
    assert best < half < every
    assert half == np.float32((best + every) / 2)


def test_search_noMatch_empty():
    assert TextIndex(products()).search("zebra", TextSearch()) == []


def test_top_ties_lowerIndexFirst():
    assert top(np.array([1.0, 3.0, 3.0, 3.0]), 2) == [(1, 3.0), (2, 3.0)]
