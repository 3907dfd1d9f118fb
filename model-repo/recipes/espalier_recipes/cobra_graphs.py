"""What is served of COBRA: TIGER's graphs over positions of ids and vectors, and `dense` after the last code."""

from __future__ import annotations

import torch

from . import cobra, tiger_graphs
from .bundle import Writer
from .export import Port


class Prefill(tiger_graphs.Prefill):
    """Codes [B, N, L] and vectors [B, N, d] to `log_probs` [B, C] of the first level's codes and what steps read."""

    def forward(self, history, vectors):
        hidden, *state = self.read(self.model.positions(history, vectors), history[..., 0] < 0)
        return self.log_probs(hidden), *state, hidden[:, None]


class Step(tiger_graphs.Step):
    """TIGER's step, which also reads `state_user` and gives `beam_new` at the last level too."""

    def forward(self, state_keys, state_values, state_blocked, state_user, code, beam_cache=None):
        hidden, cache = self.read(state_keys, state_values, state_blocked, code, beam_cache)
        return self.log_probs(hidden + state_user), cache


class Dense(tiger_graphs.Step):
    """The dense vectors [B, W, d] that are meant after the last code of each beam."""

    def __init__(self, model: cobra.Cobra):
        super().__init__(model, model.levels)

    def forward(self, state_keys, state_values, state_blocked, state_user, code, beam_cache=None):
        hidden, _ = self.read(state_keys, state_values, state_blocked, code, beam_cache)
        return self.model.vector(hidden + state_user)


def add_models(writer: Writer, model: cobra.Cobra, codes: torch.Tensor, vectors: torch.Tensor, beam: int) -> None:
    """Writes `prefill`, the steps and `dense`, each checked against PyTorch on histories of these items."""
    width = model.shape.width

    def histories(batch: int, events: int) -> dict[str, torch.Tensor]:
        items = tiger_graphs.left_padded_items(len(codes), batch, events)
        return dict(zip(("history", "vectors"), cobra.shown(items, codes, vectors)))

    state = tiger_graphs.state(model) | {Port("state_user", torch.float32, (1, width)): {}}
    graphs = tiger_graphs.Graphs(writer, model, beam, Prefill(model), histories, state)
    graphs.add_prefill(
        [Port("history", torch.int64, (-1, model.levels)), Port("vectors", torch.float32, (-1, width))]
    )
    for level in range(1, model.levels):
        graphs.add_step(
            f"step{level}", Step(model, level), [Port("log_probs", torch.float32, (-1, model.size)), graphs.kept]
        )
    graphs.add_step("dense", Dense(model), [Port("vector", torch.float32, (-1, width))])
