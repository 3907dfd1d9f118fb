"""BM25 over several fields, as the served Lucene index scores them.

The served index is Lucene (`retrieval-server`). This is the same formula over the same analysis, so that field
weights, `b` and `k1` can be chosen without starting a server: a term's score in a field is
`weight · idf · tf / (tf + k1 · (1 − b + b · length / average length))` (Lucene's BM25Similarity and boosts); over the
fields the best counts whole and the others times the tie breaker (DisjunctionMaxQuery); the terms are summed. What
differs: Lucene rounds field lengths to a byte.
"""

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
import snowballstemmer

FIELDS = ("title", "brand", "category", "description", "attributes")

# Lucene's EnglishAnalyzer: 33 stop words, possessives cut, Porter's stemmer.
STOP_WORDS = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
    "this to was will with".split()
)
_TOKEN = re.compile(r"\w+(?:(?<=[^\W\d])['’.:](?=[^\W\d])\w+|(?<=\d)[.,;'](?=\d)\w+)*", re.UNICODE)
_STEMMER = snowballstemmer.stemmer("porter")
_STEMS: dict[str, str] = {}


def analyze(text: str, analyzer: str = "english") -> list[str]:
    """The terms that Lucene's EnglishAnalyzer (or StandardAnalyzer) makes of a text, in order."""
    tokens = (token.lower() for token in _TOKEN.findall(text))
    if analyzer == "standard":
        return list(tokens)
    terms = []
    for token in tokens:
        if token.endswith(("'s", "’s")):
            token = token[:-2]
        if token in STOP_WORDS:
            continue
        stem = _STEMS.get(token)
        if stem is None:
            stem = _STEMS[token] = _STEMMER.stemWord(token) if len(token) > 2 else token
        terms.append(stem)
    return terms


@dataclass(frozen=True)
class Field:
    """How one field counts: its weight, and BM25's `b` and `k1`."""

    name: str
    weight: float
    b: float = 0.75
    k1: float = 1.2


DEFAULT_FIELDS = (
    Field("title", 1.0),
    Field("brand", 0.3),
    Field("category", 0.3),
    Field("description", 0.3),
    Field("attributes", 0.2),
)


@dataclass(frozen=True)
class TextSearch:
    """How the text index scores: its fields, and what fields beside a term's best one add."""

    fields: tuple[Field, ...] = DEFAULT_FIELDS
    tie_breaker: float = 0.0
    analyzer: str = "english"


@dataclass(frozen=True)
class Posting:
    """Where a term stands in a field: products, counts, idf and relative lengths."""

    term: str
    field: str
    products: np.ndarray
    counts: np.ndarray
    idf: float
    lengths: np.ndarray


class TextIndex:
    """An in-memory inverted index over the fields of a catalogue."""

    def __init__(self, products, analyzer: str = "english"):
        self.analyzer = analyzer
        self.size = len(products)
        self.postings: dict[tuple[str, str], Posting] = {}
        for name in FIELDS:
            lengths = np.zeros(self.size, np.float32)
            gathered: dict[str, tuple[list, list]] = defaultdict(lambda: ([], []))
            for number, product in enumerate(products):
                terms = analyze(product.field(name), analyzer)
                lengths[number] = len(terms)
                for term, count in Counter(terms).items():
                    documents, counts = gathered[term]
                    documents.append(number)
                    counts.append(count)
            having = int((lengths > 0).sum())
            if not having:
                continue
            relative = lengths / lengths[lengths > 0].mean()
            for term, (documents, counts) in gathered.items():
                where = np.array(documents, np.int64)
                idf = math.log(1 + (having - len(where) + 0.5) / (len(where) + 0.5))
                self.postings[name, term] = Posting(
                    term, name, where, np.array(counts, np.float32), idf, relative[where]
                )

    def lookup(self, query: str) -> list[Posting]:
        """The postings of a query's terms, by term."""
        found = []
        for term in analyze(query, self.analyzer):
            for name in FIELDS:
                posting = self.postings.get((name, term))
                if posting is not None:
                    found.append(posting)
        return found

    def scores(self, query: str, search: TextSearch, postings: list[Posting] | None = None) -> np.ndarray:
        """The score of every product, 0 where no term matches."""
        fields = {field.name: field for field in search.fields if field.weight > 0}
        by_term: dict[str, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
        for posting in self.lookup(query) if postings is None else postings:
            field = fields.get(posting.field)
            if field is None:
                continue
            norm = field.k1 * (1 - field.b + field.b * posting.lengths)
            score = field.weight * posting.idf * posting.counts / (posting.counts + norm)
            by_term[posting.term].append((posting.products, score))
        total = np.zeros(self.size, np.float32)
        for parts in by_term.values():
            if len(parts) == 1:
                total[parts[0][0]] += parts[0][1]
                continue
            best, every = np.zeros(self.size, np.float32), np.zeros(self.size, np.float32)
            for where, score in parts:
                best[where] = np.maximum(best[where], score)
                every[where] += score
            total += best + search.tie_breaker * (every - best)
        return total

    def search(self, query: str, search: TextSearch, k: int = 100) -> list[tuple[int, float]]:
        """The best `k` products, best first, ties to the lower item index."""
        return top(self.scores(query, search), k)


def top(scores: np.ndarray, k: int, floor: float = 0.0) -> list[tuple[int, float]]:
    """The `k` highest scores above `floor` as (index, score), ties to the lower index."""
    found = np.flatnonzero(scores > floor)
    if len(found) > k:
        cut = np.partition(scores[found], len(found) - k)[len(found) - k]
        found = found[scores[found] >= cut]
    order = np.lexsort((found, -scores[found]))[:k]
    return [(int(found[i]), float(scores[found[i]])) for i in order]
