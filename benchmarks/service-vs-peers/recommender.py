"""What every peer serves: users' histories in, the best items with their scores out, seen items barred.

Two ways to answer, the same weights and catalogue: `generate`, Hugging Face's class under a prefix function over the trie,
and `fused`, this project's graph of the whole search in ONNX Runtime. Histories may be of any length and come in batches
of any size. Settings come by environment, since four kinds of servers start their own processes:

    RECOMMENDER   generate | fused
    MODEL_REPO    a model repository
    BUNDLE        name/version in it
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

# Before anything that starts threads: a server has one core.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402
import yaml  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
ROOM = 16  # rows of a delta without items, as the servers pad them


def _loaded(name: str, path: Path):
    """A file of another benchmark, whose name is also this one's."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Fused:
    """The fused graph over a trie of constants, one thread."""

    def __init__(self, folder: Path, manifest: dict, codes: np.ndarray):
        import onnx
        import onnxruntime

        sys.path.insert(0, str(ROOT / "model-repo" / "recipes"))
        from espalier_recipes import fused

        self.codes, self.sizes, self.trie = codes, manifest["parameters"]["history_sizes"], fused.trie(codes)
        model = fused.with_trie(onnx.load(folder / manifest["files"]["fused_live"]), self.trie)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = 1, 1, 3
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.nothing = fused.delta(codes[:0], np.zeros(0, np.int64), self.trie, ROOM)
        self.open = fused.filter_words(np.ones(len(codes), bool))
        self.leaf_at = np.empty(len(codes), np.int64)
        self.leaf_at[self.trie["item_at"]] = np.arange(len(codes))
        self.filter_words = fused.filter_words

    def _filter(self, seen: list[int]) -> np.ndarray:
        """The words of a filter that bars these items: those of an open one, changed where they must be."""
        words, barred = self.open.copy(), set(self.leaf_at[seen].tolist())
        for leaf in barred:
            word, bit = divmod(leaf, 32)
            words[word] &= ~(1 << bit)
            if bit == 0 and word > 0:  # what the word before says follows it
                after = leaf + 1
                while after in barred:
                    after += 1
                words[word - 1] = (int(words[word - 1]) & 0xFFFFFFFF) | after << 32
        return words

    def check(self, histories: list[list[int]]) -> None:
        """Compares the filters of histories with the recipes' own."""
        for history in histories:
            legal = np.ones(len(self.codes), bool)
            legal[history] = False
            assert np.array_equal(self._filter(history), self.filter_words(legal[self.trie["item_at"]])), history

    def __call__(self, histories: list[list[int]], beam: int) -> list[list[tuple[int, float]]]:
        # One run a size of history: a short one in a long one's batch would cost what the long one does.
        groups: dict[int, list[int]] = {}
        for at, history in enumerate(histories):
            groups.setdefault(next((s for s in self.sizes if len(history) <= s), self.sizes[-1]), []).append(at)
        answers: list = [None] * len(histories)
        for places, rows in groups.items():
            tokens = np.full((len(rows), places, self.codes.shape[1]), -1, np.int64)
            for row, at in enumerate(rows):
                kept = histories[at][-places:]
                tokens[row, places - len(kept) :] = self.codes[kept]
            given = {name: np.broadcast_to(value, (len(rows), *value.shape)) for name, value in self.nothing.items()}
            given |= {
                "history": tokens,
                "beams": np.zeros((len(rows), beam), np.int64),
                "filter": np.stack([self._filter(histories[at]) for at in rows]),
            }
            items, scores = self.session.run(["item", "scores"], given)
            for at, found, score in zip(rows, items.tolist(), scores.tolist()):
                answers[at] = list(zip(found, score))
        return answers


class Generate:
    """The class of `benchmarks/tiger-vs-generate`, which was compared with this project's answers there."""

    def __init__(self, folder: Path, manifest: dict, codes: np.ndarray):
        import torch

        torch.set_num_threads(1)
        kind = _loaded("tiger_vs_generate", ROOT / "benchmarks" / "tiger-vs-generate" / "run.py").Generate
        self.peer = kind(folder, manifest, codes)

    def __call__(self, histories: list[list[int]], beam: int) -> list[list[tuple[int, float]]]:
        return self.peer._answer(histories, beam)


class Recommender:
    """Answers in external ids."""

    def __init__(self):
        folder = Path(os.environ["MODEL_REPO"]) / "bundles" / os.environ["BUNDLE"]
        manifest = yaml.safe_load((folder / "bundle.yaml").read_text())
        self.ids = (folder / manifest["files"]["items"]).read_text().split("\n")[:-1]
        self.numbers = {id_: number for number, id_ in enumerate(self.ids)}
        codes = np.zeros((len(self.ids), manifest["parameters"]["levels"]), dtype=np.int64)
        for line in (folder / manifest["files"]["semantic_ids"]).read_text().splitlines():
            id_, written = line.split("\t")
            codes[self.numbers[id_]] = [int(code) for code in written.split()]
        kinds = {"generate": Generate, "fused": Fused}
        self.answer = kinds[os.environ["RECOMMENDER"]](folder, manifest, codes)
        self.beam = manifest["parameters"]["beam"]
        for size in (1, 2, 4, 8):  # every size touched, before the first request
            for length in (3, 15):
                self([self.ids[:length]] * size, [self.beam] * size)

    def __call__(self, histories: list[list[str]], ks: list[int]) -> list[tuple[list[str], list[float]]]:
        """The answers to some requests: the ids of the `k` best items, best first, and their scores."""
        numbers = [[self.numbers[id_] for id_ in history if id_ in self.numbers] for history in histories]
        found = self.answer(numbers, self.beam)
        return [([self.ids[i] for i, _ in best[:k]], [score for _, score in best[:k]]) for best, k in zip(found, ks)]
