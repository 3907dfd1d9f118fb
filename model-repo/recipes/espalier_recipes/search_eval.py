"""python -m espalier_recipes eval-search --data DIR --out DIR

Evaluates a folder's search bundles offline as they are served (the exported graphs, the same merge and features):
`bm25` (the text index alone), `no-rewrite` (text and dense sources, ranker) and `route` (all of it). NDCG@10 has gain
2^grade − 1 and its ideal over all judged products, mean over the queries with a positive grade. Where a bundle has no
rewrite table, one is made of the model's beams, without reading a grade. A folder without judgments but with a log is
judged by the purchases of its test split.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import yaml

from . import agent4ranking, beque, catalogue, export, search_metrics, search_ranker, search_route
from . import search_tuning, seq2seq, text_encoder
from .text_index import Field, TextIndex, TextSearch


class Bundles:
    """The newest search bundles of a catalogue in a model repository."""

    def __init__(self, repository: Path, products, name: str | None = None):
        self.repository = repository
        wanted = catalogue.fingerprint(products)
        self.of: dict[str, tuple[Path, dict]] = {}
        for path in sorted(repository.glob("bundles/*/*/bundle.yaml"), key=lambda p: (p.parts[-3], int(p.parts[-2]))):
            manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
            if manifest["data"].get("fingerprint") == wanted and name in (None, manifest["data"]["name"]):
                self.of[manifest["system"]] = (path.parent, manifest)
        missing = {"MiniLM", "DenseText", "TextIndex", "SearchRanker", "BEQUE"} - self.of.keys()
        if missing:
            raise FileNotFoundError(f"{repository}: no {', '.join(sorted(missing))} bundle for this catalogue (train it)")

    def parameters(self, system: str) -> dict:
        return self.of[system][1].get("parameters", {})

    def file(self, system: str, part: str) -> Path | None:
        folder, manifest = self.of[system]
        name = manifest.get("files", {}).get(part)
        return folder / name if name else None

    def model(self, system: str, part: str):
        return export.session(self.repository / "models" / self.of[system][1]["models"][part] / "1" / "model.onnx")


def _run(session, tokenizer, texts: list[str]) -> np.ndarray:
    encoded = text_encoder.Encoded(tokenizer, texts, 4096)
    rows = None
    for numbers in encoded.batches():
        ids, mask = encoded.tensors(numbers)
        found = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
        if rows is None:
            rows = np.zeros((len(texts), found.shape[1]), np.float32)
        rows[numbers] = found
    return rows if rows is not None else np.zeros((0, 1), np.float32)


class Served:
    """The bundles' models and tables."""

    def __init__(self, repository: Path, data: Path, name: str | None = None):
        from tokenizers import Tokenizer

        self.products = catalogue.read_products(data)
        self.ids = [product.id for product in self.products]
        self.bundles = bundles = Bundles(repository, self.products, name)
        fields = tuple(Field(**field) for field in bundles.parameters("TextIndex")["fields"])
        own = bundles.parameters("TextIndex")
        self.search = TextSearch(fields, float(own.get("tie_breaker", 0.0)), own.get("analyzer", "english"))
        self.index = TextIndex(self.products, self.search.analyzer)
        self.vectors = np.load(bundles.file("DenseText", "item_vectors")).astype(np.float32)
        self.encoder = bundles.model("MiniLM", "encode")
        self.tokenizer = text_encoder.load_tokenizer(bundles.file("MiniLM", "tokenizer"))
        self.query = bundles.model("SearchRanker", "query")
        self.query_tokenizer = search_ranker.load_tokenizer(bundles.file("SearchRanker", "tokenizer"))
        rows = [line.split("\t") for line in _lines(bundles.file("SearchRanker", "item_types"))]
        self.types = np.array([int(row[1]) for row in rows])
        self.accessory = np.array([int(row[2]) for row in rows])
        self.type_names = _lines(bundles.file("SearchRanker", "types"))
        weights = bundles.parameters("SearchRanker")["weights"]
        self.weights = np.array([float(weights.get(feature, 0.0)) for feature in search_tuning.FEATURES])
        self.seq2seq = seq2seq.Served(bundles.model("BEQUE", "encoder"), bundles.model("BEQUE", "decoder"))
        self.bpe = Tokenizer.from_file(str(bundles.file("BEQUE", "tokenizer")))
        self.least = float(bundles.parameters("BEQUE").get("min_log_prob", -1e9))

    def embed(self, texts: list[str]) -> np.ndarray:
        return _run(self.encoder, self.tokenizer, texts)

    def type_log_probs(self, texts: list[str]) -> np.ndarray:
        return _run(self.query, self.query_tokenizer, texts)

    def found(self, query: str) -> list[int]:
        return [item for item, _ in self.index.search(query, self.search, beque.RETRIEVED)]

    def beams(self, query: str) -> list[tuple[str, float]]:
        found = seq2seq.beams(self.seq2seq, self.bpe, [query], 4)[0]
        return [(text, score) for text, score in found if score >= self.least]

    def table(self, queries: list[str], simulator) -> list[beque.Rewrite]:
        """The bundle's table, or one made now."""
        path = self.bundles.file("BEQUE", "table")
        if path is None:
            mine = self.mine()
            writers = [lambda query: mine.options(query, self.embed([query])[0])]
            return beque.table(self.seq2seq, self.bpe, queries, simulator, writers=writers, least=self.least)
        rows = [line.split("\t") for line in _lines(path)]
        return [beque.Rewrite(row[0], row[1], beque.Scores(*map(float, row[2:5]))) for row in rows]

    def bought(self, log) -> dict[str, set[int]]:
        """Item numbers that were bought for each logged query of the training split."""
        number = {identifier: row for row, identifier in enumerate(self.ids)}
        return {
            beque.normalise(query): {number[item] for item in items if item in number}
            for query, items in (log.train if log else {}).items()
        }

    def mine(self) -> beque.Mine:
        """The catalogue's other words, by the served encoder."""
        counts = beque.title_words(self.products)
        words = [word for word, _ in counts.most_common(12000) if word.isalpha() and len(word) > 2]
        kinds = list(dict.fromkeys(self.type_names))
        return beque.Mine(self.products, kinds, self.embed(kinds), words, self.embed(words), [])

    def personas(self, queries: list[str]) -> list[agent4ranking.PersonaRewrite]:
        path = self.bundles.file("Agent4Ranking", "table") if "Agent4Ranking" in self.bundles.of else None
        rows = [line.split("\t") for line in _lines(path)] if path else []
        if rows:
            return [agent4ranking.PersonaRewrite(*row[:3], float(row[3]), float(row[4])) for row in rows]
        keys = [beque.normalise(query) for query in queries]
        texts = {key: [text for text, _ in self.beams(key)] for key in keys}
        phrases = [self.type_names[type_] for type_ in self.types]
        writer = agent4ranking.CatalogueWriter(self.products, phrases, self.found, texts)
        return agent4ranking.table(keys, writer, self.found, self.embed)

    def route(self, rewrites: dict) -> search_route.SearchRoute:
        return search_route.SearchRoute(
            self.index,
            self.search,
            self.vectors,
            self.embed,
            self.type_log_probs,
            self.types,
            self.accessory,
            search_route.item_terms(self.products, self.search.analyzer),
            search_route.item_terms(self.products, self.search.analyzer, ("title",)),
            rewrites,
            float(self.bundles.parameters("SearchRanker").get("type_floor", 6.0)),
        )


