"""The search route as it is served, offline: rewrites, sources, merge, features, weights.

It mirrors the router's `rrf` merge and the features of docs/decisions/0005-search-features.md.
"""

from dataclasses import dataclass, field

import numpy as np

from .search_tuning import FEATURES, Candidates
from .text_index import FIELDS, TextIndex, TextSearch, analyze, top

TEXT_K, DENSE_K, MERGED, RRF_K = 300, 200, 400, 60
BEQUE_WEIGHT, PERSONA_WEIGHT, MAX_REWRITES = 0.5, 0.3, 7


def term_hash(term: str) -> int:
    """32-bit FNV-1a over UTF-8, as a signed integer."""
    value = 0x811C9DC5
    for byte in term.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def item_terms(products, analyzer: str, fields=FIELDS) -> list[np.ndarray]:
    """The hashes of each product's distinct terms in some fields, rising."""
    rows = []
    for product in products:
        terms = {term for name in fields for term in analyze(product.field(name), analyzer)}
        rows.append(np.array(sorted(map(term_hash, terms)), "<i4"))
    return rows


def terms_bytes(rows: list[np.ndarray]) -> bytes:
    """The content of item_terms.bin and title_terms.bin."""
    return b"".join(np.int32(len(row)).astype("<i4").tobytes() + row.astype("<i4").tobytes() for row in rows)


@dataclass
class SearchRoute:
    """What a route's bundles hold, in memory."""

    index: TextIndex
    search: TextSearch
    item_vectors: np.ndarray
    query_vectors: object  # queries -> [n, WIDTH]
    type_log_probs: object  # queries -> [n, T]
    type_of: np.ndarray
    accessory: np.ndarray
    terms: list[np.ndarray]
    titles: list[np.ndarray]
    rewrites: dict = field(default_factory=dict)  # query -> [(text, list weight)]
    type_floor: float = 6.0

    def __post_init__(self):
        types = int(self.type_of.max()) + 1
        count = np.bincount(self.type_of, minlength=types)
        self.rate = np.bincount(self.type_of, self.accessory, minlength=types) / np.maximum(count, 1)

    def bm25(self, query: str, k: int = TEXT_K) -> list[tuple[int, float]]:
        return self.index.search(query, self.search, k)

    def candidates(self, queries: list[str], rewriting: bool = True) -> list[Candidates]:
        """The candidates of each query with their features."""
        vectors = self.query_vectors(queries)
        log_probs = self.type_log_probs(queries)
        return [
            self._one(query, vectors[i], log_probs[i], self.rewrites.get(query, []) if rewriting else [])
            for i, query in enumerate(queries)
        ]

    def _answered(self, text: str, items: np.ndarray, terms: list[np.ndarray]) -> np.ndarray:
        """The share of a text's terms that are among each item's `terms`."""
        asked = {term_hash(term) for term in analyze(text, self.index.analyzer)}
        if not asked:
            return np.zeros(len(items))
        wanted = np.array(sorted(asked), "<i4")
        return np.array([np.isin(wanted, terms[item]).mean() for item in items])

    def _one(self, query, vector, log_probs, rewrites) -> Candidates:
        own = self.bm25(query)
        cosine = self.item_vectors @ vector
        dense = top(cosine, DENSE_K, -2.0)
        found = [(self.bm25(text), weight) for text, weight in rewrites]
        merged: dict[int, float] = {}
        for ranked, weight in [(own, 1.0), (dense, 1.0), *found]:
            for place, (item, _) in enumerate(ranked):
                merged[item] = merged.get(item, 0.0) + weight / (RRF_K + place + 1)
        items = np.array(sorted(merged, key=lambda item: (-merged[item], item))[:MERGED], np.int64)
        features = np.zeros((len(items), len(FEATURES)))
        if not len(items):
            return Candidates(items, features)
        row_of = {int(item): row for row, item in enumerate(items)}
        for item, score in own:
            if item in row_of:
                features[row_of[item], 0] = score / own[0][1]
        answered = self._answered(query, items, self.terms)
        left = 1 - answered
        likely = np.maximum(log_probs[self.type_of[items]] - log_probs.max(), -self.type_floor)
        features[:, 1] = np.maximum(cosine[items], 0.0) * left
        features[:, 2] = (1 + likely / self.type_floor) * left
        features[:, 3] = answered
        intent = float(np.exp(log_probs) @ self.rate)
        features[:, 4] = -self.accessory[items] * (1 - intent)
        for text, _ in rewrites:
            whole = self._answered(text, items, self.terms) >= 1
            features[:, 5] = np.maximum(features[:, 5], whole * left)
        features[:, 6] = self._answered(query, items, self.titles)
        return Candidates(items, features)


def rewrites_of(queries: list[str], table, personas, beams, most: int = 3) -> dict:
    """Rewrites of each query with their lists' weights: table rows, else the model's beams; then personas."""
    from . import beque

    rows: dict[str, list[str]] = {}
    for row in table:
        rows.setdefault(row.query, []).append(row.text)
    spoken: dict[str, list[str]] = {}
    for row in personas:
        spoken.setdefault(row.query, []).append(row.text)
    found = {}
    for query in queries:
        key = beque.normalise(query)
        own = rows.get(key) or [text for text, _ in beams(key)]
        kept: dict[str, float] = {}
        for text in own[: most + 1]:
            if beque.adds(key, text) and len(kept) < most:
                kept.setdefault(text, BEQUE_WEIGHT)
        for text in spoken.get(key, []):
            if text != key:
                kept.setdefault(text, PERSONA_WEIGHT)
        found[query] = list(kept.items())[:MAX_REWRITES]
    return found


def route_file(name: str, version: int) -> str:
    """The route, as docs/routes.md defines it."""
    at = f"@{version}"
    return f"""name: {name}-search
kind: search
default: true
deadline: 500ms

rewriters:
  - {{bundle: {name}-beque{at}, max: 3, budget: {{share: 0.25, max: 60ms}}, weight: {BEQUE_WEIGHT}}}
  - {{bundle: {name}-personas{at}, max: 4, budget: {{share: 0.25, max: 40ms}}, weight: {PERSONA_WEIGHT}}}
max_rewrites: {MAX_REWRITES}

sources:
  - {{bundle: {name}-textindex{at}, k: {TEXT_K}, use_rewrites: true}}
  - {{bundle: {name}-dense{at}, k: {DENSE_K}}}

merge: {{method: ranker}}

ranking: {{bundle: {name}-ranker{at}, candidates: {MERGED}}}

ladder:
  - {{below: 200ms, skip: [rewrite]}}
  - {{below: 60ms, skip: [rewrite, ranking]}}
  - {{below: 25ms, skip: [rewrite, ranking], answer: cached}}
"""
