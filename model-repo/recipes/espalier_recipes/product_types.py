"""Product types, learnt from a catalogue's own words.

Where the catalogue has categories, a product's type is its leaf category. Elsewhere it is mined: every title names
its kind somewhere ("LCD monitor 190S8", "projector lamp for VPL-FX51"), so of the phrases of one to three words
that a title shares with others, the one whose meaning is nearest to the whole title (by the text encoder's
teacher) is the product's phrase. Words that are mostly values of the product's own attributes (colours,
"original") are no part of a phrase, nor are brands, nor what follows "for" or "with". A phrase's type is its last
word, or its last two where one word would gather too much of the catalogue. Phrases that end their run of words,
and those that are written in small letters where makes and models have capitals, are preferred. A product without a phrase takes the
type of its nearest neighbours by title and attribute names.

An accessory is a product that is made for another: its title goes on with "for …", an attribute names what it is
compatible with, or most of its type says so.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from .text_index import STOP_WORDS, analyze

_WORD = re.compile(r"[a-z][a-z'\-/]*[a-z]")
_TOKEN = re.compile(r"[^\s,;:()\[\]|]+|[,;:()\[\]|]")
_UNITS = frozenset("pc pcs cm mm gb mb tb kb mhz ghz pixels inch kg ft dpi mah hz rpm vs de la le el und with".split())
_FOR = frozenset(("for", "f/", "for:", "fits", "compatible", "suitable"))
_WITH = frozenset(("with", "w/", "incl", "including", "plus"))
_COMPATIBLE = re.compile(r"compatib|suitable|designed_for|fits_|works_with", re.I)
_ACCESSORY = re.compile(r"\b(accessor(y|ies)|spare parts?|replacements?|spares)\b", re.I)


@dataclass(frozen=True)
class Types:
    """`names[t]`; for each product its type `of[i]`, whether it is an accessory, and the phrase that named it."""

    names: list[str]
    of: np.ndarray
    accessory: np.ndarray
    phrases: list[str]

    def accessory_rate(self) -> np.ndarray:
        """The share of accessories among the products of each type."""
        count = np.bincount(self.of, minlength=len(self.names))
        return np.bincount(self.of, self.accessory, minlength=len(self.names)) / np.maximum(count, 1)


@dataclass(frozen=True)
class Run:
    """Words of a title that stand together, and whether they come after "for" or "with"."""

    words: tuple[str, ...]
    after_for: bool
    after_with: bool


def runs(title: str, brand: str) -> list[Run]:
    """A title cut at punctuation, numbers and stop words."""
    text = re.sub("[®™©]", "", title.lower())
    if brand and text.startswith(brand.lower()):
        text = text[len(brand) :]
    found, words, after_for, after_with = [], [], False, False

    def close():
        nonlocal words
        if words:
            found.append(Run(tuple(words), after_for, after_with))
        words = []

    for token in _TOKEN.findall(text):
        if token in _FOR or token in _WITH:
            close()
            after_for |= token in _FOR
            after_with |= token in _WITH
        elif _WORD.fullmatch(token) and token not in STOP_WORDS and token not in _UNITS:
            words.append(token)
        else:
            close()
    close()
    return found


def attribute_words(products, least: int = 3) -> set[str]:
    """Words that titles use as attribute values: colours, "original", "wired"."""
    inside, total = Counter(), Counter()
    for product in products:
        values = set()
        for key, value in product.attributes.items():
            if isinstance(value, str) and not key.endswith("product_type") and len(value) < 60:
                parts = (part.strip() for part in value.lower().split(","))
                values.update(part for part in parts if _WORD.fullmatch(part))
        for word in set(_WORD.findall(product.title.lower())):
            total[word] += 1
            inside[word] += word in values
    return {word for word, count in inside.items() if count >= least and count > 0.5 * total[word]}


def phrases_of(products, banned: set[str]) -> tuple[list[set[str]], Counter]:
    """The phrases of one to three words of each title, and how many titles hold each."""
    brand_words = _brand_words(products)
    common = Counter()
    each = []
    for product in products:
        own = set()
        for run in runs(product.title, product.brand):
            if run.after_for or run.after_with:
                continue
            words = run.words
            for size in (1, 2, 3):
                for start in range(len(words) - size + 1):
                    part = words[start : start + size]
                    if part[-1] in banned or part[0] in banned or part[-1] in brand_words:
                        continue
                    own.add(" ".join(part))
        each.append(own)
        common.update(own)
    return each, common


def _brand_words(products) -> set[str]:
    """Words that mostly stand in titles of the brand that has them: "acme", not the "case" of "Case Logic"."""
    inside, total = Counter(), Counter()
    for product in products:
        brand = set(product.brand.lower().split())
        for word in set(product.title.lower().split()):
            total[word] += 1
            inside[word] += word in brand
    return {word for word, count in inside.items() if count > 0.5 * total[word]}


def _explicit_accessory(product) -> bool:
    if any(run.after_for for run in runs(product.title, product.brand)):
        return True
    if _ACCESSORY.search(product.title) or _ACCESSORY.search(product.category):
        return True
    return any(_COMPATIBLE.search(key) and "operating" not in key for key in product.attributes)


def _leaf(category: str) -> str:
    return re.split(r"\s*[>/|]\s*", category.strip())[-1].lower()


def learn(products, title_vectors: np.ndarray, embed, smallest: int = 5) -> Types:
    """Types of the products; `embed` gives teacher vectors of phrases, `title_vectors` those of the titles."""
    labels, phrases = _from_categories(products) or _from_titles(products, title_vectors, embed, smallest)
    labels = _merge_small(labels, smallest)
    labels = _fill(products, labels, title_vectors)
    names = sorted(set(labels))
    number = {name: index for index, name in enumerate(names)}
    of = np.array([number[label] for label in labels], np.int64)
    explicit = np.array([_explicit_accessory(product) for product in products], float)
    count = np.bincount(of, minlength=len(names))
    rate = np.bincount(of, explicit, minlength=len(names)) / np.maximum(count, 1)
    accessory = (explicit > 0) | (rate[of] > 0.5)
    return Types(names, of, accessory.astype(np.int64), phrases)


def _from_categories(products):
    leaves = [_leaf(product.category) for product in products]
    if sum(map(bool, leaves)) < 0.5 * len(products) or len(set(leaves)) < 3:
        return None
    return leaves, list(leaves)


def _from_titles(products, title_vectors, embed, smallest):
    banned = attribute_words(products)
    each, common = phrases_of(products, banned)
    vocabulary = sorted(phrase for phrase, count in common.items() if count >= smallest)
    if not vocabulary:
        return ["product"] * len(products), [""] * len(products)
    vectors = embed(vocabulary)
    number = {phrase: index for index, phrase in enumerate(vocabulary)}
    follows = _ends(products, banned)
    lower = _lower_case(products, set(vocabulary))
    chosen = []
    for product, own, vector in zip(products, each, title_vectors, strict=True):
        declared = product.attributes.get("product_type")
        if isinstance(declared, str) and _WORD.match(declared.lower()):
            chosen.append(declared.lower().strip())
            continue
        best, best_score = "", 0.3
        for phrase in own:
            index = number.get(phrase)
            if index is not None:
                score = float(vector @ vectors[index]) + 0.2 * follows.get(phrase, 0.0) + 0.4 * lower[phrase]
                if score > best_score:
                    best, best_score = phrase, score
        chosen.append(best)
    return _heads(chosen, len(products)), chosen


def _ends(products, banned) -> dict[str, float]:
    """How often a phrase ends its run of words: heads do, modifiers do not."""
    total, ends = Counter(), Counter()
    for product in products:
        for run in runs(product.title, product.brand):
            words = run.words
            while words and words[-1] in banned:
                words = words[:-1]
            for size in (1, 2, 3):
                for start in range(len(words) - size + 1):
                    phrase = " ".join(words[start : start + size])
                    total[phrase] += 1
                    ends[phrase] += start + size == len(words)
    return {phrase: ends[phrase] / count for phrase, count in total.items()}


def _lower_case(products, vocabulary: set[str]) -> dict[str, float]:
    """How often a phrase is written in small letters in titles that have capitals: names of makes and models are not."""
    total, lower = Counter(), Counter()
    for product in products:
        title = product.title
        if title == title.lower() or title == title.upper():
            continue
        for run in runs(title, product.brand):
            for size in (1, 2, 3):
                for start in range(len(run.words) - size + 1):
                    phrase = " ".join(run.words[start : start + size])
                    if phrase in vocabulary:
                        total[phrase] += 1
                        lower[phrase] += phrase in title
    return {phrase: lower[phrase] / max(1, total[phrase]) for phrase in vocabulary}


def _singular(word: str) -> str:
    return analyze(word)[0] if len(word) > 3 and word.isalpha() and analyze(word) else word


def _heads(phrases: list[str], size: int) -> list[str]:
    """The last word of each phrase, or the last two where the last word alone is too common."""
    spelt = defaultdict(Counter)
    keys = []
    for phrase in phrases:
        words = phrase.split()
        key = tuple(_singular(word) for word in words)
        keys.append(key)
        for cut in (1, 2):
            if len(words) >= cut:
                spelt[key[-cut:]][" ".join(words[-cut:])] += 1
    heads = Counter(key[-1:] for key in keys if key)
    wide = {head for head, count in heads.items() if count > max(30, size // 100)}
    pairs = Counter(key[-2:] for key in keys if len(key) >= 2)
    labels = []
    for key in keys:
        if not key:
            labels.append("")
            continue
        cut = key[-1:]
        if cut in wide and len(key) >= 2 and pairs[key[-2:]] >= max(10, size // 1000):
            cut = key[-2:]
        labels.append(spelt[cut].most_common(1)[0][0])
    return labels


def _merge_small(labels: list[str], smallest: int) -> list[str]:
    count = Counter(labels)
    merged = []
    for label in labels:
        if label and count[label] < smallest:
            last = label.split()[-1]
            label = last if count.get(last, 0) >= smallest else ""
        merged.append(label)
    return merged if any(merged) else labels


def _fill(products, labels: list[str], title_vectors: np.ndarray) -> list[str]:
    """Products without a label take that of their neighbours (title vector and attribute names)."""
    missing = [row for row, label in enumerate(labels) if not label]
    known = [row for row, label in enumerate(labels) if label]
    if not missing:
        return labels
    if not known:
        return ["product"] * len(labels)
    keys = Counter(key for product in products for key in product.attributes)
    columns = {key: index for index, (key, count) in enumerate(keys.most_common(400)) if count >= 3}
    shape = np.zeros((len(products), max(1, len(columns))), np.float32)
    for row, product in enumerate(products):
        for key in product.attributes:
            if key in columns:
                shape[row, columns[key]] = np.log(len(products) / keys[key])
    shape /= np.maximum(np.linalg.norm(shape, axis=1, keepdims=True), 1e-6)
    features = np.hstack([title_vectors, 0.7 * shape]).astype(np.float32)
    filled = list(labels)
    known_features = features[known]
    for start in range(0, len(missing), 512):
        rows = missing[start : start + 512]
        near = features[rows] @ known_features.T
        best = np.argpartition(-near, min(8, near.shape[1] - 1), axis=1)[:, :8]
        for place, row in enumerate(rows):
            votes = Counter()
            for neighbour in best[place]:
                votes[labels[known[neighbour]]] += float(near[place, neighbour]) ** 4
            filled[row] = votes.most_common(1)[0][0]
    return filled