def write_tables(data: Path, repository: Path, tables: Path, name: str | None = None) -> list[str]:
    """Makes the rewrite tables of a folder's listed queries under `tables`, as a rewrite server reads them.

    Listed are the training split of the folder's log, else the queries that were judged; no grade is read.
    """
    served = Served(repository, data, name)
    judgments, log = catalogue.read_judgments(data), catalogue.read_log(data)
    listed = list(log.train) if log else judgments.queries() if judgments else []
    simulator = beque.Simulator(served.found, served.vectors, served.embed, served.bought(log))
    rows = {
        "BEQUE": lambda: beque.table_lines(served.table(listed, simulator)),
        "Agent4Ranking": lambda: agent4ranking.table_lines(served.personas(listed)),
    }
    written = []
    for system, lines in rows.items():
        if system in served.bundles.of:
            manifest = served.bundles.of[system][1]
            path = tables / manifest["name"] / str(manifest["version"]) / "table.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(line + "\n" for line in lines()), encoding="utf-8", newline="\n")
            written.append(str(path))
    return written


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def evaluate(data: Path, repository: Path, name: str | None = None) -> dict:
    """All figures; `lists` holds the first hundred ids of each source by query."""
    served = Served(repository, data, name)
    judgments, log = catalogue.read_judgments(data), catalogue.read_log(data)
    if judgments:
        grades = judgments.grades
    elif log and log.test:
        grades = {query: {item: 1 for item in bought} for query, bought in log.test.items()}
    else:
        raise FileNotFoundError(f"{data}: nothing to judge by (expected: judgments.tsv, or a test split in queries.tsv)")
    queries = [query for query in sorted(grades) if any(grade > 0 for grade in grades[query].values())]
    simulator = beque.Simulator(served.found, served.vectors, served.embed, served.bought(log))
    table = served.table(queries, simulator)
    rewrites = search_route.rewrites_of(queries, table, served.personas(queries), served.beams)
    route = served.route(rewrites)
    no_rewrite = served.weights.copy()
    no_rewrite[search_tuning.FEATURES.index("rewrite")] = 0.0
    lists = {
        "bm25": [[item for item, _ in route.bm25(query)] for query in queries],
        "no-rewrite": [list(c.ranked(no_rewrite)) for c in route.candidates(queries, rewriting=False)],
        "route": [list(c.ranked(served.weights)) for c in route.candidates(queries)],
    }
    lists = {source: [[served.ids[item] for item in row] for row in rows] for source, rows in lists.items()}
    figures: dict = {"sources": {}, "ratios": {}, "rewrites": {}}
    each = {}
    for source, rows in lists.items():
        each[source] = [search_metrics.ndcg(row, grades[q]) for q, row in zip(queries, rows, strict=True)]
        pairs = list(zip(rows, [grades[query] for query in queries], strict=True))
        figures["sources"][source] = {
            "source": source,
            "queries": len(queries),
            "ndcg@10": search_metrics.mean_interval(each[source]).value,
            "ndcg@10.interval": [*asdict(search_metrics.mean_interval(each[source])).values()][1:],
            "ndcg@10.judged": float(np.mean([search_metrics.ndcg_judged(*pair) for pair in pairs])),
            "recall@100": float(np.mean([search_metrics.recall(*pair) for pair in pairs])),
            "judged@10": float(np.mean([search_metrics.judged_share(*pair) for pair in pairs])),
        }
    for source in ("no-rewrite", "route"):
        figures["ratios"][f"{source}/bm25"] = asdict(search_metrics.ratio_interval(each[source], each["bm25"]))
    simulator.prepare([beque.normalise(query) for query in queries])
    scored = [
        (simulator.score(beque.normalise(query), text), simulator.score(beque.normalise(query), query))
        for query in queries
        for text, weight in rewrites[query]
        if weight == search_route.BEQUE_WEIGHT
    ]
    for part in ("relevance", "increment", "hitrate"):
        if scored:
            figures["rewrites"][part] = float(np.mean([getattr(own, part) for own, _ in scored]))
            figures["rewrites"][f"{part}.query"] = float(np.mean([getattr(query, part) for _, query in scored]))
    figures["rewrites"]["count"] = len(scored)
    figures["rewrites"]["queries"] = sum(any(w == search_route.BEQUE_WEIGHT for _, w in rewrites[q]) for q in queries)
    figures["lists"] = {source: dict(zip(queries, (row[:100] for row in rows), strict=True)) for source, rows in lists.items()}
    figures["rewritten"] = rewrites
    return figures


