"""A small causal decoder whose weights carry the names of Hugging Face's Llama.

Trained here in packed form and exported to ONNX; the same weights load as LlamaForCausalLM.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class RMSNorm(nn.Module):
    def __init__(self, width: int, epsilon: float = 1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Spelt as ONNX Runtime knows to make one operation of it.
        return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight


def rotary(positions: torch.Tensor, head: int, base: float = 10000.0):
    """Cosines and sines [..., head] of rotary positions, halves repeated as in Llama."""
    frequency = base ** (-torch.arange(0, head, 2, dtype=torch.float32) / head)
    angle = positions[..., None].float() * frequency
    angle = torch.cat((angle, angle), -1)
    return angle.cos(), angle.sin()


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), -1)
    return x * cos + turned * sin


class Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.head = heads, width // heads
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """[..., S, width] to [..., heads, S, head]."""
        return x.unflatten(-1, (self.heads, self.head)).transpose(-3, -2)

    def project(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor):
        q, k, v = (self.split(p(x)) for p in (self.q_proj, self.k_proj, self.v_proj))
        return rotate(q, cos, sin), rotate(k, cos, sin), v

    def merge(self, x: torch.Tensor) -> torch.Tensor:
        return self.o_proj(x.transpose(-3, -2).flatten(-2))

    def forward(self, x, cos, sin, mask):
        q, k, v = self.project(x, cos, sin)
        return self.merge(attend(q, k, v, mask))


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Softmax attention; `mask` is added (0 or a large negative number)."""
    weights = torch.matmul(q, k.transpose(-2, -1)) * (q.shape[-1] ** -0.5) + mask
    return torch.matmul(torch.softmax(weights, -1), v)


class Feedforward(nn.Module):
    def __init__(self, width: int, inner: int):
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


def joined(x: torch.Tensor, *linears: nn.Linear) -> torch.Tensor:
    """What several projections make of x, side by side, in one product."""
    return F.linear(x, torch.cat([linear.weight for linear in linears]))


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.input_layernorm = RMSNorm(width)
        self.self_attn = Attention(width, heads)
        self.post_attention_layernorm = RMSNorm(width)
        self.mlp = Feedforward(width, inner)
        self.dropout = dropout

    def forward(self, x, cos, sin, mask):
        x = x + self.drop(self.self_attn(self.input_layernorm(x), cos, sin, mask))
        return x + self.drop(self.mlp(self.post_attention_layernorm(x)))

    def drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.dropout, self.training)


class Decoder(nn.Module):
    """Llama's stack over given embeddings: [B, S, width] to [B, S, width], after the last norm."""

    def __init__(self, width: int, layers: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, heads, inner, dropout) for _ in range(layers))
        self.norm = RMSNorm(width)
        self.head = width // heads
        self.apply(_small)

    def forward(self, x: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        cos, sin = rotary(positions, self.head)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.norm(x)


def _small(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


BLOCKED = -1e9


def causal(length: int) -> torch.Tensor:
    """Additive mask [S, S]."""
    return torch.full((length, length), BLOCKED).triu(1)


def left_padded_mask(present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions [B, 1, S] and additive mask [B, 1, S, S] of a left-padded history.

    Positions count from the first event that is there, as Hugging Face derives them from an
    attention mask.
    """
    positions = (present.long().cumsum(-1) - 1).clamp(min=0)
    length = present.shape[-1]
    blocked = (~present)[:, None, None, :].to(torch.float32) * BLOCKED
    return positions[:, None, :], blocked + causal(length)


def llama_config(width: int, layers: int, heads: int, inner: int, vocabulary: int) -> dict:
    """config.json under which the same weights load as LlamaForCausalLM."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": width // heads,
        "hidden_act": "silu",
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": 0,
        "dtype": "float32",
    }
