"""How many requests a second Hugging Face `generate` answers on one core within a p99, at its best.

    PYTHONPATH=model-repo/recipes python benchmarks/t5-vs-generate/peer.py --folder DIR [--limits 150 300 600 1200]

DIR is what `prepare.py` made. Service times are measured by batch, on one core; what a queue makes of them is
simulated: Poisson arrivals, the server takes what waits, up to a batch, as soon as it is free. So the peer pays for no
server, no serialisation and no network. One point is run for real, to show that the simulation is right.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from graphs import CODES, LEVELS, Generate

BATCHES = (1, 2, 4, 8)
ARRIVALS = 20_000


def waits(rate: float, service: dict[int, np.ndarray], most: int, seed: int) -> np.ndarray:
    """Seconds from arrival to answer; a batch of a size that was not measured takes what the next larger one does."""
    rng = np.random.default_rng(seed)
    due = np.cumsum(rng.exponential(1 / rate, ARRIVALS))
    took, free, at = np.empty(ARRIVALS), 0.0, 0
    while at < ARRIVALS:
        start = max(free, due[at])
        size = min(int(np.searchsorted(due, start, side="right")) - at, most)
        measured = next(b for b in service if b >= size)
        free = start + rng.choice(service[measured])
        took[at : at + size] = free - due[at : at + size]
        at += size
    return took


def p99(rate: float, service: dict[int, np.ndarray], most: int) -> float:
    return float(np.percentile(waits(rate, service, most, seed=1), 99))


def knee(limit: float, service: dict[int, np.ndarray]) -> tuple[float, int]:
    """The highest rate whose p99 is within the limit, and the batch it takes; 0 where none is."""
    best = (0.0, 1)
    for most in service:
        low, high = 0.0, most / float(np.median(service[most]))
        if p99(0.05, service, most) > limit:
            continue
        while high - low > 0.01 * high:
            middle = (low + high) / 2
            low, high = (middle, high) if p99(middle, service, most) <= limit else (low, middle)
        best = max(best, (low, most))
    return best


def real(side: Generate, histories: np.ndarray, beam: int, rate: float, most: int) -> np.ndarray:
    """The same queue with the model itself."""
    rng = np.random.default_rng(2)
    due = time.perf_counter() + np.cumsum(rng.exponential(1 / rate, len(histories)))
    took, at = np.empty(len(histories)), 0
    while at < len(histories):
        now = time.perf_counter()
        if now < due[at]:
            time.sleep(due[at] - now)
        size = min(int(np.searchsorted(due, time.perf_counter(), side="right")) - at, most)
        side(histories[at : at + size], beam)
        took[at : at + size] = time.perf_counter() - due[at : at + size]
        at += size
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--beams", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--limits", type=float, nargs="+", default=[150, 300, 600, 1200], help="p99, ms")
    parser.add_argument("--calls", type=int, default=40, help="measured calls of each batch")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--real", type=int, default=150, help="requests of the run that checks the simulation; 0: none")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    torch.set_num_threads(1)
    codes = np.load(options.folder / "codes.npy")
    histories = np.load(options.folder / "histories.npy")
    side = Generate(options.folder / "model-repo/bundles/t5/1", codes)
    assert codes.shape[1] == LEVELS and codes.max() < CODES
    for beam in options.beams:
        service = {}
        for batch in BATCHES:
            times = []
            for call in range(options.calls + 2):
                at = call * batch % (len(histories) - batch)
                start = time.perf_counter()
                side(codes[histories[at : at + batch]], beam)
                times.append(time.perf_counter() - start)
            service[batch] = np.array(times[2:])
        shown = {b: round(1e3 * float(np.median(t)) / b, 1) for b, t in service.items()}
        print(f"beam {beam}: generate, ms a request by batch: {shown}, load {os.getloadavg()[0]:.1f}", flush=True)
        for limit in options.limits:
            rate, most = knee(limit / 1e3, service)
            print(json.dumps({"beam": beam, "p99_ms": limit, "requests_per_second": round(rate, 2), "batch": most}), flush=True)
        if options.real:
            rate, most = knee(options.limits[1] / 1e3, service)
            took = 1e3 * real(side, codes[histories[: options.real]], beam, rate, most)
            simulated = 1e3 * waits(rate, service, most, seed=3)[: options.real]
            print(f"beam {beam}: run for real at {rate:.2f}/s, {len(took)} requests: p50 {np.percentile(took, 50):.0f} ms, p90 "
                  f"{np.percentile(took, 90):.0f}; simulated {np.percentile(simulated, 50):.0f}, {np.percentile(simulated, 90):.0f}", flush=True)


if __name__ == "__main__":
    main()
