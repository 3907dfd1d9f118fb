"""TransRec's offline decode: n-grams by beam search over a suffix array, then grounding.

The servers search an FM-index; this finds the same ranges by sorting all suffixes, so that either checks the other.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from tqdm import tqdm

from . import grounding, transrec
from .transrec_corpus import Corpus, Facet


def suffix_array(text: np.ndarray) -> np.ndarray:
    """Places in the order of the suffixes that begin there, by doubling what is compared; a text's end comes first."""
    rank = np.unique(text, return_inverse=True)[1].ravel()
    width, length = 1, len(text)
    while True:
        after = np.full(length, -1)
        after[:-width] = rank[width:]
        order = np.lexsort((after, rank))
        differs = (np.diff(rank[order]) != 0) | (np.diff(after[order]) != 0)
        rank = np.empty(length, dtype=np.int64)
        rank[order] = np.concatenate(([0], np.cumsum(differs)))
        width *= 2
        if rank.max(initial=0) == length - 1 or width >= length:
            return order


class Index:
    """What follows an n-gram, how often it occurs and in which items."""

    def __init__(self, corpus: Corpus):
        self.corpus = corpus
        self.text, self.owner = corpus.text()
        self.size = int((self.owner >= 0).sum())
        self.order = suffix_array(self.text)
        backwards = suffix_array(self.text[::-1])
        # By place: where the text up to it stands among all such, read backwards: the order of rows.
        self.row = np.empty(len(self.text), dtype=np.int64)
        self.row[len(self.text) - 1 - backwards] = np.arange(len(self.text))
        self.documents = [corpus.document(item).tolist() for item in range(len(corpus.ids))]
        self._after: dict = {}
        self._places: dict = {}

    def after(self, low: int, high: int, depth: int):
        """Tokens that follow the n-gram of a range, ascending, and where the ranges that they make begin."""
        key = (low, high, depth)
        if key not in self._after:
            following = self.text[np.minimum(self.order[low:high] + depth, len(self.text) - 1)]
            tokens, starts = np.unique(following, return_index=True)
            self._after[key] = tokens.tolist(), (low + starts).tolist() + [high]
        return self._after[key]

    def places(self, low: int, high: int, length: int, most: int, seen: set[int]) -> set[int]:
        """Items of the first rows of a range that are not those of items seen."""
        # Of those no more rows can be than they have tokens.
        wanted = min(high - low, most + sum(len(self.documents[item]) for item in seen))
        key = (low, high, length)
        if key not in self._places or len(self._places[key]) < wanted:
            found = self.order[low:high]
            rows = self.row[found + length - 1]
            self._places[key] = self.owner[found[np.argsort(rows)[:wanted]]]
        owners = self._places[key]
        return set(owners[~np.isin(owners, list(seen))][:most].tolist())

    def owners(self, low: int, high: int) -> np.ndarray:
        return self.owner[self.order[low:high]]


