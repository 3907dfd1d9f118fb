"""TIGER (2023): a decoder that writes the semantic id of the next item, code by code.

Decoder-only, one position per item of history (the sum of its codes' embeddings), then one per
code of the target. Every position of a history is trained at once: each item position predicts
the first code of the next item, and that item's codes follow as positions that see the history up
to there and their own prefix. SASRec's distribution over items is distilled into each level's
marginals under the prefix, and now and then an item drawn from it stands in for the target.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from . import layers, metrics, sasrec, trainer
from .data import Cases, Split, Windows, left_padded
from .tokenizer import SemanticIds


@dataclass(frozen=True)
class Shape:
    history: int = 20
    width: int = 128
    layers: int = 3
    heads: int = 4
    inner: int = 256
    dropout: float = 0.25


@dataclass(frozen=True)
class Teaching:
    soft: float = 0.5  # share of the teacher's marginals in each level's target
    drawn: float = 0.3  # share of targets that are drawn from the teacher
    top: int = 48  # items of the teacher's distribution that are kept
    written: float = 0.34  # share of positions whose later codes are trained in one pass


class Tiger(nn.Module):
    """Weights are named as in LlamaForCausalLM; token 0 marks the positions of the history."""

    def __init__(self, shape: Shape, levels: int, size: int):
        super().__init__()
        self.shape, self.levels, self.size = shape, levels, size
        self.vocabulary = 1 + levels * size
        self.embed_tokens = nn.Embedding(self.vocabulary, shape.width)
        self.decoder = layers.Decoder(
            shape.width, shape.layers, shape.heads, shape.inner, shape.dropout
        )
        self.lm_head = nn.Linear(shape.width, self.vocabulary, bias=False)
        nn.init.normal_(self.embed_tokens.weight, std=0.05)
        nn.init.normal_(self.lm_head.weight, std=0.02)
        self.register_buffer("offsets", 1 + torch.arange(levels) * size, persistent=False)

    def start_from(self, ids: SemanticIds) -> None:
        """Code embeddings start where the tokenizer put their clusters."""
        width = min(self.shape.width, ids.centroids.shape[-1])
        books = torch.from_numpy(ids.centroids[:, :, :width]).float()
        with torch.no_grad():
            for level in range(self.levels):
                rows = slice(1 + level * self.size, 1 + (level + 1) * self.size)
                book = books[level] / books[level].std().clamp(min=1e-6)
                self.embed_tokens.weight[rows, :width] = 0.05 * book
                self.lm_head.weight[rows, :width] = 0.02 * book

    def items(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes [..., L] (−1 = nothing) to embeddings [..., width]."""
        present = (codes[..., :1] >= 0).to(torch.float32)
        tokens = codes.clamp(min=0) + self.offsets
        return (self.embed_tokens(tokens).sum(-2) + self.embed_tokens.weight[0]) * present

    def log_probs(self, hidden: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(self.lm_head(hidden), -1)

    def prefill(self, history: torch.Tensor):
        """Codes [B, N, L] to log_probs [B, V] and the state that `step` reads."""
        hidden, *state = self.read_history(self.items(history), history[..., 0] >= 0)
        return self.log_probs(hidden), *state

    def read_history(self, x: torch.Tensor, present: torch.Tensor):
        """Embeddings [B, N, width] of a history to the hidden state [B, width] at its end, and what `read_codes` reads."""
        positions, mask = layers.left_padded_mask(present)
        cos, sin = layers.rotary(positions[:, 0, :, None], self.decoder.head)  # [B, N, 1, e]
        keys, values = [], []
        for number, layer in enumerate(self.decoder.layers):
            # Of the last layer only the last position is read, and all of its keys and values.
            last = number == len(self.decoder.layers) - 1
            q, k, v = self._projected(layer, x, cos, sin)
            q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # [B, h, N, e]
            keys.append(k)
            values.append(v)
            q, x, seen = (q[:, :, -1:], x[:, -1:], mask[:, :, -1:]) if last else (q, x, mask)
            x = self.grown(layer, x, layers.attend(q, k, v, seen).transpose(1, 2).flatten(-2))
        length = present.long().sum(-1, keepdim=True)
        return self.decoder.norm(x[:, -1]), torch.stack(keys, 1), torch.stack(values, 1), length

    def step(self, keys, values, length, prefix):
        """State and codes so far [B, W, t] to log_probs [B, W, V] of the next code."""
        return self.log_probs(self.read_codes(keys, values, length, prefix))

    def read_codes(self, keys, values, length, prefix):
        """State and codes so far [B, W, t] to the hidden states [B, W, width] at the last of them."""
        beams, depth, kept = prefix.shape[1], prefix.shape[2], keys.shape[-2]
        heads, head = keys.shape[2], keys.shape[-1]
        x = self.embed_tokens(prefix + self.offsets[:depth])
        positions = length + torch.arange(depth)
        cos, sin = layers.rotary(positions[:, None, :, None], head)  # [B, 1, t, 1, e]
        blocked = (torch.arange(kept) < kept - length).to(torch.float32) * layers.BLOCKED
        blocked = blocked[:, None, None, :]
        later = layers.causal(depth)
        for number, layer in enumerate(self.decoder.layers):
            last = number == len(self.decoder.layers) - 1
            q, k, v = self._projected(layer, x, cos, sin)  # [B, W, t, h, e]
            if last:
                q, x, later = q[:, :, -1:], x[:, :, -1:], later[-1:]
            asked = q.shape[2]
            q = (q * head**-0.5).permute(0, 3, 1, 2, 4)  # [B, h, W, t, e]
            k, v = k.permute(0, 3, 1, 2, 4), v.permute(0, 3, 1, 2, 4)
            # The history is the same for all beams: one product for each head. A beam's own few
            # positions are too small for products.
            rows = q.reshape(-1, heads, beams * asked, head)
            before = torch.matmul(rows, keys[:, number].transpose(-2, -1)) + blocked
            own = (q[..., None, :] * k[..., None, :, :]).sum(-1) + later  # [B, h, W, t, t]
            own = own.reshape(-1, heads, beams * asked, depth)
            weights = torch.softmax(torch.cat((before, own), -1), -1)
            seen = torch.matmul(weights[..., :kept], values[:, number])
            own = weights[..., kept:].reshape(-1, heads, beams, asked, depth, 1)
            seen = seen.reshape(-1, heads, beams, asked, head)
            seen = seen + (own * v[..., None, :, :]).sum(-2)
            x = self.grown(layer, x, seen.permute(0, 2, 3, 1, 4).flatten(-2))
        return self.decoder.norm(x[:, :, -1])

    def _projected(self, layer, x, cos, sin):
        """Queries and keys, turned by their positions, and values: [..., h, e] each."""
        attention = layer.self_attn
        both = layers.joined(
            layer.input_layernorm(x), attention.q_proj, attention.k_proj, attention.v_proj
        ).unflatten(-1, (3 * attention.heads, attention.head))
        turned = layers.rotate(both[..., : 2 * attention.heads, :], cos, sin)
        q, k = turned[..., : attention.heads, :], turned[..., attention.heads :, :]
        return q, k, both[..., 2 * attention.heads :, :]

    @staticmethod
    def grown(layer, x, seen):
        """The rest of a layer, after attention."""
        x = x + layer.self_attn.o_proj(seen)
        mlp = layer.mlp
        gate, up = layers.joined(
            layer.post_attention_layernorm(x), mlp.gate_proj, mlp.up_proj
        ).chunk(2, -1)
        return x + mlp.down_proj(F.silu(gate) * up)

    def training_hidden(self, x: torch.Tensor, written: torch.Tensor, chosen: torch.Tensor):
        """Hidden states of item positions [B, T, w] and of code positions [B, M, D, w].

        `x` holds the items' embeddings [B, T, w]; `written` [B, M, D] the targets' first codes at
        the `chosen` [M] positions. All of it is one pass under one mask.
        """
        count, length, depth = len(chosen), x.shape[1], written.shape[2]
        if depth and count:
            tokens = written + self.offsets[:depth]
            x = torch.cat((x, self.embed_tokens(tokens).flatten(1, 2)), 1)
        x = F.dropout(x, self.shape.dropout, self.training)
        where = torch.arange(length)
        place = (chosen[:, None] + 1 + torch.arange(depth)).flatten()
        owner = chosen[:, None].expand(count, depth).flatten()
        level = torch.arange(depth).expand(count, depth).flatten()
        total = length + count * depth
        allowed = torch.zeros(total, total, dtype=torch.bool)
        allowed[:length, :length] = where[None, :] <= where[:, None]
        allowed[length:, :length] = where[None, :] <= owner[:, None]
        same = owner[None, :] == owner[:, None]
        allowed[length:, length:] = same & (level[None, :] <= level[:, None])
        mask = torch.zeros(total, total).masked_fill(~allowed, layers.BLOCKED)
        hidden = self.decoder(x, torch.cat((where, place)), mask)
        return hidden[:, :length], hidden[:, length:].unflatten(1, (count, depth))


@dataclass(frozen=True)
class Lesson:
    """A batch with the teacher's best items at each position."""

    inputs: torch.Tensor
    targets: torch.Tensor
    items: torch.Tensor  # [B, T, top]
    weights: torch.Tensor  # [B, T, top]

    def target(self, drawn: float) -> torch.Tensor:
        """Targets [B, T], a share of them drawn from the teacher; 0 where there is nothing to learn."""
        target = self.targets.clamp(min=0)
        if not drawn:
            return target
        other = torch.multinomial(self.weights.flatten(0, 1) + 1e-9, 1).view_as(target)
        other = self.items.gather(-1, other[..., None])[..., 0]
        return torch.where(torch.rand(target.shape) < drawn, other, target)


class Teacher:
    """SASRec's best items and their probabilities at each position of each window."""

    def __init__(self, model: sasrec.SASRec, windows: Windows, top: int, kept: Path):
        self.windows = windows
        self.starts = np.concatenate(([0], np.cumsum(windows.lengths)))
        if kept.exists():
            with np.load(kept) as stored:
                self.items, self.weights = stored["items"], stored["weights"]
            return
        top = min(top, model.tower.ids.num_embeddings)
        self.items = np.zeros((self.starts[-1], top), dtype=np.int32)
        self.weights = np.zeros((self.starts[-1], top), dtype=np.float16)
        self._fill(model, top)
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, items=self.items, weights=self.weights)

    @torch.no_grad()
    def _fill(self, model: sasrec.SASRec, top: int) -> None:
        model.eval()
        table = model.tower()
        order = np.argsort(self.windows.lengths, kind="stable")
        for start in tqdm(range(0, len(order), 64), desc="teacher", unit="batch"):
            numbers = order[start : start + 64]
            batch = self.windows.batch(numbers)
            hidden = model.hidden(torch.from_numpy(batch.inputs), table)
            present = torch.from_numpy(batch.inputs >= 0)
            logits = hidden[present] @ table.t() + model.bias
            best, items = logits.topk(top, -1)
            weights = (best - logits.logsumexp(-1, keepdim=True)).exp()
            rows = np.concatenate(
                [np.arange(self.starts[n], self.starts[n + 1]) for n in numbers]
            )
            self.items[rows], self.weights[rows] = items.numpy(), weights.numpy()

    def lesson(self, numbers: np.ndarray) -> Lesson:
        batch = self.windows.batch(numbers)
        rows = self.starts[numbers][:, None] + np.arange(batch.inputs.shape[1])[None, :]
        rows = np.where(batch.inputs >= 0, rows, 0)
        return Lesson(
            torch.from_numpy(batch.inputs),
            torch.from_numpy(batch.targets),
            torch.from_numpy(self.items[rows].astype(np.int64)),
            torch.from_numpy(self.weights[rows].astype(np.float32)),
        )


