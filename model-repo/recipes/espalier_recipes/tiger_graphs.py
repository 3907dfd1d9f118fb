"""What is served of TIGER: its `prefill` and `step` graphs, of few and large operations.

The weights are those of `tiger.Tiger`, in another order. A beam has a dozen small products a layer,
so a graph's time is the number of its operations as much as their size:

- Heads are not taken apart. Keys and values of a history stand in a block-diagonal matrix, a block
  for each head, so that all heads of all beams are one product each.
- Queries are not turned. Rotary positions count from the query, so what turns is the keys: those of
  the history once for all beams, a beam's own by one position a step.
- Features of queries and keys stand as first halves of all heads, then second halves, so that a turn
  is one swap.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from . import compact, layers, tiger
from .bundle import Writer
from .export import Exported, Port


class _Stack(nn.Module):
    def __init__(self, model: tiger.Tiger):
        super().__init__()
        self.model = model
        shape = model.shape
        self.width, self.heads, self.history = shape.width, shape.heads, shape.history
        head = shape.width // shape.heads
        # By feature in the new order: its place in the old one, and its head.
        order = torch.arange(shape.width).view(shape.heads, 2, head // 2).transpose(0, 1).flatten()
        owner = order // head
        blocks = F.one_hot(owner, shape.heads).float()  # [width, heads]
        self.constant("order", order)
        self.constant("key_blocks", blocks.repeat_interleave(shape.history, 1))  # [width, heads * N]
        values = F.one_hot(torch.arange(shape.width) // head, shape.heads).float().t()
        self.constant("value_blocks", values.repeat_interleave(shape.history, 0))  # [heads * N, width]
        self.constant("score_sums", blocks * head**-0.5)  # [width, heads]
        self.constant("value_spread", values.clone())  # [heads, width]

    def constant(self, name: str, value: torch.Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def turn(self, positions: torch.Tensor):
        """Cosines and signed sines [..., width] of a turn by `positions`, in the new order."""
        head = self.width // self.heads
        cos, sin = layers.rotary(positions, head)
        half = head // 2
        cos = cos[..., :half].repeat(*[1] * positions.dim(), 2 * self.heads)
        sin = sin[..., :half].repeat(*[1] * positions.dim(), self.heads)
        return cos, torch.cat((-sin, sin), -1)

    def joint(self, layer, x):
        """Queries, keys and values [..., 3 · width], none turned."""
        attention = layer.self_attn
        weights = torch.cat(
            (
                attention.q_proj.weight[self.order],
                attention.k_proj.weight[self.order],
                attention.v_proj.weight,
            )
        )
        return F.linear(layer.input_layernorm(x), weights)


def _swapped(x: torch.Tensor, axis: int) -> torch.Tensor:
    first, second = x.chunk(2, axis)
    return torch.cat((second, first), axis)


class Prefill(_Stack):
    """Codes [B, N, L] to `log_probs` [B, C] of the first level's codes and what `Step` reads."""

    def __init__(self, model: tiger.Tiger):
        super().__init__(model)
        slots = torch.arange(self.history) - self.history
        for name, value in zip(("cos", "sin"), self.turn(slots)):
            self.constant(name, value)  # [N, width]
        later = layers.causal(self.history).repeat(1, self.heads)
        self.constant("later", later)  # [N, heads * N]

    def forward(self, history):
        model = self.model
        head = self.width // self.heads
        blocked = (history[:, None, :, 0] < 0).to(torch.float32) * layers.BLOCKED
        blocked = blocked.repeat(1, 1, self.heads)  # [B, 1, heads * N]
        mask = blocked + self.later
        x = model.items(history)
        all_keys, all_values = [], []
        for number, layer in enumerate(model.decoder.layers):
            last = number == len(model.decoder.layers) - 1
            q, k, v = self.joint(layer, x).split(self.width, -1)
            k = ((k * self.cos + _swapped(k, -1) * self.sin) * head**-0.5).transpose(1, 2)
            all_keys.append(k)
            all_values.append(v)
            cos, sin = self.cos, self.sin
            if last:
                q, x, mask, cos, sin = q[:, -1:], x[:, -1:], mask[:, -1:], cos[-1:], sin[-1:]
            q = q * cos + _swapped(q, -1) * sin
            keys = k.repeat(1, 1, self.heads) * self.key_blocks
            values = v.repeat(1, self.heads, 1) * self.value_blocks
            weights = (torch.matmul(q, keys) + mask).unflatten(-1, (self.heads, self.history))
            weights = torch.softmax(weights, -1).flatten(-2)
            x = model.grown(layer, x, torch.matmul(weights, values))
        log_probs = model.log_probs(model.decoder.norm(x[:, -1]))[:, 1 : 1 + model.size]
        return log_probs, torch.stack(all_keys, 1), torch.stack(all_values, 1), blocked