def report(figures: dict) -> str:
    """The figures as a person reads them."""
    lines = [f"{'source':<12}{'queries':>8}{'NDCG@10':>9}{'95 %':>17}{'judged only':>13}{'recall@100':>12}{'judged@10':>11}"]
    for row in figures["sources"].values():
        low, high = row["ndcg@10.interval"]
        lines.append(
            f"{row['source']:<12}{row['queries']:>8}{row['ndcg@10']:>9.4f}{f'{low:.4f} … {high:.4f}':>17}"
            f"{row['ndcg@10.judged']:>13.4f}{row['recall@100']:>12.4f}{row['judged@10']:>11.4f}"
        )
    for pair, found in figures["ratios"].items():
        lines.append(f"{pair}: {found['value']:.4f}  (95 % paired bootstrap {found['low']:.4f} … {found['high']:.4f})")
    own = figures["rewrites"]
    if own["count"]:
        lines.append(
            f"rewrites: {own['count']} for {own['queries']} queries; relevance {own['relevance']:.4f} (the queries' own "
            f"{own['relevance.query']:.4f}), increment {own['increment']:.4f}, hit rate {own['hitrate']:.4f} "
            f"(own {own['hitrate.query']:.4f})"
        )
    return "\n".join(lines)


def main(data: Path, repository: Path, name: str | None = None, as_json: bool = False) -> int:
    torch.set_num_threads(1)
    figures = evaluate(data, repository, name)
    if as_json:
        for row in figures["sources"].values():
            print(json.dumps(row))
        print(json.dumps({"ratios": figures["ratios"], "rewrites": figures["rewrites"]}))
    else:
        print(report(figures))
    return 0