def loss(model: Tiger, lesson: Lesson, codes: torch.Tensor, teaching: Teaching) -> torch.Tensor:
    """Cross-entropy of every code of every target, against target and teacher."""
    target = lesson.target(teaching.drawn)
    chosen = written_positions(target.shape[1], teaching.written)
    history = torch.where(lesson.inputs[..., None] >= 0, codes[lesson.inputs.clamp(min=0)], -1)
    item_hidden, code_hidden = model.training_hidden(
        model.items(history), codes[target[:, chosen]][..., :-1], chosen
    )
    return code_losses(model, item_hidden, code_hidden, lesson, target, chosen, codes, teaching.soft)


def written_positions(length: int, share: float) -> torch.Tensor:
    """A share of a window's positions, at least one, by chance and ascending."""
    return torch.randperm(length)[: max(1, int(np.ceil(length * share)))].sort().values


def code_losses(model, item_hidden, code_hidden, lesson, target, chosen, codes, soft) -> torch.Tensor:
    """The levels' losses, summed: the first code's at all positions [B, T, w], the others' at the chosen [B, M, D, w]."""
    wanted = lesson.targets >= 0
    target_codes = codes[target]  # [B, T, L]
    teacher_codes, weights = codes[lesson.items], lesson.weights
    total = level_loss(
        model, item_hidden[wanted], target_codes[wanted], teacher_codes[wanted], weights[wanted], 0, soft
    )
    wanted = wanted[:, chosen]
    target_codes = target_codes[:, chosen][wanted]
    teacher_codes, weights = teacher_codes[:, chosen][wanted], weights[:, chosen][wanted]
    for level in range(1, model.levels):
        same = teacher_codes[..., level - 1] == target_codes[:, None, level - 1]
        weights = weights * same
        if len(target_codes):
            total = total + level_loss(
                model, code_hidden[:, :, level - 1][wanted], target_codes, teacher_codes, weights, level, soft
            )
    return total


