"""What is served of TIGER: its `prefill` graph, and a step graph for each further level.

The weights are those of `tiger.Tiger`, in another order. A beam has a dozen small products a layer,
so a graph's time is the number of its operations as much as their size:

- Heads are not taken apart. Keys and values of a history stand in a block-diagonal matrix, a block
  for each head, so that all heads of all beams are one product each.
- A step turns nothing. The codes that it reads stand at one position, so the rotary turn is in its
  weights; keys are turned once, where they are made.
- Features of queries and keys stand as first halves of all heads, then second halves, so that a turn
  is one swap.
- A short history is a short input (`sizes`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from . import compact, layers, tiger
from .bundle import Writer
from .export import Exported, Port

# Takes a position out of a softmax as surely as minus infinity does, whose exponential is 16 times slower: e^-64
# beside the weight of a position that counts is far below a float's last digit, and no denormal.
_BLOCKED = -64.0


class _Stack(nn.Module):
    def __init__(self, model: tiger.Tiger):
        super().__init__()
        self.model = model
        shape = model.shape
        self.width, self.heads, self.history = shape.width, shape.heads, shape.history
        self.head = shape.width // shape.heads
        # By feature in the new order: its place in the old one.
        order = torch.arange(shape.width).view(shape.heads, 2, self.head // 2).transpose(0, 1).flatten()
        self.constant("order", order)
        turned = F.one_hot(order // self.head, shape.heads).float()  # [width, heads]
        plain = F.one_hot(torch.arange(shape.width) // self.head, shape.heads).float()
        self.constant("key_blocks", turned.t()[:, None].clone())  # [heads, 1, width]
        self.constant("value_blocks", plain.t()[:, None].clone())
        self.constant("score_sums", turned)  # [width, heads]
        self.constant("value_spread", plain.t().clone())  # [heads, width]

    def constant(self, name: str, value: torch.Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def turn(self, positions: torch.Tensor):
        """Cosines and signed sines [..., width] of a turn by `positions`, in the new order."""
        cos, sin = layers.rotary(positions, self.head)
        half = self.head // 2
        cos = cos[..., :half].repeat(*[1] * positions.dim(), 2 * self.heads)
        sin = sin[..., :half].repeat(*[1] * positions.dim(), self.heads)
        return cos, torch.cat((-sin, sin), -1)

    def weights(self, layer):
        """Of queries and scaled keys, in the new order, and of values: [width, width] each."""
        attention = layer.self_attn
        query, key = attention.q_proj.weight[self.order], attention.k_proj.weight[self.order]
        return query, key * self.head**-0.5, attention.v_proj.weight

    def blocks(self, keys, values):
        """Keys and values [..., N, width] as matrices [..., heads · N, width] of a block for each head."""
        keys = (keys[..., None, :, :] * self.key_blocks).flatten(-3, -2)
        values = (values[..., None, :, :] * self.value_blocks).flatten(-3, -2)
        return keys, values


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, axis: int) -> torch.Tensor:
    first, second = x.chunk(2, axis)
    return x * cos + torch.cat((second, first), axis) * sin


class Prefill(_Stack):
    """Codes [B, N, L] to `log_probs` [B, C] of the first level's codes and what steps read."""

    def __init__(self, model: tiger.Tiger):
        super().__init__(model)
        slots = torch.arange(self.history) - self.history
        for name, value in zip(("cos", "sin"), self.turn(slots)):
            self.constant(name, value)  # [history, width]
        later = torch.ones(self.history, self.history).triu(1) * _BLOCKED
        self.constant("later", later[:, None].clone())  # [history, 1, history]

    def forward(self, history):
        hidden, *state = self.read(self.model.items(history), history[..., 0] < 0)
        return self.log_probs(hidden), *state

    def log_probs(self, hidden):
        return self.model.log_probs(hidden)[:, 1 : 1 + self.model.size]

    def read(self, x, absent):
        """Embeddings [B, N, width] to the hidden state [B, width] at the end, and what steps read of the history."""
        model = self.model
        first = self.history - x.shape[1]
        cos, sin = self.cos[first:], self.sin[first:]
        blocked = absent[:, None, None, :].to(torch.float32) * _BLOCKED
        mask = blocked + self.later[first:, :, first:]  # [B, N, 1, N]
        all_keys, all_values = [], []
        for number, layer in enumerate(model.decoder.layers):
            last = number == len(model.decoder.layers) - 1
            qkv = F.linear(layer.input_layernorm(x), torch.cat(self.weights(layer)))
            q, k, v = qkv.split(self.width, -1)
            k = _turned(k, cos, sin, -1)
            all_keys.append(k)
            all_values.append(v)
            if last:
                q, x, mask, cos, sin = q[:, -1:], x[:, -1:], mask[:, -1:], cos[-1:], sin[-1:]
            keys, values = self.blocks(k, v)
            scores = torch.matmul(_turned(q, cos, sin, -1), keys.transpose(1, 2))
            scores = scores.unflatten(-1, (self.heads, -1)) + mask
            seen = torch.matmul(torch.softmax(scores, -1).flatten(-2), values)
            x = model.grown(layer, x, seen)
        return model.decoder.norm(x[:, -1]), torch.stack(all_keys, 1), torch.stack(all_values, 1), blocked


