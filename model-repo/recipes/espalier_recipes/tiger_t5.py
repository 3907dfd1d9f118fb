"""TIGER in the paper's shape: a T5 that reads the history's codes and writes the next item's.

The encoder sees one token a code (25 items of 4 codes are 100 tokens), the decoder writes one token a
level. Weights are those of `transformers.T5ForConditionalGeneration` with an untied output layer, so
`generate` runs on the very same. Token 0 pads and starts a decode; the code c of level d is token
`1 + d · size + c`.

The served graphs keep TIGER's contract (docs/bundles.md). What makes them fast:

- Keys and values of the history are projected once, in `prefill`, and stand head by head as products
  read them. With six heads of 64 a block-diagonal matrix would be more arithmetic than heads apart.
- What only depends on one code is a table made when the graph loads: the first layer's projections.
- Rows of all beams are one matrix, so that a residual is the matrix that a product starts from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from transformers import T5Config, T5ForConditionalGeneration

from . import bundle, compact
from .bundle import Writer
from .export import Exported, Port

_BLOCKED = -64.0  # as in tiger_graphs: out of the softmax, and its exponential no denormal


@dataclass(frozen=True)
class Shape:
    history: int = 25
    width: int = 128
    layers: int = 4  # of the encoder, and of the decoder
    heads: int = 6
    head: int = 64
    inner: int = 1024


def model(shape: Shape, levels: int, size: int, seed: int) -> T5ForConditionalGeneration:
    """Seeded random weights, scaled so that log-probabilities differ as those of a trained model do."""
    torch.manual_seed(seed)
    built = T5ForConditionalGeneration(T5Config(**config(shape, levels, size))).eval()
    with torch.no_grad():
        built.lm_head.weight.normal_(std=2 * shape.width**-0.5)
        # Transformers starts every table of position biases at the same small scale; a visible one tests more.
        for stack in (built.encoder, built.decoder):
            stack.block[0].layer[0].SelfAttention.relative_attention_bias.weight.normal_(std=0.5)
    return built


def config(shape: Shape, levels: int, size: int) -> dict:
    """config.json under which the weights load as T5ForConditionalGeneration."""
    return {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "vocab_size": 1 + levels * size,
        "d_model": shape.width,
        "d_kv": shape.head,
        "d_ff": shape.inner,
        "num_layers": shape.layers,
        "num_decoder_layers": shape.layers,
        "num_heads": shape.heads,
        "feed_forward_proj": "relu",
        "tie_word_embeddings": False,
        "dropout_rate": 0.0,
        "pad_token_id": 0,
        "decoder_start_token_id": 0,
        "eos_token_id": None,
        "dtype": "float32",
    }


class _Norm(nn.Module):
    """T5's RMSNorm, spelt as ONNX Runtime knows to make one operation of it."""

    def __init__(self, of):
        super().__init__()
        self.weight, self.epsilon = of.weight, of.variance_epsilon

    def forward(self, x):
        return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight


class _Block(nn.Module):
    """Products of one layer over rows [R, width]; the feed-forward and output projections add to what they are given."""

    def __init__(self, block, cross: bool):
        super().__init__()
        attention, feed = block.layer[0].SelfAttention, block.layer[-1].DenseReluDense
        self.norm = _Norm(block.layer[0].layer_norm)
        self.qkv = nn.Parameter(torch.cat([p.weight for p in (attention.q, attention.k, attention.v)]))
        self.out = attention.o.weight
        if cross:
            other = block.layer[1].EncDecAttention
            self.cross_norm, self.cross_q, self.cross_out = _Norm(block.layer[1].layer_norm), other.q.weight, other.o.weight
        self.feed_norm, self.wi, self.wo = _Norm(block.layer[-1].layer_norm), feed.wi.weight, feed.wo.weight

    def projected(self, x):
        return F.linear(self.norm(x), self.qkv)

    def fed(self, x):
        inner = F.relu(torch.addmm(self.zero(), self.feed_norm(x), self.wi.t()))
        return torch.addmm(x, inner, self.wo.t())

    def zero(self):
        # A bias of nothing: ONNX Runtime makes one operation of a Gemm and its relu, not of a MatMul and its relu.
        return torch.zeros(self.wi.shape[0])


