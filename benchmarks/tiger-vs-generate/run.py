"""TIGER served by Espalier against Hugging Face `generate`, in one run.

Same weights, same histories, same trie, same answers. Each side has one core and one request in
flight; blocks alternate A B A B. The served side is measured at a client over gRPC on the other
core, so its figures include serialisation and loopback; the peer is called in process.

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
from pathlib import Path

import grpc
import numpy as np
import torch
import transformers
import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVER_CORE, CLIENT_CORE = 0, 1


def stubs(folder: Path):
    """Compiles the contract, so that no generated file is kept."""
    from grpc_tools import protoc

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
        ["protoc", f"-I{source}", f"-I{imports}", f"--python_out={folder}",
         f"--grpc_python_out={folder}", *files]
    ):
        raise SystemExit("protoc failed")
    sys.path.insert(0, str(folder))
    messages = importlib.import_module("espalier.retrieval.v1.retrieval_pb2")
    services = importlib.import_module("espalier.retrieval.v1.retrieval_pb2_grpc")
    return messages, services


class Served:
    """Espalier's retrieval server, pinned to one core, asked over gRPC."""

    def __init__(self, bundle: str, version: int, ids: list[str], target: str):
        self.messages, services = stubs(Path(tempfile.mkdtemp(prefix="espalier-stubs-")))
        self.channel = grpc.insecure_channel(target)
        grpc.channel_ready_future(self.channel).result(timeout=120)
        self.stub = services.RetrievalServiceStub(self.channel)
        self.bundle, self.version, self.ids = bundle, version, ids
        self.numbers = {id_: number for number, id_ in enumerate(ids)}

    def answer(self, history: list[int], beam: int):
        seen = [self.ids[item] for item in history]
        response = self.stub.Retrieve(
            self.messages.RetrieveRequest(
                bundle=self.bundle, bundle_version=self.version, k=beam, beam_width=beam,
                history=seen, exclude=seen,
            ),
            timeout=60,
        )
        return [(self.numbers[c.item_id], c.score) for c in response.candidates]


class Generate:
    """The same weights in their Hugging Face class, constrained by a prefix function."""

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

    @torch.inference_mode()
    def answer(self, history: list[int], beam: int):
        barred: dict[tuple, int] = {}
        for item in set(history):
            path = self.tokens[item]
            for level in range(1, self.levels + 1):
                prefix = tuple(path[:level])
                barred[prefix] = barred.get(prefix, 0) + 1
        dead = {p for p, n in barred.items() if self.children[p[:-1]][p[-1]] == n}

        def allowed(_, written):
            prefix = tuple(written.tolist())
            return [t for t in self.children[prefix] if prefix + (t,) not in dead]

        kept = self.codes[history[-self.length :]]
        table = self.model.get_input_embeddings().weight
        embeds = (table[kept + self.offsets].sum(-2) + table[0])[None]
        found = self.model.generate(
            inputs_embeds=embeds,
            attention_mask=torch.ones(embeds.shape[:2], dtype=torch.long),
            num_beams=beam, num_return_sequences=beam, do_sample=False,
            max_new_tokens=self.levels, min_new_tokens=self.levels, length_penalty=0.0,
            early_stopping=False, eos_token_id=None, pad_token_id=0, use_cache=True,
            prefix_allowed_tokens_fn=allowed, return_dict_in_generate=True, output_scores=False,
        )
        seen, answer = set(history), []
        for row, score in zip(found.sequences.tolist(), found.sequences_scores.tolist()):
            for item in self.leaves.get(tuple(row[-self.levels :]), []):
                if item not in seen:
                    answer.append((item, score))
        answer.sort(key=lambda pair: (-pair[1], pair[0]))
        return answer[:beam]


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


def timed(side, histories, beam):
    times, answers = [], []
    for history in histories:
        start = time.perf_counter()
        answers.append(side.answer(history, beam))
        times.append(time.perf_counter() - start)
    return times, answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with sequences.tsv")
    parser.add_argument("--model-repo", type=Path, default=ROOT / "model-repo")
    parser.add_argument("--bundle", default="beauty-tiger")
    parser.add_argument("--version", type=int, default=1)
    parser.add_argument("--beams", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--requests", type=int, default=60, help="in a block")
    parser.add_argument("--blocks", type=int, default=5)
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
        stdout=subprocess.DEVNULL,
    )
    try:
        os.sched_setaffinity(0, {CLIENT_CORE})
        served = Served(options.bundle, options.version, ids, f"127.0.0.1:{options.port}")
        torch.set_num_threads(1)
        peer = Generate(folder, manifest, codes)
        print(f"{options.bundle}@{options.version}, {len(ids):,} items, "
              f"{options.blocks} blocks of {options.requests} requests, one core each side")
        print(f"{'beam':>4} {'side':<22} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8}")
        for beam in options.beams:
            for history in histories[:200]:
                served.answer(history, beam)
            for history in histories[:5]:
                peer.answer(history, beam)
            times = {"espalier": [], "generate": []}
            ratios, verdicts = [], {"equal": 0, "close": 0, "different": 0}
            for block in range(options.blocks):
                part = histories[block * options.requests : (block + 1) * options.requests]
                ours, a = timed(served, part, beam)
                # The peer runs on the server's core while the server is idle.
                os.sched_setaffinity(0, {SERVER_CORE})
                theirs, b = timed(peer, part, beam)
                os.sched_setaffinity(0, {CLIENT_CORE})
                times["espalier"] += ours
                times["generate"] += theirs
                ratios.append(sum(theirs) / sum(ours))
                for x, y in zip(a, b):
                    verdicts[same(x, y)] += 1
            for name, label in (("espalier", "espalier, over gRPC"), ("generate", "transformers generate")):
                t = np.array(times[name])
                print(f"{beam:>4} {label:<22} {len(t) / t.sum():>10.1f} "
                      f"{np.percentile(t, 50) * 1e3:>8.2f} {np.percentile(t, 99) * 1e3:>8.2f}")
            print(f"{beam:>4} ratio {np.median(ratios):.1f}x (blocks {min(ratios):.1f} to {max(ratios):.1f}); "
                  f"answers: {verdicts['equal']} equal, {verdicts['close']} equal but for near ties, "
                  f"{verdicts['different']} different")
    finally:
        server.terminate()
        server.wait(timeout=30)


if __name__ == "__main__":
    main()
