"""The command `transrec`: from a data folder and its E4SRec bundle to a TransRec bundle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import nn

from . import compact, data, export, features, grounding, metrics, tokenizer, trainer, transrec, transrec_search
from .bundle import Repository, Writer, sha256
from .export import Exported, Port
from .transrec_corpus import Corpus, category_text, train_tokenizer

_PARITY_K = 20
_TUNED_ON = 600


@dataclass(frozen=True)
class Options:
    """What a run may be told."""

    out: Path
    name: str
    version: int = 1
    seconds: float = 3600.0
    epochs: float = 1.0
    seed: int = 1
    beam: int = 20
    levels: int = 2
    vocabulary: int = 2000
    text: str = "minilm"
    test_users: int = 2000
    parity_users: int = 300


class Step(nn.Module):
    """The served form: `user` [B, d], `token` [B, W], `state` [B, W, H] to `log_probs` [B, W, V] and the next state."""

    def __init__(self, model: transrec.TransRec):
        super().__init__()
        self.model = model

    def forward(self, user, token, state):
        return self.model.step(user[:, None], token, state)


def train(folder: data.Folder, options: Options) -> list[tuple[str, str, dict[str, float]]]:
    """Trains, tunes the grounding on validation users and writes the bundle; rows for the table."""
    work, split = options.out / ".work", folder.split()
    encoder, manifest = _encoder(options, folder.fingerprint)
    files = options.out / "bundles" / manifest["name"] / str(manifest["version"])
    vectors = np.load(files / "item_vectors.npy").astype(np.float32)
    bias = np.load(files / "item_bias.npy")
    known = features.build(folder, work, options.text)
    ids = tokenizer.fit(tokenizer.item_space(known.text, vectors, 0.5), levels=options.levels, seed=options.seed)
    texts = [item.title for item in folder.items] + [category_text(item) for item in folder.items]
    words = train_tokenizer(texts, options.vocabulary)
    corpus = Corpus.of(folder.items, ids.codes, ids.size, words)
    history = int(manifest["parameters"]["history"])
    taught = transrec.Taught(export.session(encoder), vectors, bias, history, ids.codes, ids.size)
    shape, key = transrec.Shape(), trainer.key_of(folder.events(), sha256(encoder))
    settings = trainer.Settings(
        epochs=max(1, round(16 * options.epochs)), learning_rate=2e-3, seed=options.seed, patience=6
    )
    model, _ = transrec.fit(
        split, corpus, taught, shape, transrec.Teaching(), settings, work, options.seconds, key
    )
    compact.round_weights(model)  # what is measured below is what is shipped
    return _Finish(folder, split, options, manifest, ids, words, corpus, taught, model).all()


def _encoder(options: Options, fingerprint: str):
    name = f"{options.name}-e4srec"
    path = options.out / "bundles" / name / str(options.version) / "bundle.yaml"
    if not path.exists():
        raise FileNotFoundError(f"{path}: not there (expected: the E4SRec bundle of the same data; train it first)")
    manifest = yaml.safe_load(path.read_text())
    if manifest["data"]["fingerprint"] != fingerprint:
        raise ValueError(f"{path}: data {manifest['data']['fingerprint']} (expected: {fingerprint})")
    return options.out / "models" / manifest["models"]["user"] / "1" / "model.onnx", manifest


class _Finish:
    def __init__(self, folder, split, options, manifest, ids, words, corpus, taught, model):
        self.folder, self.split, self.options, self.manifest = folder, split, options, manifest
        self.ids, self.words, self.corpus, self.taught, self.model = ids, words, corpus, taught, model
        self.index = transrec_search.Index(corpus)

    def all(self):
        chosen_on = self.split.validation.sample(_TUNED_ON, seed=1)
        found = self.decoded(chosen_on.histories)
        settings = self.tuned(found, chosen_on)
        reported_on = self.split.test.sample(self.options.test_users, seed=2)
        histories = reported_on.histories or [np.asarray(s) for s in self.split.train[:20] if len(s)]
        lists = [
            transrec_search.ground(self.index, own, set(map(int, history)), settings, _PARITY_K)
            for own, history in zip(self.decoded(histories), histories)
        ]
        rows = [("transrec", "validation", metrics.figures(self.ranks(found, chosen_on, settings, None)))]
        if len(reported_on):
            rows.append(("transrec", "test", metrics.figures(_ranks(lists, reported_on.targets))))
        self.write(settings, rows, histories, lists)
        return rows

    def decoded(self, histories):
        users = self.taught.users(histories)
        return transrec_search.decode_all(self.model, self.index, users, histories, self.options.beam)

    def ranks(self, found, cases, settings, fully):
        lists = [
            transrec_search.ground(self.index, own, set(map(int, history)), settings, _PARITY_K, fully)
            for own, history in zip(found, cases.histories)
        ]
        return _ranks(lists, cases.targets)

    def tuned(self, found, cases) -> grounding.Settings:
        """One coordinate after the other by NDCG@10; only the 200 best by first score are scored in full meanwhile."""
        best = grounding.Settings(biases=(0.0, -7.0, -5.0))
        if not len(cases):
            return best
        tried = {}

        def value(settings):
            if settings not in tried:
                tried[settings] = metrics.figures(self.ranks(found, cases, settings, 200))["ndcg@10"]
                print(f"gamma {settings.gamma}, biases {settings.biases}: {tried[settings]:.4f}", flush=True)
            return tried[settings]

        choices = (
            ("gamma", (2.0, 3.0)),
            (0, (0.0, 1.5, 3.0)),
            (1, (-9.0, -8.0, -7.0, -6.0)),
            (2, (-7.0, -5.0, -4.0, -3.0)),
        )
        for _ in range(2):
            for what, values in choices:
                if what == "gamma":
                    options = [replace(best, gamma=gamma) for gamma in values]
                else:
                    options = [
                        replace(best, biases=best.biases[:what] + (bias,) + best.biases[what + 1 :]) for bias in values
                    ]
                best = max([best, *options], key=value)
        return best

    def write(self, settings, rows, histories, lists) -> str:
        options, vocabulary = self.options, self.corpus.vocabulary
        licence = self.manifest["data"]["licence"]
        repository = Repository.of(options.out, self.folder, options.name, licence, options.version)
        writer = Writer(repository, f"{options.name}-transrec", "TransRec", "generate")
        writer.lines("items", "items.tsv", (item.id for item in self.folder.items))
        writer.lines(
            "semantic_ids",
            "semantic_ids.tsv",
            (
                f"{item.id}\t{' '.join(map(str, codes))}"
                for item, codes in zip(self.folder.items, self.ids.codes)
            ),
        )
        writer.file("tokenizer", "tokenizer.json").write_text(self.words.to_str(), encoding="utf-8")
        self.add_models(writer)
        writer.examples(
            "parity_texts",
            "parity_texts.jsonl.gz",
            (
                {
                    "history": [int(item) for item in history],
                    "items": [item for item, _ in found],
                    "scores": [round(score, 5) for _, score in found],
                }
                for history, found in list(zip(histories, lists))[: options.parity_users]
            ),
        )
        writer.parameters(
            history=self.taught.history,
            width=self.taught.rows.shape[1],
            state=self.model.shape.state,
            levels=self.ids.levels,
            codes=self.ids.size,
            texts=vocabulary.texts,
            beam=options.beam,
            gamma=settings.gamma,
            beta=settings.beta,
            bias_id=settings.biases[0],
            bias_attribute=settings.biases[1],
            bias_title=settings.biases[2],
            rows=settings.rows,
            scored=settings.items,
            parity_beam=options.beam,
            parity_k=_PARITY_K,
            parity_mask_seen=True,
        )
        for _, part, found in rows:
            writer.metrics(part, found)
        return writer.finish()

    def add_models(self, writer: Writer) -> None:
        model, width = self.model, self.taught.rows.shape[1]

        def given(batch: int, beams: int) -> dict[str, torch.Tensor]:
            torch.manual_seed(batch)
            return {
                "user": torch.randn(batch, width),
                "token": torch.randint(self.corpus.vocabulary.size, (batch, beams)),
                "state": torch.rand(batch, beams, model.shape.state) * 2 - 1,
            }

        beams = 3 * self.options.beam
        compact.add_model(
            writer,
            "step",
            Step(model).eval(),
            given(3, 5),
            Exported(
                [
                    Port("user", torch.float32, (width,)),
                    Port("token", torch.int64, (-1,)),
                    Port("state", torch.float32, (-1, model.shape.state)),
                ],
                [
                    Port("log_probs", torch.float32, (-1, self.corpus.vocabulary.size)),
                    Port("next_state", torch.float32, (-1, model.shape.state)),
                ],
                warm=[{"token": (beams,), "state": (beams, model.shape.state)}],
            ),
            {"token": {1: "beams"}, "state": {1: "beams"}},
            [given(1, 3), given(1, beams), given(8, beams)],
        )
        # The encoder is E4SRec's, and one folder serves both.
        name = self.manifest["models"]["user"]
        writer.manifest["models"]["prefill"] = name
        for file in (f"models/{name}/1/model.onnx", f"models/{name}/config.pbtxt"):
            writer.manifest["checksums"][file] = sha256(self.options.out / file)


def _ranks(lists, targets) -> np.ndarray:
    ranks = np.full(len(targets), 1 << 30)
    for row, (found, target) in enumerate(zip(lists, targets)):
        items = [item for item, _ in found]
        if target in items:
            ranks[row] = items.index(target)
    return ranks