class Step(_Stack):
    """`log_probs` [B, W, C] of the codes of one level (from 1) after each beam's codes.

    Reads `state_*` as prefill gave them, `code` [B, W], each beam's last, and beyond level 1
    `beam_cache` [B, W, level − 1, 2 · layers · width], keys and values of each beam's codes before
    that. But for the last level it gives those of the new code too.
    """

    def __init__(self, model: tiger.Tiger, level: int):
        super().__init__(model)
        self.level = level
        for name, value in zip(("cos", "sin"), self.turn(torch.tensor(level - 1))):
            self.constant(name, value[:, None].clone())  # [width, 1]

    def joint(self, layer, x):
        """Queries and keys at this level's position, and values: [..., 3 · width]."""
        query, key, value = self.weights(layer)
        if self.level > 1:  # positions are counted from the first code's
            query, key = (_turned(weight, self.cos, self.sin, 0) for weight in (query, key))
        return F.linear(layer.input_layernorm(x), torch.cat((query, key, value)))

    def forward(self, state_keys, state_values, state_blocked, code, beam_cache=None):
        hidden, cache = self.read(state_keys, state_values, state_blocked, code, beam_cache)
        log_probs = self.log_probs(hidden)
        return log_probs if self.level == self.model.levels - 1 else (log_probs, cache)

    def log_probs(self, hidden):
        model = self.model
        return model.log_probs(hidden).narrow(-1, 1 + self.level * model.size, model.size)

    def read(self, state_keys, state_values, state_blocked, code, beam_cache):
        """Hidden states [B, W, width] at the new codes, and what later steps read of them."""
        model, level = self.model, self.level
        decoder = model.decoder.layers
        earlier = None if beam_cache is None else beam_cache.split(self.width, -1)
        all_keys, all_values = self.blocks(state_keys, state_values)
        token = code + model.offsets[level - 1]
        x = F.embedding(token, model.embed_tokens.weight)
        # The first layer projects nothing but embeddings: a table that is made when the graph loads.
        qkv = F.embedding(token, self.joint(decoder[0], model.embed_tokens.weight))
        cache: list[torch.Tensor] = []
        for number, layer in enumerate(decoder):
            if number:
                qkv = self.joint(layer, x)
            q, k, v = qkv.split(self.width, -1)  # [B, W, width]
            cache.insert(number, k)
            cache.append(v)
            shared = torch.matmul(q, all_keys[:, number].transpose(1, 2))
            shared = shared.unflatten(-1, (self.heads, -1)) + state_blocked  # [B, W, heads, N]
            if earlier is None:
                own = torch.matmul(q * k, self.score_sums)[..., None]  # [B, W, heads, 1]
            else:
                keys = torch.cat((earlier[number], k[:, :, None]), 2)  # [B, W, level, width]
                values = torch.cat((earlier[len(decoder) + number], v[:, :, None]), 2)
                own = torch.matmul(keys * q[:, :, None], self.score_sums).transpose(2, 3)
            weights = torch.softmax(torch.cat((own, shared), -1), -1)
            seen = torch.matmul(weights[..., level:].flatten(-2), all_values[:, number])
            if earlier is None:
                seen = seen + torch.matmul(weights[..., 0], self.value_spread) * v
            else:
                spread = torch.matmul(weights[..., :level].transpose(2, 3), self.value_spread)
                seen = seen + (spread * values).sum(2)
            x = model.grown(layer, x, seen)
        return model.decoder.norm(x), torch.cat(cache, -1)[:, :, None]


def cache_width(shape: tiger.Shape) -> int:
    """Floats of one position of a beam: keys and values of each layer."""
    return 2 * shape.layers * shape.width


