"""Agent4Ranking's rewrites (TOIS'25, 2312.15450): one query in the words of four personas.

The paper asks one language model to write as a persona and another to check that the information is the same. Here
a writer proposes (an OpenAI-compatible endpoint where one is configured, else the catalogue's own words in four
registers), and two checks that did not write decide: the text encoder's cosine of query and rewrite, and how much of
what they retrieve is the same. A proposal that fails is tried again, five times in all; then the query itself stays.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from . import beque
from .endpoint import Endpoint
from .text_index import analyze

PERSONAS = ("middle-aged-man", "middle-aged-woman", "student", "elder")
TRIES = 5
SAME_MEANING = 0.6
OVERLAP = 0.1
COMPARED = 50

_INSTRUCTION = (
    "You rewrite queries of a shop's search as a {persona} would type them, without changing what is asked for. "
    "Write one line, nothing else."
)
_EXAMPLES = {
    "middle-aged-man": [("drill", "cordless drill 18 v"), ("garden hose", "garden hose 25 m brass fittings")],
    "middle-aged-woman": [("drill", "light cordless drill for home"), ("curtains", "grey lined curtains bedroom")],
    "student": [("drill", "cheap drill"), ("desk lamp", "small desk lamp usb")],
    "elder": [("drill", "electric drill easy to hold"), ("kettle", "kettle with large handle")],
}


@dataclass(frozen=True)
class PersonaRewrite:
    """A row of the table."""

    query: str
    persona: str
    text: str
    same_meaning: float
    overlap: float


def from_endpoint(endpoint: Endpoint):
    """A writer that asks the endpoint, warmer at each attempt."""

    def write(query: str, persona: str, attempt: int) -> str | None:
        lines = endpoint.write(_INSTRUCTION.format(persona=persona), _EXAMPLES[persona], query, 32, attempt)
        return lines[0] if lines else None

    return write


class CatalogueWriter:
    """Writes in four registers with what the best products for the query say of themselves.

    The man names makes and figures, the woman colours and materials, the student types what the rewriter's beams
    say, the elder the plain name of the thing.
    """

    def __init__(self, products, phrases: list[str], search, beams: dict[str, list[str]]):
        self.products = products
        self.phrases = phrases
        self.search = search
        self.beams = beams
        self.kept: dict[str, dict[str, list[str]]] = {}

    def __call__(self, query: str, persona: str, attempt: int) -> str | None:
        if query not in self.kept:
            self.kept = {query: self._options(query)}
        options = self.kept[query][persona]
        return options[attempt] if attempt < len(options) else None

    def _options(self, query: str) -> dict[str, list[str]]:
        asked = set(analyze(query))
        figures, looks, names = Counter(), Counter(), Counter()
        for item in self.search(query)[:20]:
            product = self.products[item]
            if product.brand:
                figures[product.brand.lower()] += 1
            for value in product.attributes.values():
                if not isinstance(value, str) or not 2 < len(value) < 20 or "," in value:
                    continue
                register = figures if any(c.isdigit() for c in value) else looks
                register[value.lower()] += 1
            if self.phrases[item]:
                names[self.phrases[item]] += 1

        def new(counts: Counter) -> list[str]:
            return [text for text, _ in counts.most_common(12) if not asked.issuperset(analyze(text))][:TRIES]

        return {
            "middle-aged-man": [f"{text} {query}" for text in new(figures)],
            "middle-aged-woman": [f"{text} {query}" for text in new(looks)],
            "student": [text for text in self.beams.get(query, []) if analyze(text) != analyze(query)][:TRIES],
            "elder": new(names),
        }


def table(queries, writer, search, embed) -> list[PersonaRewrite]:
    """Four rows a query; a persona whose proposals all failed keeps the query, with both checks at 1."""
    rows = []
    for query in tqdm(list(dict.fromkeys(beque.normalise(query) for query in queries)), desc="personas", unit="query"):
        if not query:
            continue
        own = search(query)[:COMPARED]
        proposals: dict[str, np.ndarray] = {}
        vector = embed([query])[0]
        for persona in PERSONAS:
            row = PersonaRewrite(query, persona, query, 1.0, 1.0)
            for attempt in range(TRIES):
                text = writer(query, persona, attempt)
                text = beque.normalise(text) if text else ""
                if not text or text == query:
                    continue
                if text not in proposals:
                    proposals[text] = embed([text])[0]
                same = float(vector @ proposals[text])
                found = search(text)[:COMPARED]
                overlap = len(set(own) & set(found)) / max(1, min(len(own), len(found)))
                if same >= SAME_MEANING and (overlap >= OVERLAP or not own):
                    row = PersonaRewrite(query, persona, text, same, overlap)
                    break
            rows.append(row)
    return rows


def table_lines(rows: list[PersonaRewrite]) -> list[str]:
    return [f"{row.query}\t{row.persona}\t{row.text}\t{row.same_meaning:.4f}\t{row.overlap:.4f}" for row in rows]
