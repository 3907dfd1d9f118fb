"""E4SRec (2023): a causal language model over a sequence of item id vectors.

SASRec's item table is frozen and enters through a linear layer; the last hidden state leaves
through a bias-free linear layer whose rows start from SASRec's table, so that every item is scored
in one pass and an illegal item cannot come out. The backbone between is one of

* `sasrec`: a decoder of Llama's shape that starts as SASRec's own, grown by layers that start as
  the identity. It has not read any language; its start is what costs least to train.
* `random`: a decoder of Llama's shape that starts random. It first learns to give SASRec's user
  vectors back, which needs no softmax, and then learns from the data. So does
* a folder or name of any Hugging Face causal language model.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import layers, metrics, sasrec, softmax, trainer
from .data import Split, Windows, left_padded


@dataclass(frozen=True)
class Shape:
    history: int = 50
    width: int = 128  # of a random backbone, as are layers, heads and inner
    layers: int = 2
    heads: int = 4
    inner: int = 256
    dropout: float = 0.5
    backbone: str = "sasrec"
    grown: int = 1  # layers above SASRec's own


class Pretrained(nn.Module):
    """A Hugging Face causal language model behind the call of `layers.Decoder`."""

    def __init__(self, source: str):
        super().__init__()
        from transformers import AutoModel

        self.model = AutoModel.from_pretrained(source)
        self.width = self.model.config.hidden_size

    def forward(self, x, positions, mask):
        if positions.dim() == 1:
            positions = positions[None].expand(len(x), -1)
        if mask.dim() == 2:
            mask = mask[None, None].expand(len(x), 1, -1, -1)
        return self.model(
            inputs_embeds=x, position_ids=positions.flatten(1), attention_mask=mask, use_cache=False
        ).last_hidden_state


class E4SRec(nn.Module):
    def __init__(self, shape: Shape, table: torch.Tensor, bias: torch.Tensor, start: sasrec.SASRec):
        super().__init__()
        self.shape = shape
        if shape.backbone == "sasrec":
            own = start.shape
            self.backbone = layers.Decoder(
                own.width, own.layers + shape.grown, own.heads, own.inner, shape.dropout
            )
            width = own.width
        elif shape.backbone == "random":
            self.backbone = layers.Decoder(
                shape.width, shape.layers, shape.heads, shape.inner, shape.dropout
            )
            width = shape.width
        else:
            self.backbone = Pretrained(shape.backbone)
            width = self.backbone.width
        self.register_buffer("ids", table.detach().half())
        size = table.shape[1]
        self.enter_norm = layers.RMSNorm(size)
        self.enter = nn.Linear(size, width)
        self.leave = nn.Linear(width, size, bias=False)
        nn.init.normal_(self.leave.weight, std=width**-0.5)
        if shape.backbone == "sasrec":
            self.start_from(start)
        self.rows = nn.Parameter(table.detach().clone())
        self.bias = nn.Parameter(bias.detach().clone())

    @torch.no_grad()
    def start_from(self, start: sasrec.SASRec) -> None:
        """Makes this model compute what SASRec does."""
        self.backbone.load_state_dict(start.decoder.state_dict(), strict=False)
        for layer in self.backbone.layers[start.shape.layers :]:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        self.enter_norm.load_state_dict(start.enter.state_dict())
        for linear in (self.enter, self.leave):
            linear.weight.copy_(torch.eye(start.shape.width))
        self.enter.bias.zero_()

    def embed(self, items: torch.Tensor) -> torch.Tensor:
        x = F.embedding(items.clamp(min=0), self.ids).float()
        return F.dropout(self.enter(self.enter_norm(x)), self.shape.dropout, self.training)

    def hidden(self, items: torch.Tensor) -> torch.Tensor:
        """Right-padded items [B, T] to user vectors [B, T, d]."""
        length = items.shape[1]
        return self.leave(
            self.backbone(self.embed(items), torch.arange(length), layers.causal(length))
        )

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """The served form: left-padded items [B, N] to user vectors [B, d]."""
        positions, mask = layers.left_padded_mask(history >= 0)
        return self.leave(self.backbone(self.embed(history), positions, mask)[:, -1])


def loss(model: E4SRec, batch) -> torch.Tensor:
    inputs, targets = torch.from_numpy(batch.inputs), torch.from_numpy(batch.targets)
    wanted = targets >= 0
    return softmax.whole(model.hidden(inputs)[wanted], model.rows, model.bias, targets[wanted])


def align(model: E4SRec, taught_by: sasrec.SASRec, batch) -> torch.Tensor:
    """Squared distance of the user vectors to SASRec's, relative to their size."""
    inputs = torch.from_numpy(batch.inputs)
    present = inputs >= 0
    with torch.no_grad():
        wanted = taught_by.hidden(inputs, taught_by.tower())[present]
    found = model.hidden(inputs)[present]
    return (found - wanted).pow(2).sum(1).mean() / wanted.pow(2).sum(1).mean()


@torch.no_grad()
def users(model: E4SRec, histories, batch: int = 256) -> torch.Tensor:
    found = torch.zeros(len(histories), model.rows.shape[1])
    order = np.argsort([len(h) for h in histories], kind="stable")
    for start in range(0, len(order), batch):
        numbers = order[start : start + batch]
        rows = [histories[i] for i in numbers]
        longest = min(model.shape.history, max(1, max(len(row) for row in rows)))
        found[torch.from_numpy(numbers)] = model(torch.from_numpy(left_padded(rows, longest)))
    return found


def fit(
    split: Split,
    taught_by: sasrec.SASRec,
    shape: Shape,
    settings: trainer.Settings,
    work: Path,
    seconds: float,
    key: str,
    judged: int = 6000,
    name: str = "e4srec",
) -> tuple[E4SRec, dict[str, float]]:
    torch.manual_seed(settings.seed)
    taught_by.eval()
    with torch.no_grad():
        model = E4SRec(shape, taught_by.tower(), taught_by.bias, taught_by)
    windows = Windows(split.train, shape.history)
    cases = split.validation.sample(judged, seed=1)

    def judge(current: E4SRec) -> dict[str, float]:
        vectors = users(current, cases.histories)
        return metrics.figures(sasrec.ranks_of(vectors, current.rows, current.bias, cases))

    batches = sasrec.windows_batches(windows)
    key = trainer.key_of(asdict(shape), key)
    started = time.monotonic()
    if shape.backbone != "sasrec":
        trainer.train(
            f"{name}-align",
            model,
            batches,
            lambda current, batch: align(current, taught_by, batch),
            judge,
            replace(settings, epochs=settings.epochs * 3, judge_every=3, patience=4),
            work,
            0.5 * seconds,
            key=key,
        )
    left = seconds - (time.monotonic() - started)
    gentle = replace(settings, learning_rate=0.5 * settings.learning_rate)
    best = trainer.train(name, model, batches, loss, judge, gentle, work, left, key=key)
    return model, best