def sizes(shape: tiger.Shape) -> list[int]:
    """The lengths that a history is padded to: few, so that requests still meet in a batch."""
    return sorted({max(1, shape.history * 2 // 5), shape.history})


def add_models(writer: Writer, model: tiger.Tiger, codes: torch.Tensor, beam: int) -> None:
    """Writes `prefill` and the steps, each checked against PyTorch on histories of items with these codes."""

    def histories(batch: int, events: int) -> dict[str, torch.Tensor]:
        items = left_padded_items(len(codes), batch, events)
        return {"history": torch.where(items[..., None] >= 0, codes[items], -1)}

    graphs = Graphs(writer, model, beam, Prefill(model), histories, state(model))
    graphs.add_prefill([Port("history", torch.int64, (-1, model.levels))])
    for level in range(1, model.levels):
        outputs = [Port("log_probs", torch.float32, (-1, model.size))]
        if level < model.levels - 1:
            outputs.append(graphs.kept)
        graphs.add_step(f"step{level}", Step(model, level), outputs)


def left_padded_items(count: int, batch: int, events: int) -> torch.Tensor:
    """Histories [B, N] of 1 to N of `count` items by chance, −1 before the first."""
    torch.manual_seed(batch)
    shown = torch.randint(count, (batch, events))
    return torch.where(torch.arange(events) < torch.randint(events, (batch, 1)), -1, shown)


def state(model: tiger.Tiger) -> dict[Port, dict[int, str]]:
    """What steps read of prefill, in its order, each with the dimensions that vary."""
    shape = model.shape
    return {
        Port("state_keys", torch.float32, (shape.layers, -1, shape.width)): {2: "events"},
        Port("state_values", torch.float32, (shape.layers, -1, shape.width)): {2: "events"},
        Port("state_blocked", torch.float32, (1, 1, -1)): {3: "events"},
    }


class Graphs:
    """Writes `prefill` and steps, each checked against PyTorch on what `histories(batch, events)` gives."""

    def __init__(self, writer: Writer, model: tiger.Tiger, beam: int, prefill: Prefill, histories, state):
        self.writer, self.model, self.beam = writer, model, beam
        self.prefill, self.histories, self.state = prefill.eval(), histories, state
        self.sizes, self.cache = sizes(model.shape), cache_width(model.shape)
        self.checked = [(batch, events) for batch in (1, 8) for events in self.sizes]
        # What is traced has sizes that no other dimension has.
        history = model.shape.history
        self.traced = history - 1 if history > 2 else history
        self.kept = Port("beam_new", torch.float32, (-1, 1, self.cache))

    def add_prefill(self, inputs: list[Port]) -> None:
        compact.add_model(
            self.writer,
            "prefill",
            self.prefill,
            self.histories(3, self.traced),
            Exported(
                inputs,
                [Port("log_probs", torch.float32, (self.model.size,)), *self.state],
                warm=[{port.name: (events, *port.dims[1:]) for port in inputs} for events in self.sizes],
            ),
            {port.name: {1: "events"} for port in inputs},
            [self.histories(batch, events) for batch, events in self.checked],
        )

    def add_step(self, part: str, step: Step, outputs: list[Port]) -> None:
        before = step.level - 1
        inputs = [*self.state, Port("code", torch.int64, (-1,))]
        varying = {port.name: dims for port, dims in self.state.items()} | {"code": {1: "beams"}}
        if before:
            inputs.append(Port("beam_cache", torch.float32, (-1, before, self.cache)))
            varying["beam_cache"] = {1: "beams"}

        def given(batch: int, events: int, beams: int) -> dict[str, torch.Tensor]:
            with torch.no_grad():
                states = self.prefill(*self.histories(batch, events).values())[1:]
            found = {port.name: value for port, value in zip(self.state, states)}
            found["code"] = torch.randint(self.model.size, (batch, beams))
            return found | ({"beam_cache": torch.randn(batch, beams, before, self.cache)} if before else {})

        def warm(events: int) -> dict[str, tuple[int, ...]]:
            found = {}
            for port in inputs:
                own = varying[port.name]
                sized = {"events": events, "beams": self.beam}
                found[port.name] = tuple(
                    sized[own[axis]] if axis in own else size for axis, size in enumerate(port.dims, 1)
                )
            return found

        compact.add_model(
            self.writer,
            part,
            step.eval(),
            given(3, self.traced, 5),
            Exported(inputs, outputs, warm=[warm(events) for events in self.sizes]),
            varying,
            [given(batch, events, beams) for batch, events in self.checked for beams in (1, 20, 50)],
        )
