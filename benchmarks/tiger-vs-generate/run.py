"""TIGER served by Espalier against Hugging Face `generate`, in one run.

Same weights, same histories, same trie, same answers. Each side has one core and one thread for its
model; blocks alternate A B A B. The served side is measured at a client over gRPC on the other core,
so its figures include serialisation and loopback; the peer is called in process. Both are measured
one request at a time, and at what serves each best: the served side with several calls in flight,
which its queue makes into batches, the peer with a batch of histories a call. A request's latency in
a batch is the batch's.

    benchmarks/tiger-vs-generate/run.sh --data DIR [--bundle NAME] [--beams 20 50]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import torch
import transformers
import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVER_CORE, CLIENT_CORE = 0, 1


@dataclass
class Timed:
    """Seconds of each request, of all of them, and of the processor that answered them."""

    each: list[float] = field(default_factory=list)
    whole: float = 0.0
    processor: float = 0.0
    answers: list = field(default_factory=list)

    def add(self, other: "Timed") -> None:
        self.each += other.each
        self.whole += other.whole
        self.processor += other.processor
        self.answers += other.answers

    def rate(self) -> float:
        return len(self.each) / self.whole


def stubs(folder: Path):
    """Compiles the contract, so that no generated file is kept."""
    import grpc_tools
    from grpc_tools import protoc

    own = Path(grpc_tools.__file__).parent / "_proto"  # google/protobuf
    imports = ROOT / "proto/target/imports"
    if not (imports / "buf/validate/validate.proto").exists():
        raise SystemExit("proto/target/imports is missing: run proto/lint.sh once")
    source = ROOT / "proto/src/main/protobuf"
    files = [
        str(path)
        for package in ("retrieval", "catalog")
        for path in (source / "espalier" / package / "v1").glob("*.proto")
    ]
    files.append(str(imports / "buf/validate/validate.proto"))
    if protoc.main(
        ["protoc", f"-I{source}", f"-I{imports}", f"-I{own}",
         f"--python_out={folder}", f"--grpc_python_out={folder}", *files]
    ):
        raise SystemExit("protoc failed")
    sys.path.insert(0, str(folder))
    messages = importlib.import_module("espalier.retrieval.v1.retrieval_pb2")
    services = importlib.import_module("espalier.retrieval.v1.retrieval_pb2_grpc")
    return messages, services


class Served:
    """Espalier's retrieval server, pinned to one core, asked over gRPC."""

    name, unit, sizes, sample = "espalier over gRPC", "in flight", (1, 2, 4, 8, 16), 200

    def __init__(self, bundle: str, version: int, ids: list[str], target: str, process: int, bar_seen: bool = True):
        self.bar_seen = bar_seen
        self.messages, services = stubs(Path(tempfile.mkdtemp(prefix="espalier-stubs-")))
        self.channel = grpc.insecure_channel(target)
        grpc.channel_ready_future(self.channel).result(timeout=300)
        self.stub = services.RetrievalServiceStub(self.channel)
        self.bundle, self.version, self.ids, self.process = bundle, version, ids, process
        self.numbers = {id_: number for number, id_ in enumerate(ids)}

    def _processor(self) -> float:
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _answer(self, history: list[int], beam: int):
        start = time.perf_counter()
        seen = [self.ids[item] for item in history]
        response = self.stub.Retrieve(
            self.messages.RetrieveRequest(
                bundle=self.bundle, bundle_version=self.version, k=beam, beam_width=beam,
                history=seen, exclude=seen if self.bar_seen else (),
            ),
            timeout=60,
        )
        answer = [(self.numbers[c.item_id], c.score) for c in response.candidates]
        return time.perf_counter() - start, answer

    def run(self, histories: list[list[int]], beam: int, in_flight: int) -> Timed:
        processor, start = self._processor(), time.perf_counter()
        with ThreadPoolExecutor(in_flight) as callers:
            found = list(callers.map(lambda history: self._answer(history, beam), histories))
        whole = time.perf_counter() - start
        return Timed([t for t, _ in found], whole, self._processor() - processor, [a for _, a in found])


