"""Search bundles from a data folder: text encoder, dense vectors, text index, ranker, rewrites, and their route.

Every stage keeps what it made under `OUT/.work/search` by a hash of what it depends on, so a run that was stopped
goes on where it was. Figures of the run are in `OUT/.work/search/report.json`.
"""

import hashlib
import json
import random
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import yaml

from . import agent4ranking, beque, bundle, catalogue, compact, endpoint, product_types, query_texts, search_metrics
from . import search_ranker, search_route, search_tuning, seq2seq, text_encoder, trainer
from .export import Exported, Port
from .text_index import Field, TextIndex, TextSearch

# Shares of the run's time; what a stage leaves is shared by the later ones. Teacher and indexing take what they need.
SHARES = {"text-encoder": 0.4, "pairs": 0.15, "beque-sft": 0.35, "beque-pro": 0.1}
MIN_LOG_PROB = -2.0  # two of three rewrites this likely were the wanted ones, on held-out pairs
BEAM = 6


@dataclass(frozen=True)
class Settings:
    """What a caller may choose beside the folders."""

    name: str
    seconds: float
    seed: int = 1
    version: int = 1
    data_licence: str = "see the source of the data"
    lexicon: Path | None = None
    tables: bool = True
    listed: int = 3000  # the commonest queries of a log, which get the model's rewrites and personas
    # `.work/search` of an earlier run whose text encoder is used as it is, and whose rewriter is where this one's starts
    encoder_from: Path | None = None


def train(data: Path, out: Path, name: str, seconds: float, seed: int = 1, version: int = 1, **options) -> dict:
    """Trains and writes the search bundles and the route `<name>-search`; returns the run's figures."""
    return Run(Path(data), Path(out), Settings(name, seconds, seed, version, **options)).all()