def level_loss(model, hidden, target_codes, teacher_codes, weights, level, soft):
    log_probs = model.log_probs(hidden)
    offset = 1 + level * model.size
    hard = -log_probs.gather(1, target_codes[:, level : level + 1] + offset)[:, 0]
    mass = weights.sum(1)
    taught = -(log_probs.gather(1, teacher_codes[..., level] + offset) * weights).sum(1)
    taught = taught / mass.clamp(min=1e-9)
    share = soft * (mass > 1e-4)
    return ((1 - share) * hard + share * taught).mean()


class Trie:
    """Children of each node [nodes, K] by level (−1 = none); leaves hold their items in order."""

    def __init__(self, codes: np.ndarray, size: int):
        self.size = size
        self.codes = codes
        self.children: list[np.ndarray] = []
        self.counts: list[np.ndarray] = []
        self.paths: list[np.ndarray] = []  # node of each item after each level
        node = np.zeros(len(codes), dtype=np.int64)
        nodes = 1
        for level in range(codes.shape[1]):
            pair = node * size + codes[:, level]
            keys, following = np.unique(pair, return_inverse=True)
            following = following.ravel()
            table = np.full(nodes * size, -1, dtype=np.int64)
            table[keys] = np.arange(len(keys))
            self.children.append(table.reshape(nodes, size))
            self.counts.append(np.bincount(following, minlength=len(keys)))
            self.paths.append(following)
            node, nodes = following, len(keys)
        order = np.argsort(node, kind="stable")
        self.leaf_items = np.split(order, np.cumsum(self.counts[-1])[:-1])