class Generate:
    """The same weights in their Hugging Face class, constrained by a prefix function."""

    name, unit, sizes, sample = "transformers generate", "in a batch", (1, 2, 4, 8, 16), 32

    def __init__(self, folder: Path, manifest: dict, codes: np.ndarray):
        files, parameters = manifest["files"], manifest["parameters"]
        config = transformers.AutoConfig.for_model(
            **json.loads((folder / files["hf_config"]).read_text())
        )
        kind = getattr(transformers, parameters["hugging_face_class"])
        self.model = kind(config).eval()
        from safetensors.torch import load_file

        missing, unexpected = self.model.load_state_dict(
            load_file(folder / files["weights"]), strict=False
        )
        if missing or unexpected:
            raise SystemExit(f"weights: missing {missing}, unexpected {unexpected} (expected: none)")
        self.length = parameters["history"]
        self.offsets = torch.tensor(parameters["level_offsets"])
        self.codes = torch.from_numpy(codes)
        self.tokens = (codes + np.array(parameters["level_offsets"])).tolist()
        self.levels = codes.shape[1]
        self.children: dict[tuple, dict[int, int]] = {}
        self.leaves: dict[tuple, list[int]] = {}
        for item, path in enumerate(self.tokens):
            for level in range(self.levels):
                below = self.children.setdefault(tuple(path[:level]), {})
                below[path[level]] = below.get(path[level], 0) + 1
            self.leaves.setdefault(tuple(path), []).append(item)
        self.below = {prefix: list(children) for prefix, children in self.children.items()}
        self.table = self.model.get_input_embeddings().weight

    def _barred(self, history: list[int]) -> dict[tuple, list[int]]:
        """What may follow the prefixes of which a child leads to seen items alone."""
        barred: dict[tuple, int] = {}
        for item in set(history):
            path = self.tokens[item]
            for level in range(1, self.levels + 1):
                prefix = tuple(path[:level])
                barred[prefix] = barred.get(prefix, 0) + 1
        left: dict[tuple, list[int]] = {}
        for prefix, count in barred.items():
            above, token = prefix[:-1], prefix[-1]
            if self.children[above][token] == count:
                left.setdefault(above, list(self.children[above])).remove(token)
        return left

    @torch.inference_mode()
    def _answer(self, histories: list[list[int]], beam: int):
        barred = [self._barred(history) for history in histories]

        def allowed(row: int, written: torch.Tensor) -> list[int]:
            prefix = tuple(written.tolist())
            left = barred[row].get(prefix)
            return self.below[prefix] if left is None else left

        kept = [history[-self.length :] for history in histories]
        longest = max(map(len, kept))
        embeds = torch.zeros(len(kept), longest, self.table.shape[1])
        mask = torch.zeros(len(kept), longest, dtype=torch.long)
        for row, items in enumerate(kept):
            own = self.table[self.codes[items] + self.offsets].sum(-2) + self.table[0]
            embeds[row, longest - len(items) :] = own
            mask[row, longest - len(items) :] = 1
        found = self.model.generate(
            inputs_embeds=embeds, attention_mask=mask,
            num_beams=beam, num_return_sequences=beam, do_sample=False,
            max_new_tokens=self.levels, min_new_tokens=self.levels, length_penalty=0.0,
            early_stopping=False, eos_token_id=None, pad_token_id=0, use_cache=True,
            prefix_allowed_tokens_fn=allowed, return_dict_in_generate=True, output_scores=True,
        )
        rows, scores = found.sequences.tolist(), found.sequences_scores.tolist()
        answers = []
        for number, history in enumerate(histories):
            seen, answer = set(history), []
            for at in range(number * beam, (number + 1) * beam):
                for item in self.leaves.get(tuple(rows[at][-self.levels :]), []):
                    if item not in seen:
                        answer.append((item, scores[at]))
            answer.sort(key=lambda pair: (-pair[1], pair[0]))
            answers.append(answer[:beam])
        return answers

    def run(self, histories: list[list[int]], beam: int, batch: int) -> Timed:
        timed = Timed()
        processor, begin = time.process_time(), time.perf_counter()
        for at in range(0, len(histories), batch):
            part, start = histories[at : at + batch], time.perf_counter()
            timed.answers += self._answer(part, beam)
            timed.each += [time.perf_counter() - start] * len(part)
        timed.whole = time.perf_counter() - begin
        timed.processor = time.process_time() - processor
        return timed


def same(a, b) -> str:
    """`equal`, `close` (as sets, where neighbours are closer than 2e-4) or `different`."""
    if len(a) != len(b):
        return "different"
    if any(abs(x[1] - y[1]) > 1e-4 for x, y in zip(a, b)):
        return "different"
    if [x[0] for x in a] == [x[0] for x in b]:
        return "equal"
    left, right = dict(a), dict(b)
    edge = min(a[-1][1], b[-1][1]) + 2e-4
    stray = [i for i in left.keys() ^ right.keys() if left.get(i, right.get(i)) > edge]
    return "different" if stray else "close"


def best_size(side, histories, beam: int) -> int:
    """How many requests at once serve this side best."""
    rates = {}
    for size in side.sizes:
        rates[size] = side.run(histories[: side.sample], beam, size).rate()
    shown = ", ".join(f"{size}: {rate:.1f}" for size, rate in rates.items())
    print(f"{beam:>4} {side.name}, requests/s by requests {side.unit}: {shown}")
    return max(rates, key=rates.get)