class _Stack(nn.Module):
    def __init__(self, built: T5ForConditionalGeneration, levels: int):
        super().__init__()
        shape = built.config
        self.heads, self.head, self.layers = shape.num_heads, shape.d_kv, shape.num_layers
        self.levels, self.size = levels, (shape.vocab_size - 1) // levels
        self.inner = self.heads * self.head
        self.table, self.lm_head = built.shared.weight, built.lm_head.weight
        self.decoder = nn.ModuleList(_Block(block, True) for block in built.decoder.block)
        self.last_norm = _Norm(built.decoder.final_layer_norm)
        bias = built.decoder.block[0].layer[0].SelfAttention.compute_bias(levels, levels)
        self.register_buffer("bias", bias[0].detach().clone(), persistent=False)  # [heads, levels, levels]

    def apart(self, rows, batch):
        """Rows [batch · n, heads · head] to [batch, heads, n, head]."""
        return rows.reshape(batch, -1, self.heads, self.head).transpose(1, 2)

    def together(self, seen):
        """[batch, heads, n, head] to rows [batch · n, heads · head]."""
        return seen.transpose(1, 2).reshape(-1, self.inner)

    def crossed(self, block, x, batch, keys, values, blocked):
        """x after attention to the history; keys [B, heads, head, N], values [B, heads, N, head]."""
        q = self.apart(F.linear(block.cross_norm(x), block.cross_q), batch)
        weights = torch.softmax(torch.matmul(q, keys) + blocked, -1)
        return torch.addmm(x, self.together(torch.matmul(weights, values)), block.cross_out.t())

    def log_probs(self, x, level):
        """Of the level's codes [R, size], after a softmax over the whole vocabulary."""
        logits = F.linear(self.last_norm(x), self.lm_head)
        return torch.log_softmax(logits, -1).narrow(-1, 1 + level * self.size, self.size)


class Prefill(_Stack):
    """Codes [B, N, L] to `log_probs` [B, C] of the first level's codes and what steps read.

    State: `blocked` [B, 1, 1, N · L]; `start` [B, 2 · layers · inner], the decoder's own keys and values at
    its start; then for each layer keys [B, heads, head, N · L] and values [B, heads, N · L, head].
    """

    def __init__(self, built, shape: Shape, levels: int):
        super().__init__(built, levels)
        self.encoder = nn.ModuleList(_Block(block, False) for block in built.encoder.block)
        self.encoder_norm = _Norm(built.encoder.final_layer_norm)
        self.cross = nn.ParameterList(
            nn.Parameter(torch.cat([p.weight for p in (other.k, other.v)]))
            for other in (block.layer[1].EncDecAttention for block in built.decoder.block)
        )
        self.register_buffer("offsets", 1 + torch.arange(levels) * self.size, persistent=False)
        longest = shape.history * levels
        bias = built.encoder.block[0].layer[0].SelfAttention.compute_bias(longest, longest)[0].detach().clone()
        self.register_buffer("spread", bias, persistent=False)  # [heads, N · L, N · L]

    def forward(self, history):
        batch, tokens = history.shape[0], history.shape[1] * self.levels
        codes = history.flatten(1)
        blocked = (codes < 0).to(torch.float32)[:, None, None] * _BLOCKED
        # A bias depends on distance alone: that of a shorter history is a corner of the longest's.
        mask = self.spread[:, :tokens, :tokens] + blocked
        token = torch.where(history >= 0, history + self.offsets, 0).flatten()
        x = F.embedding(token, self.table)
        for number, block in enumerate(self.encoder):
            # The first layer projects nothing but embeddings: a table that is made when the graph loads.
            qkv = block.projected(x) if number else F.embedding(token, block.projected(self.table))
            qkv = qkv.reshape(batch, -1, 3 * self.heads, self.head).transpose(1, 2)
            q, k, v = qkv.split(self.heads, 1)
            weights = torch.softmax(torch.matmul(q, k.transpose(2, 3)) + mask, -1)
            x = torch.addmm(x, self.together(torch.matmul(weights, v)), block.out.t())
            x = block.fed(x)
        x = self.encoder_norm(x)
        state = []
        for weight in self.cross:
            both = F.linear(x, weight).reshape(batch, -1, 2 * self.heads, self.head)
            keys, values = both.split(self.heads, 2)
            state += [keys.permute(0, 2, 3, 1), values.transpose(1, 2)]
        log_probs, start = self.started(batch, blocked, state)
        return log_probs, blocked, start, *state

    def started(self, batch, blocked, state):
        """The decoder at its start token, which sees itself alone: its own values are what it sees."""
        x = self.table[:1].expand(batch, -1)
        kept = []
        for number, block in enumerate(self.decoder):
            _, k, v = block.projected(x).split(self.inner, -1)
            kept += [k, v]
            x = torch.addmm(x, v, block.out.t())
            x = self.crossed(block, x, batch, state[2 * number], state[2 * number + 1], blocked)
            x = block.fed(x)
        return self.log_probs(x, 0), torch.cat(kept, -1)


