"""COBRA (2025): a sparse id by beam search, then a dense vector that picks among the items of that id.

P(id, vector | history) = P(id | history) · P(vector | id, history). Ids are few and frozen: each names a
cluster of items. A position of the history is an item's id embedding plus its dense vector; the
decoder writes an id code by code, and after its last code the vector of the item that is meant.

A dense vector is what an adaptor makes of frozen text vectors, brand, category and an id embedding that
is dropped now and then: SASRec's item tower, of unit length. The decoder starts as SASRec's, grown by layers
that start as the identity, and what it reads after a code is added to what it read at the history's
end; so training begins where SASRec ended. Losses are the cross-entropy of each code, and InfoNCE of the
vector against the whole catalogue, both taught by SASRec too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import layers, metrics, sasrec, tiger, trainer
from .data import Split, Windows, left_padded
from .features import Features
from .tokenizer import SemanticIds


@dataclass(frozen=True)
class Shape:
    history: int = 20
    grown: int = 1  # layers above SASRec's own
    dropout: float = 0.3
    id_dropout: float = 0.2


@dataclass(frozen=True)
class Fusion:
    """BeamFusion's coefficients: of the beams' log-probabilities, and of the cosines."""

    beams: float = 0.9  # τ
    items: float = 16.0  # ψ; the temperature of InfoNCE is its inverse


@dataclass(frozen=True)
class Teaching:
    soft: float = 0.5  # share of the teacher's marginals in each code's target
    drawn: float = 0.5  # share of targets that are drawn from the teacher
    top: int = 48  # items of the teacher's distribution that are kept
    written: float = 0.34  # share of positions whose codes and vectors are trained in one pass
    # BeamFusion compares cosines of different beams, which InfoNCE leaves free to differ by its normaliser;
    # so the normaliser's variance is a loss as well.
    level: float = 0.05


class Cobra(tiger.Tiger):
    """TIGER's decoder over positions of ids and vectors, and a vector after the last code."""

    def __init__(self, shape: Shape, levels: int, size: int, features: Features, start: sasrec.SASRec):
        own = start.shape
        decoder = tiger.Shape(
            shape.history, own.width, own.layers + shape.grown, own.heads, own.inner, shape.dropout
        )
        super().__init__(decoder, levels, size)
        self.enter = layers.RMSNorm(own.width)
        self.dense = nn.Linear(own.width, own.width, bias=False)
        self.tower = sasrec.ItemTower(features, own.width, shape.id_dropout, own.features)
        self.enter.load_state_dict(start.enter.state_dict())
        self.tower.load_state_dict(start.tower.state_dict())
        self.decoder.load_state_dict(start.decoder.state_dict(), strict=False)
        with torch.no_grad():
            self.dense.weight.copy_(torch.eye(own.width))
            for layer in self.decoder.layers[own.layers :]:
                layer.self_attn.o_proj.weight.zero_()
                layer.mlp.down_proj.weight.zero_()

    @torch.no_grad()
    def start_from(self, ids: SemanticIds) -> None:
        """A code's embedding and output row start as the means of its items'."""
        table = self.tower.eval()()
        entered = 0.1 * self.enter(table)
        for level in range(self.levels):
            codes = torch.from_numpy(ids.codes[:, level])
            counts = torch.bincount(codes, minlength=self.size).clamp(min=1)[:, None]
            rows = slice(1 + level * self.size, 1 + (level + 1) * self.size)
            for weight, vectors in ((self.embed_tokens.weight, entered), (self.lm_head.weight, table)):
                weight[rows] = torch.zeros(self.size, table.shape[1]).index_add(0, codes, vectors) / counts

    def vectors(self) -> torch.Tensor:
        """All items' dense vectors [n, width], of unit length."""
        return F.normalize(self.tower(), dim=-1)

    def positions(self, codes: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Codes [..., L] (−1 = nothing) and vectors [..., width] to embeddings [..., width]."""
        present = (codes[..., :1] >= 0).to(torch.float32)
        return self.items(codes) + self.enter(vectors) * present

    def vector(self, hidden: torch.Tensor) -> torch.Tensor:
        """Hidden states after a last code to the vectors meant, of unit length."""
        return F.normalize(self.dense(hidden), dim=-1)


def codes_a_level(items: int) -> int:
    """Enough codes that two levels of them name clusters of about a dozen items.

    Where nearly every item has an id of its own, the dense vector has nothing left to choose.
    """
    size = 4
    while size * size * 12 < items:
        size *= 2
    return size


def shown(items: torch.Tensor, codes: torch.Tensor, vectors: torch.Tensor):
    """Codes [..., L] and vectors [..., width] of items [...]; −1 and zeros where an item is −1."""
    present = (items >= 0)[..., None]
    index = items.clamp(min=0)
    return torch.where(present, codes[index], -1), vectors[index] * present


def loss(
    model: Cobra, lesson: tiger.Lesson, codes: torch.Tensor, fusion: Fusion, teaching: Teaching
) -> torch.Tensor:
    """Cross-entropy of the codes and InfoNCE of the vector, against target and teacher."""
    vectors = model.vectors()
    target = lesson.target(teaching.drawn)
    chosen = tiger.written_positions(target.shape[1], teaching.written)
    x = model.positions(*shown(lesson.inputs, codes, vectors))
    item_hidden, code_hidden = model.training_hidden(x, codes[target[:, chosen]], chosen)
    code_hidden = code_hidden + item_hidden[:, chosen, None]
    total = tiger.code_losses(
        model, item_hidden, code_hidden, lesson, target, chosen, codes, teaching.soft
    )
    wanted = (lesson.targets >= 0)[:, chosen]
    if not wanted.any():
        return total
    logits = fusion.items * model.vector(code_hidden[:, :, -1][wanted]) @ vectors.t()
    whole = logits.logsumexp(1)
    target = target[:, chosen][wanted]
    items, weights = lesson.items[:, chosen][wanted], lesson.weights[:, chosen][wanted]
    # Of the teacher's items those that have the target's id: what is left to say once the id is known.
    weights = weights * (codes[items] == codes[target][:, None]).all(-1)
    mass = weights.sum(1)
    hard = logits.gather(1, target[:, None])[:, 0]
    taught = (logits.gather(1, items) * weights).sum(1) / mass.clamp(min=1e-9)
    share = teaching.soft * (mass > 1e-4)
    dense = (whole - (1 - share) * hard - share * taught).mean()
    return total + dense + teaching.level * whole.var(unbiased=False)


def fuse(scores: np.ndarray, owners: np.ndarray, cosines: np.ndarray, fusion: Fusion) -> np.ndarray:
    """BeamFusion: the logarithm of softmax(τ · scores) of a candidate's beam times softmax(ψ · cosines).

    `scores` [W] are the beams', `owners` [C] each candidate's beam. The paper does not say over what the
    softmaxes run: here, over the beams, and over the candidates of all beams together.
    """
    beams, items = fusion.beams * scores, fusion.items * cosines
    return (beams - np.logaddexp.reduce(beams))[owners] + items - np.logaddexp.reduce(items)


@torch.no_grad()
def decode(
    model: Cobra, trie: tiger.Trie, vectors: torch.Tensor, histories, beam: int, k: int, fusion: Fusion, seen: bool = True
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each history the best items under its beams and the logarithms of their fused scores."""
    padded = torch.from_numpy(left_padded(histories, model.shape.history))
    codes, given = shown(padded, torch.from_numpy(trie.codes), vectors)
    user, *state = model.read_history(model.positions(codes, given), codes[..., 0] >= 0)
    gone = tiger.taken_out(histories, seen)

    def read(prefix: torch.Tensor) -> torch.Tensor:
        return model.read_codes(*state, prefix) + user[:, None]

    found = tiger.search(trie, gone, beam, model.log_probs(user), lambda p: model.log_probs(read(p)))
    meant = model.vector(read(found.prefix)).numpy()
    results = []
    table = F.normalize(vectors, dim=-1).numpy()  # what was rounded for storage has lost its unit length
    for row, barred in enumerate(gone):
        alive = np.flatnonzero(found.scores[row].numpy() > -np.inf)
        leaves = [trie.leaf_items[node] for node in found.nodes[row][alive].tolist()]
        items = np.concatenate(leaves or [np.zeros(0, dtype=np.int64)])
        owners = np.repeat(np.arange(len(alive)), [len(leaf) for leaf in leaves])
        legal = ~np.isin(items, barred)
        items, owners = items[legal], owners[legal]
        cosines = np.einsum("cw,cw->c", table[items], meant[row][alive][owners], dtype=np.float64)
        fused = fuse(found.scores[row].numpy()[alive].astype(np.float64), owners, cosines, fusion)
        order = np.lexsort((items, -fused))[:k]
        results.append((items[order], fused[order]))
    return results


def fit(
    split: Split,
    features: Features,
    ids: SemanticIds,
    taught_by: sasrec.SASRec,
    shape: Shape,
    fusion: Fusion,
    teaching: Teaching,
    settings: trainer.Settings,
    work: Path,
    seconds: float,
    key: str,
    judged: int = 1200,
    name: str = "cobra",
) -> tuple[Cobra, dict[str, float]]:
    torch.manual_seed(settings.seed)
    taught_by.eval()
    model = Cobra(shape, ids.levels, ids.size, features, taught_by)
    model.start_from(ids)
    windows = Windows(split.train, shape.history, tokens=1280)
    key = trainer.key_of(
        asdict(shape), asdict(fusion), asdict(teaching), key, ids.codes.tolist()
    )
    teacher = tiger.Teacher(taught_by, windows, teaching.top, work / name / f"teacher-{key}.npz")
    codes = torch.from_numpy(ids.codes)
    trie = tiger.Trie(ids.codes, ids.size)
    cases = split.validation.sample(judged, seed=1)

    def judge(current: Cobra) -> dict[str, float]:
        vectors = current.vectors()
        lists = tiger.in_batches(
            lambda histories: decode(current, trie, vectors, histories, 20, 10, fusion), cases.histories
        )
        return metrics.figures(tiger.ranks_of(lists, cases.targets))

    best = trainer.train(
        name,
        model,
        windows.epoch,
        lambda current, numbers: loss(current, teacher.lesson(numbers), codes, fusion, teaching),
        judge,
        settings,
        work,
        seconds,
        key=key,
    )
    return model, best
