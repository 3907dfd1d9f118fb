"""TransRec (2024): writes an item's id, category and pieces of its title, each grounded in the items that have them.

No language model is in it. The history is read by the frozen encoder of the same data's E4SRec bundle; a small
recurrent decoder, trained from scratch, writes one facet or another from the user's vector, as its first token says.
E4SRec's distribution over items is distilled into it: into the codes' marginals exactly, into categories and titles by
drawing the item that they are taken from.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from . import layers, metrics, trainer
from .data import Split, left_padded
from .transrec_corpus import ATTRIBUTE, ATTRIBUTE_MOST, ID, START, TITLE, TITLE_MOST, Corpus


@dataclass(frozen=True)
class Shape:
    width: int = 128  # of a token's embedding
    state: int = 256


@dataclass(frozen=True)
class Teaching:
    soft: float = 0.7  # share of the teacher's marginals in the codes' targets
    drawn: float = 0.5  # share of items that are drawn from the teacher
    blurred: float = 0.5  # share of users that are moved towards another
    some: float = 0.33  # share of users whose category and title are trained in one pass
    batch: int = 1024


class TransRec(nn.Module):
    """A gated recurrent unit over tokens, which reads the user's vector at each."""

    def __init__(self, shape: Shape, vocabulary: int, user: int):
        super().__init__()
        self.shape = shape
        self.tokens = nn.Embedding(vocabulary, shape.width)
        nn.init.normal_(self.tokens.weight, std=0.05)
        self.enter = nn.Linear(user, shape.width)
        self.cell = nn.GRU(shape.width, shape.state, batch_first=True)
        self.leave = nn.Linear(shape.state, shape.width)
        self.user = nn.Linear(user, shape.width, bias=False)
        self.norm = layers.RMSNorm(shape.width)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def log_probs(self, state: torch.Tensor, user: torch.Tensor) -> torch.Tensor:
        out = self.norm(self.leave(state) + self.user(user))
        return torch.log_softmax(F.linear(out, self.tokens.weight, self.bias), -1)

    def states(self, users: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """User vectors [P, d] and the tokens read [P, t] to states [P, t, state]."""
        return self.cell(self.tokens(tokens) + self.enter(users)[:, None])[0]

    def step(self, users: torch.Tensor, token: torch.Tensor, state: torch.Tensor):
        """One token [..., ] after a state [..., state]: log_probs [..., V] and the state after it."""
        cell = self.cell
        read = F.linear(self.tokens(token) + self.enter(users), cell.weight_ih_l0, cell.bias_ih_l0)
        kept = F.linear(state, cell.weight_hh_l0, cell.bias_hh_l0)
        (r, z, n), (kept_r, kept_z, kept_n) = read.chunk(3, -1), kept.chunk(3, -1)
        r, z = torch.sigmoid(r + kept_r), torch.sigmoid(z + kept_z)
        n = torch.tanh(n + r * kept_n)
        state = n + z * (state - n)
        return self.log_probs(state, users), state


class Taught:
    """E4SRec: users' vectors, and its distribution over the items for any vector."""

    def __init__(self, session, vectors: np.ndarray, bias: np.ndarray, history: int, codes: np.ndarray, size: int):
        self.session, self.history = session, history
        self.rows = torch.from_numpy(vectors.astype(np.float32))
        self.bias = torch.from_numpy(bias.astype(np.float32)).flatten()
        self.codes, self.size = torch.from_numpy(codes), size
        # Items by id: the cells of a prefix are then ranges.
        self.order = torch.from_numpy(np.lexsort(codes.T[::-1]))

    def users(self, histories, batch: int = 256, title: str = "users") -> torch.Tensor:
        order = np.argsort([len(h) for h in histories], kind="stable")
        found = np.zeros((len(histories), self.rows.shape[1]), dtype=np.float32)
        for start in tqdm(range(0, len(order), batch), desc=title, unit="batch"):
            numbers = order[start : start + batch]
            padded = left_padded([histories[i] for i in numbers], self.history)
            found[numbers] = self.session.run(None, {"history": padded})[0]
        return torch.from_numpy(found)

    def probabilities(self, users: torch.Tensor) -> torch.Tensor:
        return torch.softmax(torch.addmm(self.bias, users, self.rows.t()), -1)


def lessons(split: Split, history: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Every proper prefix of a training sequence, and the item after it."""
    histories, targets = [], []
    for sequence in split.train:
        for end in range(1, len(sequence)):
            histories.append(sequence[max(0, end - history) : end])
            targets.append(int(sequence[end]))
    return histories, np.array(targets, dtype=np.int64)


class Lessons:
    def __init__(self, corpus: Corpus, taught: Taught, users: torch.Tensor, targets: np.ndarray, teaching: Teaching):
        self.corpus, self.taught, self.teaching = corpus, taught, teaching
        self.users, self.targets = users, torch.from_numpy(targets)
        self.ids = torch.from_numpy(corpus.ids)
        self.categories = _padded(corpus.categories)

    def batches(self, rng: np.random.Generator):
        order = rng.permutation(len(self.targets))
        size = self.teaching.batch
        return [order[start : start + size] for start in range(0, len(order), size)]

    def loss(self, model: TransRec, numbers: np.ndarray) -> torch.Tensor:
        teaching = self.teaching
        users, target = self.users[numbers], self.targets[numbers]
        # Users between two that are known: the teacher has an opinion of them, the data has none.
        blurred = torch.rand(len(users), 1) < teaching.blurred
        other = users[torch.randperm(len(users))]
        users = torch.where(blurred, users + 0.5 * torch.rand(len(users), 1) * (other - users), users)
        probabilities = self.taught.probabilities(users)
        drawn = torch.multinomial(probabilities, 1)[:, 0]
        take = (torch.rand(len(users)) < teaching.drawn) | blurred[:, 0]
        item = torch.where(take, drawn, target)
        total = self._ids(model, users, probabilities, item)
        some = torch.randperm(len(users))[: max(1, int(len(users) * teaching.some))]
        read, wanted = self._categories(item[some])
        total = total + self._tokens(model, users[some], read, wanted)
        read, wanted = self._titles(item[some])
        return total + self._tokens(model, users[some], read, wanted)

    def _ids(self, model, users, probabilities, item):
        codes, size, levels = self.taught.codes, self.taught.size, self.ids.shape[1]
        tokens = self.ids[item]
        read = torch.cat((torch.full((len(item), 1), ID), tokens), 1)
        log_probs = model.log_probs(model.states(users, read), users[:, None])
        total = -log_probs[:, levels, ATTRIBUTE].mean()
        left = probabilities
        for level in range(levels):
            own = log_probs[:, level]
            first = int(self.corpus.ids[0, level] - codes[0, level])
            hard = -own.gather(1, tokens[:, level : level + 1])[:, 0]
            marginal = torch.zeros(len(item), size).index_add_(1, codes[:, level], left)
            mass = marginal.sum(1)
            soft = -(own[:, first : first + size] * marginal).sum(1) / mass.clamp(min=1e-12)
            share = self.teaching.soft * (mass > 1e-7)
            total = total + ((1 - share) * hard + share * soft).mean()
            if level + 1 < levels:
                left = left * (codes[:, level][None, :] == codes[item, level][:, None])
        return total

    def _categories(self, item):
        tokens = self.categories[item]
        tokens = tokens[:, : int((tokens >= 0).sum(1).max())]
        length = (tokens >= 0).sum(1)
        wanted = torch.cat((tokens, torch.full((len(item), 1), -1)), 1)
        wanted[torch.arange(len(item)), length] = torch.where(length > 0, TITLE, -1)
        read = torch.cat((torch.full((len(item), 1), ATTRIBUTE), tokens.clamp(min=0)), 1)
        return read, wanted

    def _titles(self, item):
        """Pieces of titles that begin anywhere."""
        wanted = np.full((len(item), TITLE_MOST), -1, dtype=np.int64)
        starts = torch.rand(len(item)).tolist()
        for row, number in enumerate(item.tolist()):
            title = self.corpus.titles[number]
            piece = title[int(starts[row] * len(title)) :][:TITLE_MOST]
            wanted[row, : len(piece)] = piece
        wanted = torch.from_numpy(wanted)
        read = torch.cat((torch.full((len(item), 1), START), wanted[:, :-1].clamp(min=0)), 1)
        return read, wanted

    def _tokens(self, model, users, read, wanted):
        states = model.states(users, read)
        there = wanted >= 0
        if not there.any():
            return states.sum() * 0
        users = users[:, None].expand(-1, read.shape[1], -1)[there]
        log_probs = model.log_probs(states[there], users)
        return -log_probs.gather(1, wanted[there][:, None]).mean()


def _padded(rows) -> torch.Tensor:
    width = max(1, max((len(row) for row in rows), default=1))
    found = np.full((len(rows), width), -1, dtype=np.int64)
    for number, row in enumerate(rows):
        found[number, : len(row)] = row
    return torch.from_numpy(found)


class Judge:
    """Ranks by ids alone, by beam search over the codes that exist: quick, and what the lists mostly rest on."""

    def __init__(self, corpus: Corpus, users: torch.Tensor, cases, beam: int = 20):
        self.corpus, self.users, self.cases, self.beam = corpus, users, cases, beam
        self.sorted = np.lexsort(corpus.ids.T[::-1])

    @torch.no_grad()
    def __call__(self, model: TransRec) -> dict[str, float]:
        ranks = np.full(len(self.cases), 1 << 30)
        for start in range(0, len(ranks), 256):
            part = slice(start, start + 256)
            lists = self._lists(model, self.users[part])
            for row, (items, target) in enumerate(zip(lists, self.cases.targets[part])):
                seen = set(self.cases.histories[start + row].tolist())
                left = [item for item in items if item not in seen]
                if target in left:
                    ranks[start + row] = left.index(target)
        return metrics.figures(ranks)

    def _lists(self, model, users):
        rows, ids = len(users), self.corpus.ids[self.sorted]
        levels = ids.shape[1]
        token = torch.full((rows, 1), ID)
        state = torch.zeros(rows, 1, model.shape.state)
        score = torch.zeros(rows, 1)
        low, high = np.zeros((rows, 1), dtype=np.int64), np.full((rows, 1), len(ids))
        for level in range(levels):
            log_probs, state = model.step(users[:, None].expand(-1, token.shape[1], -1), token, state)
            first, last = int(ids[:, level].min()), int(ids[:, level].max()) + 1
            own = ids[:, level]
            legal = torch.zeros(rows, token.shape[1], last - first, dtype=torch.bool)
            for row in range(rows):
                for beam in range(token.shape[1]):
                    legal[row, beam, np.unique(own[low[row, beam] : high[row, beam]]) - first] = True
            grown = (score[..., None] + log_probs[..., first:last]).masked_fill(~legal, -torch.inf).flatten(1)
            score, index = grown.topk(min(self.beam, grown.shape[1]), -1)
            parent, code = index // (last - first), index % (last - first)
            token = code + first
            state = state.gather(1, parent[..., None].expand(-1, -1, state.shape[-1]))
            new_low, new_high = np.zeros(token.shape, dtype=np.int64), np.zeros(token.shape, dtype=np.int64)
            for row in range(rows):
                for beam, (p, t) in enumerate(zip(parent[row].tolist(), token[row].tolist())):
                    a, b = low[row, p], high[row, p]
                    cell = own[a:b]
                    new_low[row, beam] = a + np.searchsorted(cell, t)
                    new_high[row, beam] = a + np.searchsorted(cell, t, side="right")
            low, high = new_low, new_high
        return [
            [
                int(self.sorted[place])
                for beam in range(token.shape[1])
                if score[row, beam] > -torch.inf
                for place in range(low[row, beam], high[row, beam])
            ]
            for row in range(rows)
        ]


def fit(
    split: Split,
    corpus: Corpus,
    taught: Taught,
    shape: Shape,
    teaching: Teaching,
    settings: trainer.Settings,
    work: Path,
    seconds: float,
    key: str,
    judged: int = 1500,
    name: str = "transrec",
) -> tuple[TransRec, dict[str, float]]:
    torch.manual_seed(settings.seed)
    histories, targets = lessons(split, taught.history)
    kept = work / f"transrec-users-{key}.npy"
    if kept.exists():
        users = torch.from_numpy(np.load(kept))
    else:
        users = taught.users(histories)
        np.save(kept, users.numpy())
    given = Lessons(corpus, taught, users, targets, teaching)
    model = TransRec(shape, corpus.vocabulary.size, taught.rows.shape[1])
    cases = split.validation.sample(judged, seed=1)
    judge = Judge(corpus, taught.users(cases.histories), cases)
    best = trainer.train(
        name, model, given.batches, given.loss, judge, settings, work, seconds,
        key=trainer.key_of(asdict(shape), asdict(teaching), key, corpus.ids.tolist()),
    )
    return model, best