def on_core(core: int, call):
    os.sched_setaffinity(0, {core})
    try:
        return call()
    finally:
        os.sched_setaffinity(0, {CLIENT_CORE})


def compare(served, peer, blocks, beam: int, in_flight: int, batch: int) -> None:
    ours, theirs = Timed(), Timed()
    ratios, processor = [], []
    for part in blocks:
        a = served.run(part, beam, in_flight)
        # The peer runs on the server's core while the server is idle.
        b = on_core(SERVER_CORE, lambda: peer.run(part, beam, batch))
        ratios.append(a.rate() / b.rate())
        processor.append(b.processor / a.processor)
        ours.add(a)
        theirs.add(b)
    for side, size, timed in ((served, in_flight, ours), (peer, batch, theirs)):
        each = np.array(timed.each) * 1e3
        print(f"{beam:>4} {side.name:<22} {size:>2} {side.unit:<10} {timed.rate():>10.1f} "
              f"{np.percentile(each, 50):>8.2f} {np.percentile(each, 99):>8.2f} "
              f"{timed.processor / len(each) * 1e3:>8.2f}")
    verdicts = [same(x, y) for x, y in zip(ours.answers, theirs.answers)]
    print(f"{beam:>4} ratio of requests/s {np.median(ratios):.1f}x (blocks {min(ratios):.1f} to "
          f"{max(ratios):.1f}), of processor time {np.median(processor):.1f}x; {len(verdicts)} answers: "
          f"{verdicts.count('equal')} equal, {verdicts.count('close')} equal but for near ties, "
          f"{verdicts.count('different')} different")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with sequences.tsv")
    parser.add_argument("--model-repo", type=Path, default=ROOT / "model-repo")
    parser.add_argument("--bundle", default="beauty-tiger")
    parser.add_argument("--version", type=int, default=1)
    parser.add_argument("--beams", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--requests", type=int, default=60, help="in a block")
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument(
        "--warm", type=int, default=3000, help="requests, before each beam, that warm the server"
    )
    parser.add_argument("--port", type=int, default=50981)
    options = parser.parse_args()

    folder = options.model_repo / "bundles" / options.bundle / str(options.version)
    manifest = yaml.safe_load((folder / "bundle.yaml").read_text())
    ids = (folder / manifest["files"]["items"]).read_text().split("\n")[:-1]
    number = {id_: i for i, id_ in enumerate(ids)}
    codes = np.zeros((len(ids), manifest["parameters"]["levels"]), dtype=np.int64)
    for line in (folder / manifest["files"]["semantic_ids"]).read_text().splitlines():
        id_, written = line.split("\t")
        codes[number[id_]] = [int(c) for c in written.split()]
    rows = (options.data / "sequences.tsv").read_text().splitlines()
    rng = np.random.default_rng(1)
    histories = [
        [int(i) for i in rows[r].split("\t")[1].split()][:-1]
        for r in rng.choice(len(rows), options.requests * options.blocks, replace=False)
    ]

    server = subprocess.Popen(
        ["taskset", "-c", str(SERVER_CORE), str(ROOT / "espalier"), "serve", "retrieval",
         "--data", str(options.data), "--model-repo", str(options.model_repo),
         "--port", str(options.port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        os.sched_setaffinity(0, {CLIENT_CORE})
        torch.set_num_threads(1)
        served = Served(
            options.bundle, options.version, ids, f"127.0.0.1:{options.port}", server.pid
        )
        peer = Generate(folder, manifest, codes)
        print(f"{options.bundle}@{options.version}, {len(ids):,} items, {options.blocks} blocks of "
              f"{options.requests} requests, one core each side, load before "
              f"{os.getloadavg()[0]:.1f}")
        warm = (histories * (1 + options.warm // len(histories)))[: options.warm]
        blocks = [
            histories[at : at + options.requests]
            for at in range(0, len(histories), options.requests)
        ]
        for beam in options.beams:
            served.run(warm, beam, 8)
            served.run(warm[: len(warm) // 4], beam, 1)
            peer.run(warm[:8], beam, 4)
            in_flight = best_size(served, histories, beam)
            batch = on_core(SERVER_CORE, lambda: best_size(peer, histories, beam))
            print(f"{'beam':>4} {'side':<22} {'at once':<13} {'requests/s':>10} {'p50 ms':>8} "
                  f"{'p99 ms':>8} {'cpu ms':>8}")
            for sizes in dict.fromkeys(((1, 1), (in_flight, batch))):
                compare(served, peer, blocks, beam, *sizes)
    finally:
        server.terminate()
        server.wait(timeout=60)


if __name__ == "__main__":
    main()
