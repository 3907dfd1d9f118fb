"""Short texts that people could type into a search box over this catalogue, made of its own words.

Queries that were judged are never among the sources: titles, descriptions, attributes, categories, brands, and the
training split of a query log where the folder has one.
"""

import re
from collections import Counter

from .product_types import runs
from .text_index import STOP_WORDS

_WORD = re.compile(r"[a-z0-9][a-z0-9'\-/+.]*[a-z0-9]|[a-z0-9]")


def words(text: str) -> list[str]:
    """Lower-case words, with the digits and inner marks that model names have."""
    return _WORD.findall(text.lower())


def phrases(products, most: int = 40000, least: int = 3) -> list[str]:
    """N-grams of titles (1 to 4 words), descriptions and attribute values (1 to 3), the commonest first."""
    count = Counter()
    for product in products:
        own = set()
        for run in runs(product.title, ""):
            own.update(_grams(run.words, 4))
        tokens = words(product.description[:400])
        own.update(gram for gram in _grams(tokens, 3) if _typed(gram))
        for value in product.attributes.values():
            if isinstance(value, str) and len(value) < 80:
                own.update(gram for gram in _grams(words(value), 2) if _typed(gram))
        if product.brand:
            own.add(product.brand.lower())
        for part in re.split(r"\s*[>/|]\s*", product.category.lower()):
            if part:
                own.add(part)
        count.update(own)
    kept = [(number, phrase) for phrase, number in count.items() if number >= least]
    kept.sort(key=lambda pair: (-pair[0], pair[1]))
    return [phrase for _, phrase in kept[:most]]


def _grams(tokens, longest: int):
    tokens = tuple(tokens)
    for size in range(1, longest + 1):
        for start in range(len(tokens) - size + 1):
            yield " ".join(tokens[start : start + size])


def _typed(gram: str) -> bool:
    tokens = gram.split()
    if tokens[0] in STOP_WORDS or tokens[-1] in STOP_WORDS or len(gram) < 2:
        return False
    return not all(token[0].isdigit() for token in tokens)
