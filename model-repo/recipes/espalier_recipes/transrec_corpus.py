"""TransRec's corpus: each item as one string of tokens, in which its three facets can be told apart.

    || code … code ## category @@ title <end>

An item without a semantic id begins with `##`. Category and title share the tokens of a small byte-pair vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .data import Item

END, ID, ATTRIBUTE, TITLE = 0, 1, 2, 3  # END stands between items; `||`, `##` and `@@` are the marks
START = 4  # what a title is begun with: it is read, and is in no item
_MARKS = 5
CATEGORY_PARTS, CATEGORY_TOKENS, TITLE_TOKENS = 2, 13, 64
ID_MOST, ATTRIBUTE_MOST, TITLE_MOST = 10, 15, 10  # tokens of an n-gram, marks included


def train_tokenizer(texts, vocabulary: int):
    """Byte-pair tokens of lower-case words; all that is no letter or digit parts words."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[^\p{L}\p{N}]+"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=["<unk>"], show_progress=False, min_frequency=2, limit_alphabet=120
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def category_text(item: Item) -> str:
    return " ".join(item.category[-CATEGORY_PARTS:])


@dataclass(frozen=True)
class Facet:
    """Which tokens an n-gram of a facet is made of."""

    name: str
    start: int  # the token that the decoder reads first
    written: bool  # whether that token is part of the n-gram
    low: int
    high: int  # tokens low … high − 1 may follow
    end: int  # the token that ends an n-gram; −1: every prefix is one
    most: int


@dataclass(frozen=True)
class Vocabulary:
    levels: int
    codes: int  # a level
    texts: int

    @property
    def first_text(self) -> int:
        return _MARKS + self.levels * self.codes

    @property
    def size(self) -> int:
        return self.first_text + self.texts

    def facets(self) -> tuple[Facet, Facet, Facet]:
        text = (self.first_text, self.size)
        return (
            Facet("id", ID, True, _MARKS, self.first_text, ATTRIBUTE, ID_MOST),
            Facet("attribute", ATTRIBUTE, True, *text, TITLE, ATTRIBUTE_MOST),
            Facet("title", START, False, *text, -1, TITLE_MOST),
        )


@dataclass(frozen=True)
class Corpus:
    vocabulary: Vocabulary
    ids: np.ndarray  # [n, L] tokens of the codes
    categories: list[np.ndarray]
    titles: list[np.ndarray]

    @staticmethod
    def of(items, codes: np.ndarray, size: int, tokenizer) -> "Corpus":
        vocabulary = Vocabulary(codes.shape[1], size, tokenizer.get_vocab_size())

        def tokens(texts, most):
            first = vocabulary.first_text
            return [
                np.array(found.ids[:most], dtype=np.int64) + first for found in tokenizer.encode_batch(list(texts))
            ]

        return Corpus(
            vocabulary,
            _MARKS + np.arange(codes.shape[1]) * size + codes,
            tokens(map(category_text, items), CATEGORY_TOKENS),
            tokens((item.title for item in items), TITLE_TOKENS),
        )

    def document(self, item: int) -> np.ndarray:
        parts = ([ID], self.ids[item], [ATTRIBUTE], self.categories[item], [TITLE], self.titles[item])
        return np.concatenate([np.asarray(part, dtype=np.int64) for part in parts])

    def text(self) -> tuple[np.ndarray, np.ndarray]:
        """All items one after the other, END before each and after the last; the item of each place (END: −1)."""
        tokens, owners = [np.array([END])], [np.array([-1])]
        for item in range(len(self.ids)):
            document = self.document(item)
            tokens += [document, np.array([END])]
            owners += [np.full(len(document), item), np.array([-1])]
        return np.concatenate(tokens), np.concatenate(owners)