class Step(_Stack):
    """One more code of each beam.

    `state_*` as prefill gave them; `beam_cache` [B, W, P, 2 · layers · width], keys and values of the
    P positions that each beam has written; `code` [B, W], each beam's last. Gives `log_probs`
    [B, W, C] of the codes of level P + 1, and the cache of the new position.
    """

    def __init__(self, model: tiger.Tiger):
        super().__init__(model)
        # The exporter traces with two positions written, whatever the number of levels is.
        turns = -torch.arange(max(model.levels, 2) + 1)
        for name, value in zip(("cos", "sin"), self.turn(turns)):
            self.constant(name, value)  # [L + 1, width]
        # Of own positions, the last row of the one before the newest.
        for name, value in zip(("own_cos", "own_sin"), (self.cos, self.sin)):
            self.constant(name, value[1:].flip(0))  # [L, width]
        offsets = F.pad(model.offsets, (0, 2))
        self.constant("offsets", offsets)

    def forward(self, state_keys, state_values, state_blocked, beam_cache, code):
        model = self.model
        decoder = model.decoder.layers
        written = beam_cache.shape[2]
        cos, sin = self.cos[written][:, None], self.sin[written][:, None]
        keys = state_keys * cos + _swapped(state_keys, 2) * sin
        keys = (keys.repeat(1, 1, 1, self.heads) * self.key_blocks).unbind(1)
        values = (state_values.repeat(1, 1, self.heads, 1) * self.value_blocks).unbind(1)
        old = beam_cache.split(self.width, -1)  # keys of each layer, then values: [B, W, P, width]
        first = self.own_cos.shape[0] - written
        own_cos, own_sin = self.own_cos[first:], self.own_sin[first:]
        token = code + self.offsets[written]
        x = F.embedding(token, model.embed_tokens.weight)
        # The first layer projects nothing but embeddings: a table that is made when the graph loads.
        qkv = F.embedding(token, self.joint(decoder[0], model.embed_tokens.weight))
        cache: list[torch.Tensor] = []
        for number, layer in enumerate(decoder):
            if number:
                qkv = self.joint(layer, x)
            q, k, v = qkv[:, :, None].split(self.width, -1)  # [B, W, 1, width]
            cache.insert(number, k)
            cache.append(v)
            own_keys = old[number] * own_cos + _swapped(old[number], -1) * own_sin
            own_keys = torch.cat((own_keys, k), 2)  # [B, W, P + 1, width]
            own_values = torch.cat((old[len(decoder) + number], v), 2)
            shared = torch.matmul(q[:, :, 0], keys[number]) + state_blocked
            shared = shared.unflatten(-1, (self.heads, self.history))
            own = torch.matmul(own_keys * q, self.score_sums).transpose(2, 3)  # [B, W, heads, P + 1]
            weights = torch.softmax(torch.cat((shared, own), -1), -1)
            seen = torch.matmul(weights[..., : self.history].flatten(-2), values[number])
            own = torch.matmul(weights[..., self.history :].transpose(2, 3), self.value_spread)
            x = model.grown(layer, x, seen + (own * own_values).sum(2))
        level = torch.sym_min(written + 1, model.levels - 1)
        log_probs = model.log_probs(model.decoder.norm(x))
        return log_probs.narrow(-1, 1 + level * model.size, model.size), torch.cat(cache, -1)


def cache_width(shape: tiger.Shape) -> int:
    """Floats of one position of a beam: keys and values of each layer."""
    return 2 * shape.layers * shape.width


def add_models(writer: Writer, model: tiger.Tiger, codes: torch.Tensor, beam: int) -> None:
    """Writes `prefill` and `step`, each checked against PyTorch on histories of items with these codes."""
    shape = model.shape
    state = [
        Port("state_keys", torch.float32, (shape.layers, shape.width, shape.history)),
        Port("state_values", torch.float32, (shape.layers, shape.history, shape.width)),
        Port("state_blocked", torch.float32, (1, shape.heads * shape.history)),
    ]
    prefill, step = Prefill(model).eval(), Step(model).eval()

    def padded(batch: int) -> torch.Tensor:
        torch.manual_seed(batch)
        shown = codes[torch.randint(len(codes), (batch, shape.history))]
        absent = torch.arange(shape.history) < torch.randint(shape.history, (batch, 1))
        return torch.where(absent[..., None], -1, shown)

    compact.add_model(
        writer,
        "prefill",
        prefill,
        {"history": padded(3)},
        Exported(
            [Port("history", torch.int64, (shape.history, model.levels))],
            [Port("log_probs", torch.float32, (model.size,)), *state],
        ),
        varying={},
        checks=[{"history": padded(batch)} for batch in (1, 8)],
    )
    width = cache_width(shape)

    def stepped(batch: int, beams: int, written: int) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            states = prefill(padded(batch))[1:]
        return {
            **{port.name: value for port, value in zip(state, states)},
            "beam_cache": torch.randn(batch, beams, written, width),
            "code": torch.randint(model.size, (batch, beams)),
        }

    compact.add_model(
        writer,
        "step",
        step,
        stepped(3, 5, 2),
        Exported(
            [
                *state,
                Port("beam_cache", torch.float32, (-1, -1, width)),
                Port("code", torch.int64, (-1,)),
            ],
            [
                Port("log_probs", torch.float32, (-1, model.size)),
                Port("beam_new", torch.float32, (-1, 1, width)),
            ],
            warm={"beam_cache": (beam, 1, width), "code": (beam,)},
        ),
        {"beam_cache": {1: "beams", 2: "written"}, "code": {1: "beams"}},
        [
            stepped(batch, beams, written)
            for batch in (1, 8)
            for beams in (1, 20, 50)
            for written in range(model.levels - 1)
        ],
    )
