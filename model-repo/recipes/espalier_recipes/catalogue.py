"""A data folder's catalogue, as the search recipes read it: products, judgments, queries, lexicons."""

import csv
import gzip
import hashlib
import html
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

_TAG = re.compile(r"<[^>]+>")


def clean(text) -> str:
    """A text without mark-up or runs of blanks."""
    return " ".join(_TAG.sub(" ", html.unescape(str(text))).split())


@dataclass(frozen=True)
class Product:
    """One product: every part but the id may be missing."""

    id: str
    title: str = ""
    brand: str = ""
    category: str = ""
    description: str = ""
    attributes: dict = field(default_factory=dict)

    def text(self) -> str:
        """What names the product: its title, or the best that stands in for one."""
        return self.title or " ".join(filter(None, (self.brand, self.category))) or self.description[:200] or self.id

    def field(self, name: str) -> str:
        """The text of a searchable field; attributes are their names and values, underscores as blanks."""
        if name == "attributes":
            return " ".join(f"{key.replace('_', ' ')} {value}" for key, value in self.attributes.items())
        return getattr(self, name)


@dataclass(frozen=True)
class Judgments:
    """Graded products by query: `grades[query][product id]`."""

    grades: dict

    def queries(self) -> list[str]:
        return sorted(self.grades)


def _category(value) -> str:
    if isinstance(value, (list, tuple)):
        return " > ".join(str(part) for part in value)
    return "" if value is None else str(value)


def items_file(data: Path) -> Path:
    for name in ("products.jsonl", "items.jsonl", "products.jsonl.gz", "items.jsonl.gz"):
        if (data / name).is_file():
            return data / name
    raise FileNotFoundError(f"{data}: no products.jsonl or items.jsonl")


def read_products(data: Path) -> list[Product]:
    path = items_file(data)
    opener = gzip.open if path.suffix == ".gz" else open
    products = []
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            raw = json.loads(line)
            identifier = next((raw[key] for key in ("asin", "id", "item") if raw.get(key) is not None), None)
            if identifier is None:
                raise ValueError(f"{path}:{number}: no id (expected: asin, id or item)")
            products.append(
                Product(
                    str(identifier),
                    clean(raw.get("title") or ""),
                    clean(raw.get("brand") or ""),
                    _category(raw.get("category")),
                    clean(raw.get("description") or ""),
                    {k: v for k, v in (raw.get("attributes") or {}).items() if v is not None},
                )
            )
    return products


def fingerprint(products) -> str:
    digest = hashlib.sha256()
    for product in products:
        digest.update(product.id.encode() + b"\n")
    return "sha256:" + digest.hexdigest()


def read_judgments(data: Path) -> Judgments | None:
    path = data / "judgments.tsv"
    if not path.is_file():
        return None
    grades: dict[str, dict[str, int]] = {}
    with open(path, encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            grades.setdefault(row["query"], {})[row["id"]] = int(float(row["grade"]))
    return Judgments(grades)


def read_lexicon(path: Path) -> list[tuple[str, str]]:
    """Pairs (written, meant) of a `lexicon.tsv`, or of a codespell dictionary (`written->meant[, meant,]`)."""
    pairs = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if "\t" in line:
                written, meant = line.split("\t")[:2]
                pairs.append((written.strip().lower(), meant.strip().lower()))
            elif "->" in line:
                written, meant = line.split("->", 1)
                # an entry with several meanings ends with a comma or a reason: the first meaning is the commonest
                first = meant.split(",")[0].strip().lower()
                if first:
                    pairs.append((written.strip().lower(), first))
    return pairs


@dataclass(frozen=True)
class Log:
    """What was bought after each logged query, by split: `train[query][product id]` = how often."""

    train: dict
    test: dict


def read_log(data: Path) -> Log | None:
    path = data / "queries.tsv"
    if not path.is_file():
        return None
    splits: dict[str, dict[str, dict[str, int]]] = {"train": {}, "test": {}}
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            parts = line.rstrip("\n").split("\t")
            if number == 1 and parts[0] == "split":
                continue
            if len(parts) < 4 or parts[0] not in splits:
                raise ValueError(f"{path}:{number}: {line[:60]!r} (expected: train|test, query, count, bought id)")
            bought = splits[parts[0]].setdefault(parts[1], {})
            for item in filter(None, parts[3].replace(",", " ").split()):
                bought[item] = bought.get(item, 0) + int(parts[2] or 1)
    return Log(splits["train"], splits["test"])
