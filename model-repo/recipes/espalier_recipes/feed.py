"""The feed's recipe: SASRec → ids → TIGER, COBRA, E4SRec, HeterRec, neighbours, popularity → fusion."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import yaml
from scipy import sparse

from . import cobra, cobra_graphs, compact, e4srec, features, fusion, heterrec, layers, metrics
from . import neighbours, new_items, sasrec, tiger, tiger_graphs, tokenizer, trainer
from .bundle import Repository, Writer
from .data import Cases, Folder, Split, left_padded
from .export import Exported, Port

_I64, _F32 = torch.int64, torch.float32
_PARITY_USERS = 2000
_PARITY_K = 20
_CHOSEN_ON = 3000


@dataclass(frozen=True)
class Options:
    """What a run may be told; the defaults suit catalogues of a hundred to twenty thousand items."""

    name: str
    out: Path
    seconds: float
    seed: int = 1
    version: int = 1
    data_licence: str = "see the source of the data"
    epochs: float = 1.0  # multiplies every model's epochs
    backbone: str = "sasrec"
    beam: int = 50
    text: str = "minilm"
    text_weight: float = 0.5
    test_users: int = 0  # 0: all; fewer where a table is wanted sooner
    only: str = ""  # "cobra": that bundle alone, beside those that are there


# Shares of the time budget, about what each needs for the size of Amazon Beauty on one core.
_SHARES = {
    "sasrec": 0.31, "tiger": 0.28, "cobra": 0.12, "e4srec": 0.16, "heterrec": 0.08, "assign": 0.02, "finish": 0.03,
}


def trainable(folder: Folder) -> bool:
    return any(len(sequence) >= 2 for sequence in folder.sequences)


def train(folder: Folder, options: Options) -> list[tuple[str, str, dict[str, float]]]:
    """Trains and writes every feed bundle; rows of (model, split, figures) for the table."""
    work = options.out / ".work"
    split = folder.split()
    key = [folder.fingerprint, folder.events(), options.seed]
    key = trainer.key_of(*key, *([] if options.text == "minilm" else [options.text]))
    repository = Repository.of(
        options.out, folder, options.name, options.data_licence, options.version
    )
    budget = trainer.Budget(options.seconds, _SHARES)
    known = features.build(folder, work, options.text)
    return _Run(folder, split, known, options, repository, budget, work, key).all()


def _examples(histories, decoded) -> list[dict]:
    """What was decoded for histories, as a parity fixture holds it; more may have been decoded."""
    return [
        {
            "history": history.tolist(),
            "items": items[:_PARITY_K].tolist(),
            "scores": [round(float(score), 6) for score in scores[:_PARITY_K]],
        }
        for history, (items, scores) in zip(histories, decoded)
    ]


class _Run:
    def __init__(self, folder, split, known, options, repository, budget, work, key):
        self.folder, self.split, self.known = folder, split, known
        self.options, self.repository, self.budget = options, repository, budget
        self.work, self.key = work, key
        self.chosen_on = split.validation.sample(_CHOSEN_ON, seed=1)
        self.reported_on = split.test.sample(options.test_users or len(split.test), seed=2)
        self.rows: list[tuple[str, str, dict[str, float]]] = []
        self.ranks: dict[tuple[str, str], np.ndarray] = {}

    def settings(self, epochs: int, **more) -> trainer.Settings:
        scaled = max(1, round(epochs * self.options.epochs))
        return trainer.Settings(epochs=scaled, seed=self.options.seed, **more)

    def all(self):
        teacher, _ = sasrec.fit(
            self.split, self.known, sasrec.Shape(), self.settings(60), self.work,
            self.budget.take("sasrec"), self.key,
        )
        with torch.no_grad():
            self.table, self.bias = teacher.tower().clone(), teacher.bias.detach().clone()
        self.note("sasrec", self.sasrec_ranks(teacher))
        self.teacher_key = trainer.key_of(self.key, trainer.bytes_of(teacher))
        if self.options.only == "cobra":
            self.cobra(teacher)
            return self.rows
        self.popularity()
        self.cobra(teacher)
        sources = {
            "neighbours": self.neighbours(),
            "e4srec": self.e4srec(teacher),
            "tiger": self.tiger(teacher),
            "heterrec": self.heterrec(teacher),
        }
        self.fuse(sources)
        return self.rows

    # Figures

    def cases(self) -> dict[str, Cases]:
        """Validation users are sampled: they choose, and each costs a decode."""
        return {"validation": self.chosen_on, "test": self.reported_on}

    def note(self, name: str, ranks: dict[str, np.ndarray]) -> None:
        for part, rank in ranks.items():
            self.ranks[name, part] = rank
            self.rows.append((name, part, metrics.figures(rank)))

    def measured(self, writer: Writer, name: str) -> None:
        for row_name, part, found in self.rows:
            if row_name == name:
                writer.metrics(part, found)

    def sasrec_ranks(self, model) -> dict[str, np.ndarray]:
        return {
            part: sasrec.ranks_of(
                sasrec.users(model, cases.histories, self.table), self.table, self.bias, cases
            )
            for part, cases in self.cases().items()
        }

    # Bundles

    def writer(self, name: str, system: str, shape: str) -> Writer:
        writer = Writer(self.repository, f"{self.options.name}-{name}", system, shape)
        writer.lines("items", "items.tsv", (item.id for item in self.folder.items))
        return writer

    def parity_histories(self) -> list[np.ndarray]:
        histories = self.reported_on.first(_PARITY_USERS).histories
        return histories or [np.asarray(s) for s in self.split.train[:_PARITY_USERS] if len(s)]

    def tiger(self, teacher):
        name = "tiger"
        space = tokenizer.item_space(
            self.known.text, self.table.numpy(), self.options.text_weight
        )
        ids = tokenizer.fit(space, seed=self.options.seed)
        shape, teaching = tiger.Shape(), tiger.Teaching()
        model, _ = tiger.fit(
            self.split, ids, teacher, shape, teaching, self.settings(60, patience=8, judge_every=2), self.work,
            self.budget.take("tiger"), self.teacher_key,
        )
        compact.round_weights(model)  # what is measured below is what is shipped
        trie = tiger.Trie(ids.codes, ids.size)
        beam = self.options.beam
        lists = {
            part: tiger.decode_all(model, trie, cases.histories, beam, beam, title=f"tiger {part}")
            for part, cases in self.cases().items()
        }
        self.note(
            name,
            {p: tiger.ranks_of(lists[p], cases.targets) for p, cases in self.cases().items()},
        )
        writer = self.writer(name, "TIGER", "generate")
        self.semantic_ids(writer, ids)
        self.export_tiger(writer, model, ids, shape)
        histories = self.parity_histories()
        if len(self.reported_on):
            # The same lists as were just measured, cut to the fixture's length.
            decoded = lists["test"][: len(histories)]
        else:
            decoded = tiger.decode_all(model, trie, histories, beam, _PARITY_K)
        writer.examples("parity", "parity.jsonl.gz", _examples(histories, decoded))
        writer.parameters(
            history=shape.history,
            history_sizes=tiger_graphs.sizes(shape),
            levels=ids.levels,
            codes=ids.size,
            cache_width=tiger_graphs.cache_width(shape),
            vocabulary=model.vocabulary,
            level_offsets=model.offsets.tolist(),
            beam=beam,
            history_token=0,
            hugging_face_class="LlamaForCausalLM",
            parity_beam=beam,
            parity_k=_PARITY_K,
            parity_mask_seen=True,
            items_sharing_an_id=ids.shared(),
        )
        self.measured(writer, name)
        new_items.add(
            writer, self.folder, ids.codes, ids.size, self.work, self.budget.take("assign"), self.options.seed
        )
        self.tiger_bundle = writer.finish()
        found = {}
        for part, rows in lists.items():
            items = np.full((len(rows), beam), -1, dtype=np.int64)
            scores = np.full((len(rows), beam), -np.inf)
            for row, (row_items, row_scores) in enumerate(rows):
                items[row, : len(row_items)], scores[row, : len(row_items)] = row_items, row_scores
            found[part] = (items, scores)
        return found

    def semantic_ids(self, writer: Writer, ids: tokenizer.SemanticIds) -> None:
        writer.lines(
            "semantic_ids",
            "semantic_ids.tsv",
            (
                f"{item.id}\t{' '.join(map(str, codes))}"
                for item, codes in zip(self.folder.items, ids.codes)
            ),
        )

    def cobra(self, teacher) -> None:
        name = "cobra"
        shape, coefficients, teaching = cobra.Shape(), cobra.Fusion(), cobra.Teaching()
        space = tokenizer.item_space(
            self.known.text, self.table.numpy(), self.options.text_weight
        )
        size = cobra.codes_a_level(len(space))
        ids = tokenizer.fit(
            space, levels=2, size=size, seed=self.options.seed, distinct=False
        )
        model, _ = cobra.fit(
            self.split, self.known, ids, teacher, shape, coefficients, teaching,
            self.settings(12, patience=4), self.work, self.budget.take(name), self.teacher_key,
        )
        compact.round_weights(model)
        with torch.no_grad():
            stored = model.vectors().half()
        vectors, trie, beam = stored.float(), tiger.Trie(ids.codes, ids.size), self.options.beam

        def decoded(histories, title: str):
            return tiger.in_batches(
                lambda part: cobra.decode(model, trie, vectors, part, beam, beam, coefficients), histories, title=title
            )

        lists = {part: decoded(cases.histories, f"cobra {part}") for part, cases in self.cases().items()}
        self.note(name, {p: tiger.ranks_of(lists[p], cases.targets) for p, cases in self.cases().items()})
        writer = self.writer(name, "COBRA", "generate")
        self.semantic_ids(writer, ids)
        writer.array("item_vectors", "item_vectors.npy", stored.numpy())
        cobra_graphs.add_models(writer, model, torch.from_numpy(ids.codes), vectors, beam)
        histories = self.parity_histories()
        found = lists["test"] if len(self.reported_on) else decoded(histories, "cobra parity")
        writer.examples("parity", "parity.jsonl.gz", _examples(histories, found))
        writer.parameters(
            history=shape.history,
            history_sizes=tiger_graphs.sizes(model.shape),
            levels=ids.levels,
            codes=ids.size,
            cache_width=tiger_graphs.cache_width(model.shape),
            width=stored.shape[1],
            tau=coefficients.beams,
            psi=coefficients.items,
            beam=beam,
            parity_beam=beam,
            parity_k=_PARITY_K,
            parity_mask_seen=True,
        )
        self.measured(writer, name)
        writer.finish()

    def export_tiger(self, writer: Writer, model: tiger.Tiger, ids, shape: tiger.Shape) -> None:
        from safetensors.torch import save_file

        tiger_graphs.add_models(writer, model, torch.from_numpy(ids.codes), self.options.beam)
        weights = {
            "model.embed_tokens.weight": model.embed_tokens.weight,
            "lm_head.weight": model.lm_head.weight,
        }
        for key, value in model.decoder.state_dict().items():
            weights[f"model.{key}"] = value
        save_file(
            {key: value.detach().clone().contiguous() for key, value in weights.items()},
            str(writer.file("weights", "model.safetensors")),
            metadata={"format": "pt"},
        )
        config = layers.llama_config(
            shape.width, shape.layers, shape.heads, shape.inner, model.vocabulary
        )
        writer.file("hf_config", "config.json").write_text(json.dumps(config, indent=2) + "\n")

    def e4srec(self, teacher):
        name, shape = "e4srec", e4srec.Shape(backbone=self.options.backbone)
        model, _ = e4srec.fit(
            self.split, teacher, shape, self.settings(10, patience=4), self.work,
            self.budget.take("e4srec"), self.teacher_key,
        )
        compact.round_weights(model)
        vectors = model.rows.detach().half()
        rows, bias = vectors.float(), model.bias.detach()
        users = {p: e4srec.users(model, cases.histories) for p, cases in self.cases().items()}
        self.note(
            name,
            {p: sasrec.ranks_of(users[p], rows, bias, cases) for p, cases in self.cases().items()},
        )
        writer = self.writer(name, "E4SRec", "encode")
        writer.array("item_vectors", "item_vectors.npy", vectors.numpy())
        writer.array("item_bias", "item_bias.npy", bias[:, None].numpy())

        def example(batch: int) -> dict[str, torch.Tensor]:
            rng = np.random.default_rng(batch)
            items = [
                rng.integers(0, len(rows), rng.integers(1, shape.history + 1))
                for _ in range(batch)
            ]
            return {"history": torch.from_numpy(left_padded(items, shape.history))}

        compact.add_model(
            writer,
            "user",
            model,
            example(3),
            Exported(
                [Port("history", _I64, (shape.history,))],
                [Port("user", _F32, (rows.shape[1],))],
                max_batch=16,
                preferred=(4, 8, 16),
            ),
            varying={},
            checks=[example(1), example(8)],
        )
        histories = self.parity_histories()
        vectors_of = e4srec.users(model, histories)
        examples = []
        for start in range(0, len(histories), 512):
            part = slice(start, start + 512)
            scores = vectors_of[part] @ rows.t() + bias
            metrics.mask_seen(scores, histories[part])
            best, items = scores.sort(dim=1, descending=True, stable=True)
            for history, row, values in zip(histories[part], items[:, :20], best[:, :20]):
                examples.append(
                    {
                        "history": history.tolist(),
                        "items": [i for i, v in zip(row.tolist(), values.tolist()) if v > -1e30],
                        "scores": [round(v, 6) for v in values.tolist() if v > -1e30],
                    }
                )
        writer.examples("parity", "parity.jsonl.gz", examples)
        backbone = Path(shape.backbone).name
        writer.parameters(
            history=shape.history,
            width=rows.shape[1],
            backbone=backbone,
            parity_k=_PARITY_K,
            parity_mask_seen=True,
        )
        self.measured(writer, name)
        self.e4srec_bundle = writer.finish()
        return users, rows, bias

    def heterrec(self, teacher):
        name, shape = "heterrec", heterrec.Shape()
        model, _ = heterrec.fit(
            self.split, self.known, teacher, shape, self.settings(12, learning_rate=5e-4, patience=4), self.work,
            self.budget.take("heterrec"), self.teacher_key,
        )
        compact.round_weights(model)
        with torch.no_grad():
            vectors = model.catalogue().half()
            default = model.catalogue(torch.tensor([-1]))
        rows = vectors.float()
        users = {p: heterrec.users(model, cases.histories) for p, cases in self.cases().items()}
        self.note(
            name, {p: heterrec.ranks_of(users[p], rows, cases) for p, cases in self.cases().items()}
        )
        writer = self.writer(name, "HeterRec", "encode")
        writer.array("item_vectors", "item_vectors.npy", vectors.numpy())
        writer.array("text_vectors", "text_vectors.npy", model.text.numpy())
        writer.array("default_vector", "default_vector.npy", default.numpy())
        writer.lines(
            "item_features",
            "item_features.tsv",
            (
                f"{item.id}\t{brand}\t{category}"
                for item, brand, category in zip(
                    self.folder.items, model.brand.tolist(), model.category.tolist()
                )
            ),
        )
        width = self.known.text.shape[1]

        def example(batch: int, length: int) -> dict[str, torch.Tensor]:
            rng = np.random.default_rng(batch)
            items = [
                rng.integers(0, len(rows), rng.integers(1, length + 1)) for _ in range(batch)
            ]
            found = model.lookup(torch.from_numpy(left_padded(items, length)))
            return dict(zip(("items", "brands", "categories", "text"), found))

        history = shape.history
        compact.add_model(
            writer,
            "user",
            model,
            example(3, history),
            Exported(
                [
                    *(Port(p, _I64, (history,)) for p in ("items", "brands", "categories")),
                    Port("text", _F32, (history, width)),
                ],
                [Port("users", _F32, (shape.heads, shape.width))],
                max_batch=16,
                preferred=(4, 8, 16),
            ),
            varying={},
            checks=[example(1, history), example(8, history)],
        )

        def single(batch: int) -> dict[str, torch.Tensor]:
            found = example(batch, 1)
            return {**found, "text": found["text"][:, 0]}

        compact.add_model(
            writer,
            "item",
            heterrec.ItemModel(model),
            single(3),
            Exported(
                [
                    *(Port(p, _I64, (1,)) for p in ("items", "brands", "categories")),
                    Port("text", _F32, (width,)),
                ],
                [Port("vector", _F32, (shape.width,))],
                max_batch=64,
                preferred=(16, 64),
            ),
            varying={},
            checks=[single(1), single(8)],
        )
        histories = self.parity_histories()
        found = heterrec.users(model, histories)
        rng = np.random.default_rng(5)
        examples = []
        for history_, user in zip(histories, found):
            candidates = rng.choice(len(rows), min(20, len(rows)), replace=False)
            scores = (user @ rows[torch.from_numpy(candidates)].t()).amax(0)
            examples.append(
                {
                    "history": history_.tolist(),
                    "candidates": candidates.tolist(),
                    "scores": [round(v, 6) for v in scores.tolist()],
                }
            )
        writer.examples("parity", "parity.jsonl.gz", examples)
        writer.parameters(
            history=history, heads=shape.heads, width=shape.width, text_width=width
        )
        self.measured(writer, name)
        self.heterrec_bundle = writer.finish()
        return users, rows

    def neighbours(self):
        name = "neighbours"
        items = len(self.folder.items)
        cases = self.chosen_on
        best, chosen = -1.0, None
        for popularity in (0.0, 0.3, 0.5):
            lists = neighbours.best(
                neighbours.similar(self.split.train, items, popularity), k=30
            )
            matrix = neighbours.matrix(lists, items)
            for decay in (0.5, 0.7, 0.85):
                value = fusion.objective(self.neighbour_ranks(matrix, decay, cases))
                if value > best:
                    best, chosen = value, (lists, matrix, decay)
        lists, matrix, decay = chosen
        # As shipped: the scores are rounded.
        lists = [[(item, float(f"{value:.3g}")) for item, value in pairs] for pairs in lists]
        matrix = neighbours.matrix(lists, items)
        self.note(
            name, {p: self.neighbour_ranks(matrix, decay, c) for p, c in self.cases().items()}
        )
        writer = self.writer(name, "ItemToItem", "encode")
        writer.lines(
            "neighbours",
            "neighbours.tsv",
            (
                f"{row}\t" + " ".join(f"{item}:{value:.3g}" for item, value in pairs)
                for row, pairs in enumerate(lists)
                if pairs
            ),
        )
        writer.parameters(decay=decay)
        self.measured(writer, name)
        self.neighbours_bundle = writer.finish()
        return matrix, decay

    def neighbour_ranks(self, matrix, decay: float, cases: Cases, k: int = 100) -> np.ndarray:
        ranks = np.full(len(cases), 1 << 30)
        for row, (items, _) in enumerate(self.neighbour_lists(matrix, decay, cases, k)):
            place = np.flatnonzero(items == cases.targets[row])
            if len(place):
                ranks[row] = place[0]
        return ranks

    def neighbour_lists(self, matrix, decay: float, cases: Cases, k: int):
        scored = neighbours.score(matrix, cases.histories, decay, last=50)
        for row, history in enumerate(cases.histories):
            part = slice(scored.indptr[row], scored.indptr[row + 1])
            items, values = scored.indices[part], scored.data[part]
            keep = ~np.isin(items, history)
            items, values = items[keep], values[keep]
            order = np.lexsort((items, -values))[:k]
            yield items[order], values[order]

    def popularity(self) -> None:
        name = "popularity"
        counts = self.split.counts()
        scores = torch.from_numpy(counts.astype(np.float32))
        ranks = {}
        for part, cases in self.cases().items():
            found = []
            for start in range(0, len(cases), 512):
                rows = slice(start, start + 512)
                histories = cases.histories[rows]
                table = scores.expand(len(histories), -1).clone()
                metrics.mask_seen(table, histories)
                found.append(metrics.ranks(table, cases.targets[rows]))
            ranks[part] = np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
        self.note(name, ranks)
        writer = self.writer(name, "Popularity", "encode")
        order = np.lexsort((np.arange(len(counts)), -counts))
        writer.lines(
            "popularity",
            "popularity.tsv",
            (
                f"{self.folder.items[i].id}\t{counts[i]}\t{self.known.category[i]}"
                for i in order
            ),
        )
        self.measured(writer, name)
        self.popularity_bundle = writer.finish()

    # Fusion

    def candidates(self, part: str, sources, k: dict[str, int]) -> fusion.Candidates:
        cases = self.cases()[part]
        e4_users, rows, bias = sources["e4srec"]
        hr_users, hr_rows = sources["heterrec"]
        matrix, decay = sources["neighbours"]
        tiger_items, tiger_scores = sources["tiger"][part]
        near = list(self.neighbour_lists(matrix, decay, cases, k["neighbours"]))
        found, parts = [], []
        for start in range(0, len(cases), 256):
            rows_ = slice(start, start + 256)
            histories = cases.histories[rows_]
            e4 = e4_users[part][rows_] @ rows.t() + bias
            hr = heterrec.scores(hr_users[part][rows_], hr_rows)
            e4_norm, hr_norm = e4.logsumexp(1, keepdim=True), hr.logsumexp(1, keepdim=True)
            masked = e4.clone()
            metrics.mask_seen(masked, histories)
            usable = min(k["e4srec"], max(1, e4.shape[1] - 1))
            top, order = masked.topk(usable, 1)
            lists = [
                [o[t > -torch.inf].numpy() for o, t in zip(order, top)],
                [row[row >= 0][: k["tiger"]] for row in tiger_items[rows_]],
                [near[start + i][0] for i in range(len(histories))],
            ]
            items = fusion.union(lists)
            index = torch.from_numpy(items.clip(min=0))
            scores = {
                "e4srec": (e4 - e4_norm).gather(1, index).numpy(),
                "heterrec": (hr - hr_norm).gather(1, index).numpy(),
                "tiger": np.full(items.shape, -np.inf),
                "neighbours": np.full(items.shape, -np.inf),
            }
            for row in range(len(items)):
                position = {int(item): column for column, item in enumerate(items[row])}
                for name, own, values in (
                    ("tiger", tiger_items[start + row], tiger_scores[start + row]),
                    ("neighbours", near[start + row][0], np.log(near[start + row][1])),
                ):
                    for item, value in zip(own, values):
                        if int(item) in position and item >= 0:
                            scores[name][row, position[int(item)]] = value
            found.append(items)
            parts.append(scores)
        width = max((items.shape[1] for items in found), default=1)

        def together(arrays, fill):
            return np.concatenate(
                [
                    np.pad(a, ((0, 0), (0, width - a.shape[1])), constant_values=fill)
                    for a in arrays
                ]
                or [np.full((0, width), fill)]
            )

        return fusion.Candidates(
            together(found, -1),
            {
                name: together([p[name] for p in parts], -np.inf).astype(np.float32)
                for name in ("e4srec", "heterrec", "tiger", "neighbours")
            },
        )

    def fuse(self, sources) -> None:
        name = "fusion"
        k = {"e4srec": 200, "tiger": self.options.beam, "neighbours": 100}
        cases = self.chosen_on
        found = self.candidates("validation", sources, k)
        if len(cases):
            weights, floors, _ = fusion.choose(found, cases.targets, "e4srec")
        else:
            weights = {s: 1.0 if s == "e4srec" else 0.0 for s in found.scores}
            floors = {s: -20.0 for s in found.scores}
        ranks = {
            "validation": fusion.rank_of(
                found, fusion.combine(found, weights, floors), cases.targets
            )
        }
        del found
        test = self.candidates("test", sources, k)
        ranks["test"] = fusion.rank_of(
            test, fusion.combine(test, weights, floors), self.reported_on.targets
        )
        self.note(name, ranks)
        bundles = {
            "e4srec": self.e4srec_bundle,
            "heterrec": self.heterrec_bundle,
            "tiger": self.tiger_bundle,
            "neighbours": self.neighbours_bundle,
        }
        writer = Writer(self.repository, f"{self.options.name}-{name}", "Fusion", "fuse")
        writer.parameters(
            kind="log_probability",
            sources={
                bundles[source]: {
                    "weight": float(weights[source]),
                    "temperature": 1.0,
                    "floor": float(floors[source]),
                }
                for source in weights
                if weights[source]
            },
        )
        self.measured(writer, name)
        ranker = writer.finish()
        self.route(ranker, k)
        for part in ("validation", "test"):
            if len(self.ranks[name, part]):
                best = max(
                    ("e4srec", "heterrec", "tiger"),
                    key=lambda s: (self.ranks[s, part] < 10).mean(),
                )
                mean, low, high = metrics.paired_bootstrap(
                    self.ranks[best, part], self.ranks[name, part]
                )
                print(
                    f"{part}: fusion − {best}, recall@10: {mean:+.4f} [{low:+.4f}, {high:+.4f}]"
                    " (95 %, paired bootstrap over users)"
                )

    def route(self, ranker: str, k: dict[str, int]) -> None:
        route = {
            "name": f"{self.options.name}-feed",
            "kind": "feed",
            "default": True,
            "mask_seen": True,
            "sources": [
                {"bundle": self.tiger_bundle, "k": k["tiger"], "beam": self.options.beam,
                 "when": "has-history"},
                {"bundle": self.e4srec_bundle, "k": k["e4srec"], "when": "has-history"},
                {"bundle": self.neighbours_bundle, "k": k["neighbours"], "when": "has-history"},
                {"bundle": self.popularity_bundle, "k": 200, "when": "no-history"},
            ],
            "merge": {"method": "ranker"},
            "ranking": {"bundle": ranker, "candidates": 500},
            "ladder": [
                {"below": "150ms", "beam": 20, "candidates": 200},
                {"below": "60ms", "beam": 20, "skip": ["ranking"]},
                {"below": "25ms", "beam": 20, "skip": ["ranking"], "answer": "popular"},
            ],
        }
        folder = self.options.out / "routes"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{self.options.name}-feed.yaml").open("w", encoding="utf-8") as out:
            yaml.safe_dump(route, out, sort_keys=False, width=100)