class Search:
    """The n-grams of one user's facets; `logits` of a step are asked for from outside."""

    def __init__(self, index: Index, facet: Facet, beam: int, seen: set[int]):
        self.index, self.facet, self.beam, self.seen = index, facet, beam, seen
        self.seen_tokens = sum(len(index.documents[item]) for item in seen)
        self.ngrams: list[tuple[tuple[int, ...], float, tuple[int, int]]] = []
        whole = (0, len(index.text))
        if facet.written:
            tokens, starts = index.after(*whole, 0)
            at = tokens.index(facet.start)
            whole = (starts[at], starts[at + 1])
        self.tokens: list[tuple[int, ...]] = [(facet.start,) if facet.written else ()]
        self.ranges, self.scores, self.body = [whole], [0.0], 0

    def legal(self, low: int, high: int) -> bool:
        if high - low > self.seen_tokens:
            return True
        return any(int(item) not in self.seen for item in self.index.owners(low, high))

    def step(self, log_probs: np.ndarray) -> list[tuple[int, int]]:
        """Takes each beam's log_probs [W, V]; gives (beam it continues, token) of those that go on."""
        facet, candidates = self.facet, []
        for beam, (tokens, (low, high)) in enumerate(zip(self.tokens, self.ranges)):
            following, starts = self.index.after(low, high, len(tokens))
            for at, token in enumerate(following):
                end = token == facet.end and self.body > 0
                if end or facet.low <= token < facet.high:
                    value = self.scores[beam] + float(log_probs[beam, token])
                    candidates.append((-value, beam, token, starts[at], starts[at + 1]))
        candidates.sort()
        kept = []
        for candidate in candidates:
            if len(kept) == self.beam:
                break
            if self.legal(*candidate[3:]):
                kept.append(candidate)
        self.body += 1
        going = []
        for negative, beam, token, low, high in kept:
            tokens = self.tokens[beam] + (token,)
            if token == facet.end or facet.end < 0:
                self.ngrams.append((tokens, -negative, (low, high)))
            if token != facet.end and len(tokens) < facet.most:
                going.append((beam, token, tokens, (low, high), -negative))
        if facet.end >= 0:
            self.ngrams = sorted(self.ngrams, key=lambda n: (-n[1], n[0]))[: self.beam]
            if len(self.ngrams) == self.beam:
                going = [g for g in going if g[4] > self.ngrams[-1][1]]
        going.sort(key=lambda g: g[:2])
        self.tokens, self.ranges = [g[2] for g in going], [g[3] for g in going]
        self.scores = [g[4] for g in going]
        return [g[:2] for g in going]


@torch.no_grad()
def ngrams(model: transrec.TransRec, index: Index, users: torch.Tensor, histories, beam: int):
    """By user and facet: n-grams, their log-probabilities and ranges."""
    facets = index.corpus.vocabulary.facets()
    searches = [Search(index, facet, beam, set(map(int, h))) for h in histories for facet in facets]
    rows = [(number, 0, facets[number % 3].start) for number in range(len(searches))]
    user = users.repeat_interleave(3, 0)
    state = torch.zeros(len(rows), model.shape.state)
    while rows:
        owner = torch.tensor([row[0] for row in rows])
        log_probs, new = model.step(user[owner], torch.tensor([row[2] for row in rows]), state)
        log_probs = log_probs.numpy()
        grown, keep, at = [], [], 0
        while at < len(rows):
            number, stop = rows[at][0], at
            while stop < len(rows) and rows[stop][0] == number:
                stop += 1
            for beam_, token in searches[number].step(log_probs[at:stop]):
                grown.append((number, beam_, token))
                keep.append(at + beam_)
            at = stop
        rows = grown
        state = new[torch.tensor(keep, dtype=torch.long)]
    return [[searches[3 * user_ + facet].ngrams for facet in range(3)] for user_ in range(len(histories))]


def ground(index: Index, found, seen: set[int], settings: grounding.Settings, k: int, fully: int | None = None):
    """Items and scores, best first; equal scores by the lower item."""
    weighed: dict[tuple[int, ...], tuple[float, tuple[int, int]]] = {}
    for facet in range(3):
        for tokens, log_prob, (low, high) in found[facet]:
            own = grounding.weight(facet, log_prob, high - low, index.size, settings)
            if own > 0:
                weighed[tokens] = own, (low, high)
    first: dict[int, float] = defaultdict(float)
    for tokens, (own, (low, high)) in sorted(weighed.items()):
        for item in index.places(low, high, len(tokens), settings.rows, seen):
            first[item] += own
    best = sorted(first, key=lambda item: (-first[item], item))[: fully or settings.items]
    weights = {tokens: own for tokens, (own, _) in weighed.items()}
    scored = [(-grounding.score(index.documents[item], weights, settings.beta), item) for item in best]
    return [(item, -negative) for negative, item in sorted(scored)[:k]]


def decode_all(model, index: Index, users: torch.Tensor, histories, beam: int, batch: int = 48):
    found = []
    for start in tqdm(range(0, len(histories), batch), desc="n-grams", unit="batch"):
        part = slice(start, start + batch)
        found += ngrams(model, index, users[part], histories[part], beam)
    return found