class Step(_Stack):
    """`log_probs` [B, W, C] of the codes of one level (from 1) after each beam's codes.

    Reads prefill's state, `code` [B, W] and beyond level 1 `beam_cache` [B, W, level − 1, 2 · layers · inner],
    keys and values of each beam's codes before that. But for the last level it gives those of the new code.
    """

    def __init__(self, built, levels: int, level: int):
        super().__init__(built, levels)
        self.level = level

    def forward(self, *given):
        code, state_blocked, state_start, *rest = given
        state, cache = rest[: 2 * self.layers], rest[2 * self.layers :]
        batch, beams = code.shape
        token = (code + (1 + (self.level - 1) * self.size)).flatten()
        x = F.embedding(token, self.table)
        # By position before the new code, the start and then the codes: keys and values of each layer. Beams share the
        # start, so it is spread by broadcasting.
        before = [state_start[:, None].split(self.inner, -1)]
        if cache:
            before += [position.squeeze(2).split(self.inner, -1) for position in cache[0].split(1, 2)]
        bias = self.bias[:, self.level, : self.level + 1].clone()  # [heads, level + 1]
        new = []
        for number, block in enumerate(self.decoder):
            qkv = block.projected(x) if number else F.embedding(token, block.projected(self.table))
            q, k, v = qkv.reshape(batch, beams, -1).split(self.inner, -1)
            new += [k, v]
            keys = [position[2 * number] for position in before] + [k]
            values = [position[2 * number + 1] for position in before] + [v]
            # A position at a time: keys that are joined first would be copied for each layer.
            scores = torch.cat([self.by_head(key * q).sum(-1, keepdim=True) for key in keys], -1)
            weights = torch.softmax(scores + bias, -1).split(1, -1)  # each [B, W, heads, 1]
            seen = sum(weight * self.by_head(value) for weight, value in zip(weights, values))
            x = torch.addmm(x, seen.reshape(-1, self.inner), block.out.t())
            x = self.crossed(block, x, batch, state[2 * number], state[2 * number + 1], state_blocked)
            x = block.fed(x)
        log_probs = self.log_probs(x, self.level).reshape(batch, beams, -1)
        if self.level == self.levels - 1:
            return log_probs
        return log_probs, torch.cat(new, -1).unsqueeze(2)

    def by_head(self, rows):
        return rows.unflatten(-1, (self.heads, self.head))


def state_ports(shape: Shape) -> list[Port]:
    """What steps read of prefill, in the order that `Prefill` gives it."""
    each = [
        port
        for number in range(shape.layers)
        for port in (
            Port(f"state_keys{number}", torch.float32, (shape.heads, shape.head, -1)),
            Port(f"state_values{number}", torch.float32, (shape.heads, -1, shape.head)),
        )
    ]
    return [
        Port("state_blocked", torch.float32, (1, 1, -1)),
        Port("state_start", torch.float32, (cache_width(shape),)),
        *each,
    ]


def cache_width(shape: Shape) -> int:
    """Floats of one position of a beam: keys and values of each layer."""
    return 2 * shape.layers * shape.heads * shape.head