class Run:
    """One training run: reads once, then stage by stage."""

    def __init__(self, data: Path, out: Path, settings: Settings):
        self.settings, self.out = settings, out
        self.work = out / ".work" / "search"
        self.work.mkdir(parents=True, exist_ok=True)
        self.products = catalogue.read_products(data)
        if not self.products:
            raise ValueError(f"{data}: no items (expected: at least one)")
        self.ids = [product.id for product in self.products]
        self.number = {identifier: index for index, identifier in enumerate(self.ids)}
        self.judgments = catalogue.read_judgments(data)
        self.log = catalogue.read_log(data)
        own = data / "lexicon.tsv"
        lexicon = own if own.is_file() else settings.lexicon
        self.lexicon = catalogue.read_lexicon(lexicon) if lexicon else []
        self.repository = bundle.Repository(
            out, settings.name, catalogue.fingerprint(self.products), settings.data_licence, version=settings.version
        )
        self.budget = trainer.Budget(settings.seconds, SHARES)
        self.figures: dict = {"products": len(self.products)}

    def all(self) -> dict:
        started = time.monotonic()
        torch.manual_seed(self.settings.seed)
        self.texts()
        self.encoder()
        self.types()
        self.rewriter()
        self.tune()
        self.write()
        self.figures["seconds"] = time.monotonic() - started
        (self.work / "report.json").write_text(json.dumps(_plain(self.figures), indent=1) + "\n", encoding="utf-8")
        return self.figures

    def texts(self) -> None:
        """Vectors of titles and of short texts, by the teacher or by an earlier run's encoder."""
        titles = [product.text() for product in self.products]
        most = int(min(40000, max(2000, 25 * self.settings.seconds)))
        self.phrases = query_texts.phrases(self.products, most, 3 if len(self.products) > 2000 else 1)
        if self.log:
            common = sorted(self.log.train, key=lambda query: (-sum(self.log.train[query].values()), query))
            logged = [beque.normalise(query) for query in common[: most // 4]]
            self.phrases = list(dict.fromkeys(self.phrases + logged))
        self.index = TextIndex(self.products)
        self.teacher_folder = text_encoder.teacher_folder()
        self.tokenizer = text_encoder.load_tokenizer(self.teacher_folder / "tokenizer.json")
        if self.settings.encoder_from:
            self.teacher = None
            self.student = text_encoder.load(self.settings.encoder_from, self.tokenizer)
            self.titles = self._kept_vectors("titles", titles)
            self.phrase_vectors = self._kept_vectors("phrases", self.phrases)
        else:
            self.teacher = text_encoder.Teacher()
            self.titles = self.teacher.encode(titles, self.work, "titles")
            self.phrase_vectors = self.teacher.encode(self.phrases, self.work, "phrases")
        self.row = {phrase: row for row, phrase in enumerate(self.phrases)}

    def _kept_vectors(self, label: str, texts: list[str]) -> np.ndarray:
        kept = self.work / f"{label}-{trainer.key_of(texts, _digest(self.student))}.npy"
        if not kept.exists():
            np.save(kept, text_encoder.encode(self.student, self.tokenizer, texts, label).astype(np.float16))
        return np.load(kept).astype(np.float32)

    def embed(self, texts: list[str]) -> np.ndarray:
        """The teacher's vectors; those of the short texts are looked up."""
        missing = [text for text in texts if text not in self.row]
        vectors = np.zeros((len(texts), self.titles.shape[1]), np.float32)
        new = self._embed(missing) if missing else None
        place = 0
        for number, text in enumerate(texts):
            row = self.row.get(text)
            if row is None:
                vectors[number] = new[place]
                place += 1
            else:
                vectors[number] = self.phrase_vectors[row]
        return vectors

    def _embed(self, texts: list[str]) -> np.ndarray:
        if self.teacher:
            return self.teacher.encode(texts, self.work if len(texts) > 256 else None, "texts")
        return self._kept_vectors("texts", texts) if len(texts) > 256 else self.student_embed(texts)

    def encoder(self) -> None:
        titles = [product.text() for product in self.products]
        share = self.budget.take("text-encoder")
        if self.teacher:
            self.student, self.tokenizer, figures = text_encoder.distil(
                titles + self.phrases,
                np.concatenate([self.titles, self.phrase_vectors]),
                text_encoder.turn_of(self.titles),
                self.teacher,
                self.work,
                share,
            )
            compact.round_weights(self.student, ("table.weight",))
            self.figures["text-encoder"] = figures
        self.item_vectors = self._kept_vectors("items", titles)

    def student_embed(self, texts: list[str]) -> np.ndarray:
        return text_encoder.encode(self.student, self.tokenizer, texts)

    def types(self) -> None:
        self.product_types = product_types.learn(self.products, self.titles, self.embed)
        self.query_tokenizer = search_ranker.load_tokenizer(self.teacher_folder / "tokenizer.json")
        self.query_model = search_ranker.build(self.product_types, self.student, self.student_embed)
        self.query_model.kinds.data = self.query_model.kinds.half().float()
        self.figures["types"] = len(self.product_types.names)

    def type_log_probs(self, queries: list[str]) -> np.ndarray:
        encoded = text_encoder.Encoded(self.query_tokenizer, queries, 4096)
        found = np.zeros((len(queries), len(self.product_types.names)), np.float32)
        with torch.inference_mode():
            for numbers in encoded.batches():
                found[numbers] = self.query_model(*encoded.tensors(numbers)).numpy()
        return found

    def judged(self) -> search_tuning.Judged | None:
        """Judgments; without them, what the training split of the log bought, a grade for each third of the count."""
        grades = self.judgments.grades if self.judgments else {}
        if not grades and self.log:
            for query, bought in sorted(self.log.train.items(), key=lambda pair: (-sum(pair[1].values()), pair[0]))[:400]:
                most = max(bought.values(), default=0)
                grades[query] = {item: 1 + min(2, 2 * count // most) for item, count in bought.items() if most}
        if len(grades) > 300:
            grades = {query: grades[query] for query in random.Random(13).sample(sorted(grades), 300)}
        queries = [query for query in sorted(grades) if any(grade > 0 for grade in grades[query].values())]
        if len(queries) < 10:
            return None
        fold = search_metrics.folds(queries, grades, self.embed(queries))
        return search_tuning.Judged(queries, grades, fold)

    def simulator(self, vectors, embed) -> beque.Simulator:
        bought = {}
        for query, items in (self.log.train if self.log else {}).items():
            bought[beque.normalise(query)] = {self.number[item] for item in items if item in self.number}
        return beque.Simulator(self.found, vectors, embed, bought)

    def found(self, query: str) -> list[int]:
        return [item for item, _ in self.index.search(query, self.search, beque.RETRIEVED)]

    def rewriter(self) -> None:
        """The seq2seq model: mined pairs, supervised fine-tuning, preferences."""
        judged = self.judged()
        self.figures["judged"] = len(judged.queries) if judged else 0
        self.judged_queries = judged
        self.search, self.text = search_tuning.DEFAULT_SEARCH, None
        if judged:
            self.text = self._tuned_text(judged)
            self.search = self.text.search
        simulator = self.simulator(self.titles, self.embed)
        self.mine = self._mine()
        mined, identity, spelling = self._pairs(simulator, self.budget.take("pairs"))
        from tokenizers import Tokenizer

        texts = self.phrases + [y for _, y in mined + spelling]
        kept, start = self.work / f"bpe-{trainer.key_of(texts)}.json", None
        if self.settings.encoder_from and (self.settings.encoder_from / "rewriter.pt").exists():
            kept = self.settings.encoder_from / "rewriter.json"
            start = torch.load(self.settings.encoder_from / "rewriter.pt", weights_only=True)
        elif not kept.exists():
            seq2seq.train_tokenizer(texts).save(str(kept))
        self.bpe = Tokenizer.from_file(str(kept))
        exchanged, beside = beque.exchanges(self.mine, self.products)
        self.seq2seq, figures = beque.train_model(
            self.bpe, mined, identity, spelling, exchanged, beside, self.work, self.budget.take("beque-sft"), start
        )
        self.figures["beque-sft"] = {**figures, "mined": len(mined), "spelling": len(spelling), "exchanged": len(exchanged)}
        asked = [query for query, _ in mined][:: max(1, len(mined) // 1500)]
        asked += [beque.normalise(query) for query in list(self.log.train)[:500]] if self.log else []
        place = endpoint.configured()
        writer = endpoint.rewriter(place) if place else None
        self.figures["beque-pro"] = beque.align(
            self.seq2seq, self.bpe, list(dict.fromkeys(asked)), simulator, self.work, self.budget.take("beque-pro"), writer
        )
        compact.round_weights(self.seq2seq)
        torch.save(self.seq2seq.state_dict(), self.work / "rewriter.pt")
        self.bpe.save(str(self.work / "rewriter.json"))
        self.tables(writer, place)

    def _mine(self) -> beque.Mine:
        words = [phrase for phrase in self.phrases if phrase.isalpha()]
        words += sorted(set(beque.title_words(self.products)).difference(words))
        words = [word for word in words if word.isalpha() and len(word) > 2]
        kinds = sorted({phrase for phrase in self.product_types.phrases if phrase} | set(self.product_types.names))
        return beque.Mine(self.products, kinds, self.embed(kinds), words, self.embed(words), self.lexicon)

    def _tuned_text(self, judged) -> search_tuning.TunedText:
        kept = self.work / f"text-{trainer.key_of(self.ids, judged.grades, judged.fold.tolist())}.json"
        if kept.exists():
            own = json.loads(kept.read_text(encoding="utf-8"))
            by_fold = {int(fold): _search(search) for fold, search in own["by_fold"].items()}
            return search_tuning.TunedText(_search(own["search"]), by_fold, np.array(own["held"]))
        found = search_tuning.tune_text(self.index, self.ids, judged)
        kept.write_text(json.dumps(asdict(found) | {"held": found.held.tolist()}), encoding="utf-8")
        return found

    def _pairs(self, simulator, seconds: float):
        kept = self.work / f"pairs-{trainer.key_of(self.ids, self.phrases, self.lexicon, asdict(self.search))}.json"
        if kept.exists():
            return tuple([tuple(pair) for pair in part] for part in json.loads(kept.read_text(encoding="utf-8")))
        found = beque.pairs(
            self.products, self.phrases, self.phrase_vectors, self.mine, simulator, self.lexicon,
            most=min(6000, 1000 + 20 * int(seconds)), seconds=seconds,
        )
        kept.write_text(json.dumps(found), encoding="utf-8")
        return found

    def listed(self) -> list[str]:
        """Queries that the tables are made for: the log's training split, else the queries that were judged."""
        if self.log:
            common = sorted(self.log.train.items(), key=lambda pair: (-sum(pair[1].values()), pair[0]))
            return [query for query, _ in common]
        return self.judgments.queries() if self.judgments else []

    def tables(self, writer, place) -> None:
        simulator = self.simulator(self.item_vectors, self.student_embed)
        listed = self.listed()
        # A folder whose table is not committed has it made where it is served, of the model's beams alone: so do the
        # weights' judgments. A log's table knows every query of its training split.
        self.spoken = set(map(beque.normalise, listed[: self.settings.listed]))
        writers = [self._options] if self.settings.tables else []
        if writer:
            writers.append(writer)
        spoken = listed[: self.settings.listed]
        self.table = beque.table(
            self.seq2seq, self.bpe, spoken, simulator, writers=writers, width=BEAM, least=MIN_LOG_PROB,
            keep_own=bool(self.log),
        )
        if self.log and self.settings.tables:
            known = {row.query for row in self.table}
            self.table += [row for row in self.tail(listed[self.settings.listed :]) if row.query not in known]
        outputs = seq2seq.beams(self.seq2seq, self.bpe, [beque.normalise(query) for query in spoken], BEAM)
        self.beams = {
            beque.normalise(query): [(text, score) for text, score in found if score >= MIN_LOG_PROB]
            for query, found in zip(spoken, outputs, strict=True)
        }
        texts = {query: [text for text, _ in found] for query, found in self.beams.items()}
        persona_writer = (
            agent4ranking.from_endpoint(place)
            if place
            else agent4ranking.CatalogueWriter(self.products, self.product_types.phrases, self.found, texts)
        )
        self.personas = []
        if self.settings.tables:
            self.personas = agent4ranking.table(spoken, persona_writer, self.found, self.student_embed)
        written = [row for row in self.table if row.text != row.query]
        if written:
            for part in ("relevance", "increment", "hitrate"):
                self.figures[f"table.{part}"] = float(np.mean([getattr(row.scores, part) for row in written]))
        self.figures["table.rows"], self.figures["table.rewrites"] = len(self.table), len(written)
        if self.log:
            known, asked = {row.query for row in self.table}, {beque.normalise(query) for query in self.log.test}
            self.figures["table.test-queries-known"] = len(known & asked) / max(1, len(asked))

    def _options(self, query: str) -> list[str]:
        """Other words for a query; its vector is only asked for where its words leave any doubt."""
        vector = self.embed([query])[0] if query in self.spoken else None
        return self.mine.options(query, vector)

    def tail(self, queries: list[str]) -> list[beque.Rewrite]:
        """Rows of a log's rarer queries, of the catalogue's words alone: the model is not asked."""
        kept = self.work / f"tail-{trainer.key_of(self.ids, queries, asdict(self.search))}.json"
        if kept.exists():
            rows = json.loads(kept.read_text(encoding="utf-8"))
            return [beque.Rewrite(query, text, beque.Scores(*scores)) for query, text, scores in rows]
        simulator = self.simulator(self.item_vectors, self.student_embed)
        found = beque.table(None, None, queries, simulator, writers=[self._options], beamed=0, keep_own=True)
        rows = [(row.query, row.text, [row.scores.relevance, row.scores.increment, row.scores.hitrate]) for row in found]
        kept.write_text(json.dumps(rows), encoding="utf-8")
        return found

    def rewrites(self, queries: list[str]) -> dict:
        return search_route.rewrites_of(queries, self.table, self.personas, lambda q: self.beams.get(q, []))

    def route(self, queries: list[str]) -> search_route.SearchRoute:
        return search_route.SearchRoute(
            self.index,
            self.search,
            self.item_vectors,
            self.student_embed,
            self.type_log_probs,
            self.product_types.of,
            self.product_types.accessory,
            self.terms,
            self.title_terms,
            self.rewrites(queries),
        )

    def tune(self) -> None:
        """The ranker's weights, with figures over the folds that were left out."""
        self.terms = search_route.item_terms(self.products, self.search.analyzer)
        self.title_terms = search_route.item_terms(self.products, self.search.analyzer, ("title",))
        self.weights = np.array([search_tuning.DEFAULT_WEIGHTS[name] for name in search_tuning.FEATURES])
        judged = self.judged_queries
        if judged is None:
            return
        route = self.route(judged.queries)
        of_folds = {fold: replace(route, search=search) for fold, search in self.text.by_fold.items()}

        def fitted(rewriting: bool, fixed: frozenset[str] = frozenset()):
            by_fold = {fold: own.candidates(judged.queries, rewriting) for fold, own in of_folds.items()}
            found = route.candidates(judged.queries, rewriting)
            return search_tuning.tune_weights(found, self.ids, judged, fixed, by_fold)

        self.weights, held = fitted(True)
        _, plain_held = fitted(False, frozenset(("rewrite",)))
        for label, values in (("bm25", self.text.held), ("no-rewrite", plain_held), ("route", held)):
            self.figures[f"held-out.{label}.ndcg@10"] = asdict(search_metrics.mean_interval(values))
        self.figures["held-out.route/bm25"] = asdict(search_metrics.ratio_interval(held, self.text.held))
        self.figures["held-out.no-rewrite/bm25"] = asdict(search_metrics.ratio_interval(plain_held, self.text.held))

    def write(self) -> None:
        """The bundles and the route."""
        name, version = self.settings.name, self.settings.version
        self._write_text(f"{name}-text")
        self._write_dense(f"{name}-dense", f"{name}-text@{version}")
        self._write_index(f"{name}-textindex")
        self._write_ranker(f"{name}-ranker", f"{name}-textindex@{version}", f"{name}-dense@{version}")
        self._write_beque(f"{name}-beque")
        self._write_personas(f"{name}-personas")
        path = self.out / "routes" / f"{name}-search.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(search_route.route_file(name, version), encoding="utf-8")

    def _write_text(self, name: str) -> None:
        writer = bundle.Writer(self.repository, name, "MiniLM", "text")
        tokenizer_file(self.teacher_folder, text_encoder.MAX_TOKENS, writer.file("tokenizer", "tokenizer.json"))
        add_token_model(writer, "encode", self.student, [Port("vector", torch.float32, (text_encoder.WIDTH,))])
        writer.parameters(max_tokens=text_encoder.MAX_TOKENS, width=text_encoder.WIDTH)
        if "text-encoder" in self.figures:
            writer.manifest["metrics"]["validation.cosine"] = round(float(self.figures["text-encoder"]["cosine"]), 6)
        writer.finish()

    def _write_dense(self, name: str, encoder: str) -> None:
        writer = bundle.Writer(self.repository, name, "DenseText", "encode")
        writer.lines("items", "items.tsv", self.ids)
        writer.array("item_vectors", "item_vectors.npy", self.item_vectors.astype(np.float16))
        writer.parameters(encoder=encoder)
        writer.finish()

    def _write_index(self, name: str) -> None:
        writer = bundle.Writer(self.repository, name, "TextIndex", "text")
        writer.parameters(
            fields=[asdict(field) for field in self.search.fields if field.weight > 0],
            analyzer=self.search.analyzer,
            tie_breaker=self.search.tie_breaker,
        )
        self._metrics(writer, "bm25")
        writer.finish()

    def _write_ranker(self, name: str, text: str, dense: str) -> None:
        types = self.product_types
        writer = bundle.Writer(self.repository, name, "SearchRanker", "score")
        tokenizer_file(self.teacher_folder, search_ranker.MAX_TOKENS, writer.file("tokenizer", "tokenizer.json"))
        writer.lines("types", "types.tsv", types.names)
        writer.lines(
            "item_types",
            "item_types.tsv",
            (f"{i}\t{t}\t{x}" for i, t, x in zip(self.ids, types.of, types.accessory, strict=True)),
        )
        writer.file("item_terms", "item_terms.bin").write_bytes(search_route.terms_bytes(self.terms))
        writer.file("title_terms", "title_terms.bin").write_bytes(search_route.terms_bytes(self.title_terms))
        # Log-probabilities down to -60, from cosines times 1 / HEAT: a float's last digits are worth that much more.
        add_token_model(
            writer, "query", self.query_model, [Port("type_log_probs", torch.float32, (len(types.names),))], 5e-3
        )
        writer.parameters(
            weights={n: float(w) for n, w in zip(search_tuning.FEATURES, self.weights, strict=True)},
            text=text,
            dense=dense,
            type_floor=6.0,
            max_tokens=search_ranker.MAX_TOKENS,
            analyzer=self.search.analyzer,
        )
        self._metrics(writer, "no-rewrite")
        self._metrics(writer, "route")
        writer.finish()

    def _metrics(self, writer: bundle.Writer, label: str) -> None:
        found = self.figures.get(f"held-out.{label}.ndcg@10")
        if found:
            writer.manifest["metrics"][f"held-out.{label}.ndcg@10"] = round(found["value"], 6)

    def _write_beque(self, name: str) -> None:
        writer = bundle.Writer(self.repository, name, "BEQUE", "rewrite")
        self.bpe.save(str(writer.file("tokenizer", "tokenizer.json")))
        if self.settings.tables:
            writer.lines("table", "table.tsv", beque.table_lines(self.table))
        seq2seq.add_models(writer, self.seq2seq)
        writer.parameters(
            start_token=seq2seq.START,
            end_token=seq2seq.END,
            pad_token=seq2seq.PAD,
            max_tokens=seq2seq.MAX_TOKENS,
            beam=BEAM,
            min_log_prob=MIN_LOG_PROB,
        )
        for part in ("relevance", "increment", "hitrate"):
            if f"table.{part}" in self.figures:
                writer.manifest["metrics"][f"table.{part}"] = round(self.figures[f"table.{part}"], 6)
        writer.finish()

    def _write_personas(self, name: str) -> None:
        writer = bundle.Writer(self.repository, name, "Agent4Ranking", "rewrite")
        rows = agent4ranking.table_lines(self.personas) if self.settings.tables else []
        writer.lines("table", "table.tsv", rows)
        writer.finish()


def add_token_model(writer: bundle.Writer, part: str, module, outputs: list[Port], tolerance: float = 2e-4) -> None:
    """A model from `input_ids` and `attention_mask` [B, S]."""

    def inputs(rows: int, length: int) -> dict[str, torch.Tensor]:
        ids = (torch.arange(rows * length).view(rows, length) * 37 + 1000) % 20000
        mask = torch.ones(rows, length, dtype=torch.long)
        mask[0, length // 2 + 1 :] = 0
        return {"input_ids": ids, "attention_mask": mask}

    ports = [Port(name, torch.int64, (-1,)) for name in ("input_ids", "attention_mask")]
    compact.add_model(
        writer,
        part,
        module,
        inputs(2, 7),
        Exported(ports, outputs, warm=[{"input_ids": (8,), "attention_mask": (8,)}]),
        {"input_ids": {1: "length"}, "attention_mask": {1: "length"}},
        [inputs(3, 12), inputs(1, 1)],
        ("table.weight", "encoder.table.weight"),
        tolerance,
    )


def _search(kept: dict) -> TextSearch:
    return TextSearch(**kept | {"fields": tuple(Field(**field) for field in kept["fields"])})


def tokenizer_file(folder: Path, most: int, path: Path) -> None:
    """The teacher's tokenizer without padding, cut at `most` tokens."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(most)
    tokenizer.save(str(path), pretty=False)


def _digest(module: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (np.floating, np.integer)):
        return value.item()
    return value


def read_manifest(repository: Path, name: str, version: int = 1) -> dict:
    return yaml.safe_load((repository / "bundles" / name / str(version) / "bundle.yaml").read_text(encoding="utf-8"))