@torch.no_grad()
def decode(
    model: Tiger, trie: Trie, histories, beam: int, k: int, seen: bool = True
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Constrained beam search: for each history the best items and their log-probabilities.

    `seen` takes the items of the history out before the search, as a trie without them would.
    A beam's score is the sum of its codes' log-probabilities over the whole vocabulary; equal
    scores go to the lower prefix, and items of one id stand in index order.
    """
    padded = left_padded(histories, model.shape.history)
    history = np.where(padded[..., None] >= 0, trie.codes[padded.clip(min=0)], -1)
    log_probs, *state = model.prefill(torch.from_numpy(history))
    gone = taken_out(histories, seen)
    found = search(trie, gone, beam, log_probs, lambda prefix: model.step(*state, prefix))
    results = []
    for row, barred in enumerate(gone):
        order = torch.sort(found.scores[row], descending=True, stable=True).indices.tolist()
        items = []
        barred = set(barred.tolist())
        for place in order:
            score = float(found.scores[row, place])
            if score == -np.inf or len(items) >= k:
                break
            for item in trie.leaf_items[int(found.nodes[row, place])]:
                if int(item) not in barred:
                    items.append((-score, int(item)))
        items.sort()
        items = items[:k]
        results.append(
            (
                np.array([item for _, item in items], dtype=np.int64),
                np.array([-score for score, _ in items], dtype=np.float64),
            )
        )
    return results


def taken_out(histories, seen: bool) -> list[np.ndarray]:
    """The items of each history, once each; none where `seen` is false."""
    return [np.unique(np.asarray(h)) if seen else np.zeros(0, dtype=np.int64) for h in histories]


@dataclass(frozen=True)
class Beams:
    """Finished beams by row of a batch, in the order of their prefixes; a score of −∞ is no beam."""

    scores: torch.Tensor  # [B, W]
    nodes: torch.Tensor  # [B, W]
    prefix: torch.Tensor  # [B, W, L]


def search(trie: Trie, gone: list[np.ndarray], beam: int, log_probs: torch.Tensor, step) -> Beams:
    """Beam search over the trie without the items that are `gone`.

    `log_probs` [B, V] are the first level's, `step` gives those [B, W, V] of the level after a
    prefix [B, W, t].
    """
    users, levels = len(gone), trie.codes.shape[1]
    dead = _dead_nodes(trie, gone)
    nodes = torch.zeros(users, 1, dtype=torch.long)
    scores = torch.zeros(users, 1)
    prefix = torch.zeros(users, 1, 0, dtype=torch.long)
    for level in range(levels):
        log_probs = step(prefix) if level else log_probs[:, None]
        offset = 1 + level * trie.size
        children = torch.from_numpy(trie.children[level])[nodes]  # [B, W, K]
        grown = scores[..., None] + log_probs[..., offset : offset + trie.size]
        grown = grown.masked_fill((children < 0) | (scores[..., None] == -torch.inf), -torch.inf)
        flat_children = children.flatten(1)
        flat = grown.flatten(1)
        most = max((len(d) for d in dead[level]), default=0)
        wide = min(flat.shape[1], beam + most)
        # Beams stand in the order of their prefixes, so that a stable sort breaks ties by prefix.
        found, index = _top(flat, wide)
        child = flat_children.gather(1, index)
        for row, barred in enumerate(dead[level]):
            if len(barred):
                found[row][torch.from_numpy(np.isin(child[row].numpy(), barred))] = -torch.inf
        found, again = found.sort(dim=1, descending=True, stable=True)
        found, again = found[:, :beam], again[:, :beam]
        index = index.gather(1, again)
        index, order = index.sort(1)
        scores = found.gather(1, order)
        nodes = flat_children.gather(1, index).clamp(min=0)
        parent, code = index // trie.size, index % trie.size
        prefix = torch.cat(
            (prefix.gather(1, parent[..., None].expand(-1, -1, level)), code[..., None]), -1
        )
    return Beams(scores, nodes, prefix)


def _top(flat: torch.Tensor, count: int):
    """The best `count` with ties to the lower index."""
    found, index = flat.topk(count, -1)
    index, order = index.sort(1)
    return found.gather(1, order), index


def _dead_nodes(trie: Trie, gone: list[np.ndarray]) -> list[list[np.ndarray]]:
    """By level and user: nodes all of whose items are taken out."""
    dead = []
    for level in range(len(trie.children)):
        rows = []
        for items in gone:
            if not len(items):
                rows.append(items)
                continue
            nodes, counts = np.unique(trie.paths[level][items], return_counts=True)
            rows.append(nodes[counts == trie.counts[level][nodes]])
        dead.append(rows)
    return dead


def decode_all(model, trie, histories, beam, k, batch=64, title="decode"):
    """Lists of all histories, those of similar length together."""
    return in_batches(lambda part: decode(model, trie, part, beam, k), histories, batch, title)


def in_batches(decode_some, histories, batch=64, title="decode"):
    """What `decode_some` makes of all histories, a batch of similar length at a time."""
    order = np.argsort([len(h) for h in histories], kind="stable")
    found = [None] * len(histories)
    for start in tqdm(range(0, len(order), batch), desc=title, unit="batch", disable=len(order) < 5000):
        numbers = order[start : start + batch]
        lists = decode_some([histories[i] for i in numbers])
        for number, result in zip(numbers, lists):
            found[number] = result
    return found


def ranks_of(lists, targets: np.ndarray) -> np.ndarray:
    ranks = np.full(len(targets), 1 << 30)
    for row, (items, _) in enumerate(lists):
        place = np.flatnonzero(items == targets[row])
        if len(place):
            ranks[row] = place[0]
    return ranks


def fit(
    split: Split,
    ids: SemanticIds,
    taught_by: sasrec.SASRec,
    shape: Shape,
    teaching: Teaching,
    settings: trainer.Settings,
    work: Path,
    seconds: float,
    key: str,
    judged: int = 1200,
    name: str = "tiger",
) -> tuple[Tiger, dict[str, float]]:
    torch.manual_seed(settings.seed)
    model = Tiger(shape, ids.levels, ids.size)
    model.start_from(ids)
    windows = Windows(split.train, shape.history, tokens=1280)
    key = trainer.key_of(asdict(shape), asdict(teaching), key, ids.codes.tolist())
    teacher = Teacher(taught_by, windows, teaching.top, work / name / f"teacher-{key}.npz")
    codes = torch.from_numpy(ids.codes)
    trie = Trie(ids.codes, ids.size)
    cases = split.validation.sample(judged, seed=1)

    def judge(current: Tiger) -> dict[str, float]:
        lists = decode_all(current, trie, cases.histories, beam=20, k=10)
        return metrics.figures(ranks_of(lists, cases.targets))

    best = trainer.train(
        name,
        model,
        windows.epoch,
        lambda current, numbers: loss(current, teacher.lesson(numbers), codes, teaching),
        judge,
        settings,
        work,
        seconds,
        key=key,
    )
    return model, best