def example(levels: int, size: int, batch: int, items: int) -> torch.Tensor:
    """Histories [batch, items, levels] of random codes, left-padded to random lengths."""
    torch.manual_seed(batch)
    absent = torch.arange(items) < torch.randint(items, (batch, 1))
    return torch.where(absent[..., None], -1, torch.randint(size, (batch, items, levels)))


def add_models(writer: Writer, built: T5ForConditionalGeneration, shape: Shape, levels: int, beam: int) -> None:
    """Writes `prefill` and the steps, each checked against PyTorch."""
    size = (built.config.vocab_size - 1) // levels
    prefill = Prefill(built, shape, levels).eval()
    state, width = state_ports(shape), cache_width(shape)
    varying = {
        port.name: {1 + axis: "tokens" for axis, dim in enumerate(port.dims) if dim == -1} for port in state
    }
    histories = [example(levels, size, batch, shape.history) for batch in (3, 1, 8)]
    compact.add_model(
        writer,
        "prefill",
        prefill,
        {"history": example(levels, size, 3, shape.history - 1)},
        Exported(
            [Port("history", torch.int64, (-1, levels))],
            [Port("log_probs", torch.float32, (size,)), *state],
            warm=[{"history": (shape.history, levels)}],
        ),
        {"history": {1: "items"}},
        [{"history": history} for history in histories],
    )
    for level in range(1, levels):

        def given(history: torch.Tensor, beams: int) -> dict[str, torch.Tensor]:
            with torch.no_grad():
                states = prefill(history)[1:]
            batch = len(history)
            found = {"code": torch.randint(size, (batch, beams))}
            found |= {port.name: value.contiguous() for port, value in zip(state, states)}
            return found | ({"beam_cache": torch.randn(batch, beams, level - 1, width)} if level > 1 else {})

        inputs = [Port("code", torch.int64, (-1,)), *state]
        outputs = [Port("log_probs", torch.float32, (-1, size))]
        dims = {"code": {1: "beams"}, **varying}
        warm = {"code": (beam,)}
        for port in state:
            warm[port.name] = tuple(shape.history * levels if dim == -1 else dim for dim in port.dims)
        if level > 1:
            inputs.append(Port("beam_cache", torch.float32, (-1, level - 1, width)))
            dims["beam_cache"] = {1: "beams"}
            warm["beam_cache"] = (beam, level - 1, width)
        if level < levels - 1:
            outputs.append(Port("beam_new", torch.float32, (-1, 1, width)))
        compact.add_model(
            writer,
            f"step{level}",
            Step(built, levels, level).eval(),
            given(example(levels, size, 3, shape.history - 1), 5),
            Exported(inputs, outputs, warm=[warm]),
            dims,
            [given(history, beams) for history in histories for beams in (1, 20)],
        )


def write_random(
    repository: bundle.Repository, name: str, codes: np.ndarray, size: int, shape: Shape = Shape(), seed: int = 1
) -> str:
    """A bundle of seeded random weights over items with these codes [items, levels], for comparing speed."""
    levels = codes.shape[1]
    built = model(shape, levels, size, seed)
    compact.round_weights(built)
    writer = bundle.Writer(repository, name, "TIGER", "generate")
    writer.lines("items", "items.tsv", (f"i{item}" for item in range(len(codes))))
    writer.lines(
        "semantic_ids",
        "semantic_ids.tsv",
        (f"i{item}\t{' '.join(map(str, row))}" for item, row in enumerate(codes.tolist())),
    )
    add_models(writer, built, shape, levels, beam=50)
    save_file(
        {key: value.detach().clone().contiguous() for key, value in built.state_dict().items() if "embed_tokens" not in key},
        str(writer.file("weights", "model.safetensors")),
        metadata={"format": "pt"},
    )
    written = json.dumps(config(shape, levels, size), indent=2) + "\n"
    writer.file("hf_config", "config.json").write_text(written)
    writer.parameters(
        architecture="t5",
        history=shape.history,
        history_sizes=[shape.history],
        levels=levels,
        codes=size,
        cache_width=cache_width(shape),
        vocabulary=1 + levels * size,
        level_offsets=[1 + level * size for level in range(levels)],
        beam=50,
        hugging_face_class="T5ForConditionalGeneration",
    )
    return writer.finish()
