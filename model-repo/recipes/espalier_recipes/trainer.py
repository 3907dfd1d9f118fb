"""The training loop that all recipes share: budgeted, resumable, judged on validation data."""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from tqdm import tqdm


@dataclass(frozen=True)
class Settings:
    """How one model is trained; part of the key under which its checkpoints are kept."""

    epochs: int = 60
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 100
    average: float = 0.999
    patience: int = 8
    clip: float = 1.0
    judge_every: int = 1
    seed: int = 1


class Budget:
    """Seconds shared by the stages of a run: each gets its share of what the earlier ones left."""

    def __init__(self, seconds: float, shares: dict[str, float]):
        self.deadline = time.monotonic() + seconds
        self.shares = dict(shares)

    def take(self, stage: str) -> float:
        total = sum(self.shares.values())
        share = self.shares.pop(stage)
        return max(5.0, (self.deadline - time.monotonic()) * share / total)


def key_of(*parts) -> str:
    """Names a checkpoint by what it depends on, so that changed settings start afresh."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def bytes_of(model: torch.nn.Module) -> str:
    """Names a model by its weights, whatever the number of threads that add them up."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


class Average:
    """Exponential moving average of the weights, which is what is judged and shipped."""

    def __init__(self, model: torch.nn.Module, decay: float):
        self.decay = decay
        self.steps = 0
        self.values = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: torch.nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))
        for name, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                self.values[name].lerp_(value, 1 - decay)
            else:
                self.values[name].copy_(value)


def train(
    name: str,
    model: torch.nn.Module,
    epoch_batches: Callable[[np.random.Generator], list],
    loss: Callable[[torch.nn.Module, object], torch.Tensor],
    judge: Callable[[torch.nn.Module], dict[str, float]],
    settings: Settings,
    work: Path,
    seconds: float,
    key: str = "",
    metric: str = "ndcg@10",
) -> dict[str, float]:
    """Trains until the epochs, the patience or the seconds are used up.

    Leaves the best weights (by `metric` on validation data) in the model and returns their
    figures. A rerun with the same key goes on where the last one stopped; its seconds include
    those that were already spent.
    """
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    key = key_of(asdict(settings), key)
    groups = [
        {"params": [p for p in model.parameters() if p.requires_grad and p.dim() > 1]},
        {
            "params": [p for p in model.parameters() if p.requires_grad and p.dim() <= 1],
            "weight_decay": 0.0,
        },
    ]
    optimiser = torch.optim.AdamW(
        groups, lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.98)
    )
    average = Average(model, settings.average)
    state = {"key": key, "epoch": 0, "spent": 0.0, "step": 0, "best": None, "stale": 0, "end": False}
    last, best = folder / "last.pt", folder / "best.pt"
    if last.exists():
        kept = torch.load(last, weights_only=False)
        if kept["state"]["key"] == key:
            state = kept["state"]
            model.load_state_dict(kept["model"])
            optimiser.load_state_dict(kept["optimiser"])
            average.values, average.steps = kept["average"], state["step"]
    started = time.monotonic() - state["spent"]

    def progress() -> float:
        return max(
            state["epoch"] / settings.epochs, min(1.0, (time.monotonic() - started) / seconds)
        )

    bar = tqdm(total=settings.epochs, initial=state["epoch"], desc=name, unit="epoch", leave=True)
    while not state["end"] and state["epoch"] < settings.epochs:
        epoch_started = time.monotonic()
        rng = np.random.default_rng((settings.seed, state["epoch"]))
        torch.manual_seed(settings.seed * 1000003 + state["epoch"])
        batches = epoch_batches(rng)
        model.train()
        total = 0.0
        for number, batch in enumerate(batches):
            state["step"] += 1
            rate = settings.learning_rate * min(1.0, state["step"] / settings.warmup)
            rate *= 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress()))
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
            value = loss(model, batch)
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            optimiser.step()
            average.update(model)
            total += float(value.detach())
            if time.monotonic() - started > seconds:
                state["end"] = True
                break
        state["epoch"] += 1
        bar.update(1)
        elapsed = time.monotonic() - epoch_started
        if time.monotonic() - started + 0.5 * elapsed > seconds:
            state["end"] = True
        is_last = state["end"] or state["epoch"] >= settings.epochs
        if is_last or state["epoch"] % settings.judge_every == 0:
            raw = {key_: value.clone() for key_, value in model.state_dict().items()}
            model.load_state_dict(average.values)
            model.eval()
            with torch.no_grad():
                found = judge(model)
            found["loss"] = total / max(1, number + 1)
            if state["best"] is None or found[metric] > state["best"][metric]:
                state["best"], state["stale"] = {**found, "epoch": state["epoch"]}, 0
                torch.save(model.state_dict(), best)
            else:
                state["stale"] += 1
            model.load_state_dict(raw)
            bar.set_postfix(
                loss=f"{found['loss']:.3f}",
                now=f"{found[metric]:.4f}",
                best=f"{state['best'][metric]:.4f}",
            )
            if state["stale"] >= settings.patience:
                state["end"] = True
        state["spent"] = time.monotonic() - started
        torch.save(
            {
                "state": state,
                "model": model.state_dict(),
                "optimiser": optimiser.state_dict(),
                "average": average.values,
            },
            last,
        )
    bar.close()
    if state["best"] is not None:
        model.load_state_dict(torch.load(best, weights_only=True))
    model.eval()
    return state["best"] or {}
