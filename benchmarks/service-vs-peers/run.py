"""The whole service beside what a user would pick instead, each on one core, by one open-loop driver, in one run.

    install.sh DIR; DIR/venv/bin/python run.py DIR --data DATA [--sides …] [--slo-ms 50] [--rounds 2]
    DIR/venv/bin/python run.py DIR --data DATA --rate 2 --seconds 3 --warm-windows 0     # does every side answer, and the same?

A side is `espalier` (router and stages in one process, `Recommend`), `retrieval` (the retrieval server alone) or a peer,
`ray`, `litserve`, `bentoml`, `triton`, with `-generate` or `-fused`; a peer may be given its batch size and its wait in
milliseconds, as in `litserve-fused:8:2`. Each round visits all sides in turn: start on one core, compare answers with the
first side's, warm up, look for the highest rate whose p99 is within the limit, measure there; the driver has the other
core. Ratios are the rates of `espalier` and `retrieval` over the peers'. A side that does not serve, or has other answers,
is named, the others are measured all the same, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np


HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
K = 50
START_SECONDS = 240
PEERS = ("ray", "litserve", "bentoml", "triton")
# Batch size and wait, or BentoML's bound of latency, in milliseconds.
SETTINGS = {
    "ray-generate": (2, 0), "litserve-generate": (2, 1), "bentoml-generate": (2, 60_000), "triton-generate": (2, 0),
    "ray-fused": (8, 0), "litserve-fused": (8, 1), "bentoml-fused": (8, 60_000), "triton-fused": (8, 0),
}  # fmt: skip
FIRST_RATE = {"generate": 5, "fused": 120, "espalier": 200, "retrieval": 200}


class DoesNotServe(Exception):
    """A side that gave no answer; the message says what it told."""


def contract(folder: Path) -> None:
    """Compiles the contracts that are spoken here; the rules that they import are in the archive that the build has."""
    import grpc_tools
    from grpc_tools import protoc

    pom = maven_property(ROOT / "pom.xml", "protovalidate.version")
    repository = Path(os.environ.get("MAVEN_REPO_LOCAL", Path.home() / ".m2/repository"))
    with zipfile.ZipFile(repository / f"build/buf/protovalidate/{pom}/protovalidate-{pom}.jar") as archive:
        for name in archive.namelist():
            if name.startswith("buf/validate/") and name.endswith(".proto"):
                archive.extract(name, folder)
    source, own = ROOT / "proto/src/main/protobuf", Path(grpc_tools.__file__).parent / "_proto"
    rules = [str(path) for path in (folder / "buf/validate").glob("*.proto")]
    files = [str(path) for path in source.rglob("*.proto")] + rules
    arguments = ["protoc", f"-I{source}", f"-I{folder}", f"-I{own}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if protoc.main([*arguments, *files]):
        raise SystemExit("protoc failed")


def maven_property(pom: Path, name: str) -> str:
    return pom.read_text().split(f"<{name}>")[1].split("<")[0]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def descendants(pid: int) -> list[int]:
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in thread.read_text().split():
                found += [int(child), *descendants(int(child))]
        except OSError:
            continue
    return found


def thread_seconds(pid: int) -> dict[str, float]:
    """What threads have used of the processor, of a process and those that it started, by name without numbers."""
    used: dict[str, float] = {}
    for process in (pid, *descendants(pid)):
        for thread in Path(f"/proc/{process}/task").glob("*/stat"):
            try:
                name, _, rest = thread.read_text().partition("(")[2].rpartition(")")
            except OSError:
                continue
            fields = rest.split()
            name = name.rstrip("0123456789-# ")
            used[name] = used.get(name, 0) + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


@dataclass
class Side:
    """One way to serve: how it is started, asked and driven."""

    name: str
    kind: str  # espalier, retrieval, ray, litserve, bentoml or triton
    recommender: str = ""
    batch: int = 0
    wait: float = 0
    knees: list[float] = field(default_factory=list)
    at_knee: list[dict] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    answers: list = field(default_factory=list)
    threads: dict = field(default_factory=dict)  # seconds of the processor in the last run at the knee

    @staticmethod
    def of(text: str) -> "Side":
        name, *settings = text.split(":")
        if name in ("espalier", "retrieval"):
            return Side(name, name)
        kind, _, recommender = name.partition("-")
        if kind not in PEERS or recommender not in ("generate", "fused") or len(settings) not in (0, 2):
            raise SystemExit(f"side: {text} (expected: espalier, retrieval, or ray-fused, triton-generate:4:0 and so on)")
        batch, wait = (int(settings[0]), float(settings[1])) if settings else SETTINGS[name]
        return Side(text, kind, recommender, batch, wait)

    @property
    def files(self) -> str:
        return self.name.replace(":", "_")

    def first_rate(self) -> float:
        return 0.75 * self.knees[-1] if self.knees and self.knees[-1] else FIRST_RATE[self.recommender or self.kind]


class Bench:
    def __init__(self, options):
        self.options = options
        self.temporary = Path(tempfile.mkdtemp(prefix="service-vs-peers-"))
        self.stubs = self.temporary / "stubs"
        self.stubs.mkdir()
        contract(self.stubs)
        sys.path.insert(0, str(self.stubs))
        self.module = importlib.import_module
        self.repository = self.temporary / "model-repo"
        (self.repository / "routes").mkdir(parents=True)
        for part in ("bundles", "models"):
            (self.repository / part).symlink_to((options.model_repo / part).resolve())
        route = (HERE / "route.yaml").read_text()
        (self.repository / "routes" / "tiger-alone.yaml").write_text(f"{route}slo: {options.slo_ms}ms\n")
        told = options.folder / "env.sh"
        lines = told.read_text().replace('"', "").splitlines() if told.exists() else []
        self.variables = dict(line.split("=", 1) for line in lines if "=" in line)
        self.users, self.histories = self.questions(options.answers)
        self.reference: list = []
        options.out.mkdir(parents=True, exist_ok=True)

    def questions(self, count: int):
        lines = map(json.loads, (self.options.data / "items.jsonl").read_text().splitlines())
        items = [str(next(line[key] for key in ("asin", "id", "item") if key in line)) for line in lines]
        rows = (self.options.data / "sequences.tsv").read_text().splitlines()
        chosen = np.random.default_rng(1).choice(len(rows), count, replace=False)
        users, histories = zip(*(rows[row].split("\t") for row in chosen))
        return list(users), [[items[int(i)] for i in history.split()] for history in histories]

    def close(self) -> None:
        shutil.rmtree(self.temporary, ignore_errors=True)

    # Starting

    def missing(self, side: Side) -> str:
        """What is not installed for a side; empty when all is."""
        if side.kind == "triton":
            server = self.variables.get("TRITONSERVER", "tritonserver")
            return "" if Path(server).exists() else server
        if side.kind in PEERS:
            return "" if importlib.util.find_spec(side.kind) else f"Python package {side.kind}"
        program = ROOT / "espalier-cli/target/built"
        return "" if program.exists() else f"{program} (./espalier --version builds it)"

    def start(self, side: Side, port: int) -> subprocess.Popen:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        environment |= {
            "RECOMMENDER": side.recommender, "MODEL_REPO": str(self.options.model_repo), "BUNDLE": "beauty-tiger/1",
            "BATCH": str(side.batch), "WAIT_MS": str(side.wait), "LATENCY_MS": str(int(side.wait)), "PORT": str(port),
            "PYTHONPATH": os.pathsep.join([str(HERE), str(self.stubs)]), "ESPALIER_NO_BUILD": "1",
        }  # fmt: skip
        command = getattr(self, f"{side.kind}_command")(side, port, environment)
        with (self.options.out / f"{side.files}.log").open("w") as log:
            return subprocess.Popen(
                ["taskset", "-c", self.options.server_core, *map(str, command)],
                stdout=log, stderr=log, env=environment, cwd=HERE, start_new_session=True,
            )  # fmt: skip

    def espalier_command(self, side, port, environment):
        return [ROOT / "espalier", "up", "--data", self.options.data, "--model-repo", self.repository, "--port", port]

    def retrieval_command(self, side, port, environment):
        return [ROOT / "espalier", "serve", "retrieval", "--data", self.options.data, "--model-repo", self.repository, "--port", port]

    def ray_command(self, side, port, environment):
        # Its documented settings for throughput, and the replica answers callers itself: its proxy would be one more hop.
        http = free_port()
        environment |= {
            "RAY_FOLDER": str(self.temporary / "ray"), "HTTP_PORT": str(free_port()), "PROXY_PORT": str(free_port()),
            "RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(port), "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(port + 1),
            "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(http), "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(http + 1),
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
        }  # fmt: skip
        return [sys.executable, HERE / "ray_peer.py"]

    def litserve_command(self, side, port, environment):
        return [sys.executable, HERE / "litserve_peer.py"]

    def bentoml_command(self, side, port, environment):
        environment |= {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(self.temporary / "bentoml")}
        return [sys.executable, "-m", "bentoml", "serve", "bentoml_peer:Peer", "--host", "127.0.0.1", "--port", port]

    def triton_command(self, side, port, environment):
        repository = self.temporary / f"triton-{side.batch}-{side.wait}"
        model = repository / "recommender" / "1"
        model.mkdir(parents=True, exist_ok=True)
        shipped = HERE / "triton" / "recommender"
        (model / "model.py").write_text((shipped / "1" / "model.py").read_text())
        config = (shipped / "config.pbtxt").read_text().replace("max_batch_size: 8", f"max_batch_size: {side.batch}")
        delay = f"max_queue_delay_microseconds: {int(1e3 * side.wait)}" if side.wait else ""
        (repository / "recommender" / "config.pbtxt").write_text(config.replace("dynamic_batching { }", f"dynamic_batching {{ {delay} }}"))
        environment |= {
            "LD_LIBRARY_PATH": self.variables["TRITON_LIBRARIES"],
            "PATH": os.pathsep.join([self.variables["TRITON_PATH"], os.environ["PATH"]]),
        }
        return [
            self.variables["TRITONSERVER"], f"--model-repository={repository}",
            f"--backend-directory={self.variables['TRITON_BACKENDS']}", "--allow-http=false", "--allow-metrics=false",
            "--grpc-address=127.0.0.1", f"--grpc-port={port}",
        ]  # fmt: skip

    # Asking

    def asker(self, side: Side, port: int):
        """A function from a question's number to [(item, score)], as a client of this side would get it."""
        if side.kind in ("litserve", "bentoml"):
            return lambda number: self.ask_http(side, port, self.histories[number])
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_reconnect_backoff_ms", 500)])
        if side.kind == "triton":
            return lambda number: self.ask_triton(channel, self.histories[number])
        if side.kind == "espalier":
            return lambda number: self.ask_router(channel, self.users[number])
        return lambda number: self.ask_retrieval(channel, self.histories[number])

    def ask_http(self, side, port, history):
        question = {"history": history, "k": K}
        body = {"questions": [question]} if side.kind == "bentoml" else question
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/recommend", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = json.load(answer)
        found = found[0] if side.kind == "bentoml" else found
        return list(zip(found["items"], found["scores"]))

    def ask_router(self, channel, user):
        messages = self.module("espalier.router.v1.router_pb2")
        stub = self.module("espalier.router.v1.router_pb2_grpc").RouterServiceStub(channel)
        request = messages.RecommendRequest(
            user=messages.User(id=user), options=messages.ListOptions(page_size=K)
        )
        page = stub.Recommend(request, timeout=30).page
        if page.degradations:
            raise DoesNotServe(f"degraded: {page.degradations} (expected: whole answers)")
        return [(item.item_id, item.score) for item in page.items]

    def ask_retrieval(self, channel, history):
        messages = self.module("espalier.retrieval.v1.retrieval_pb2")
        stub = self.module("espalier.retrieval.v1.retrieval_pb2_grpc").RetrievalServiceStub(channel)
        request = messages.RetrieveRequest(
            bundle="beauty-tiger", bundle_version=1, k=K, beam_width=K, history=history, exclude=history
        )
        return [(c.item_id, c.score) for c in stub.Retrieve(request, timeout=30).candidates]

    def ask_triton(self, channel, history):
        messages = self.module("inference.grpc_service_pb2")
        stub = self.module("inference.grpc_service_pb2_grpc").GRPCInferenceServiceStub(channel)
        tensor = messages.ModelInferRequest.InferInputTensor
        request = messages.ModelInferRequest(
            model_name="recommender",
            inputs=[
                tensor(name="history", datatype="BYTES", shape=[1, len(history)]),
                tensor(name="k", datatype="INT32", shape=[1, 1]),
            ],
            raw_input_contents=[
                b"".join(len(id_).to_bytes(4, "little") + id_.encode() for id_ in history),
                K.to_bytes(4, "little"),
            ],
        )
        answer = stub.ModelInfer(request, timeout=30)
        contents = {output.name: raw for output, raw in zip(answer.outputs, answer.raw_output_contents)}
        texts, at, raw = [], 0, contents["items"]
        while at < len(raw):
            size = int.from_bytes(raw[at : at + 4], "little")
            texts.append(raw[at + 4 : at + 4 + size].decode())
            at += 4 + size
        return list(zip(texts, np.frombuffer(contents["scores"], np.float32).tolist()))

    def await_ready(self, side: Side, process: subprocess.Popen, ask) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and process.poll() is None:
            try:
                ask(0)
                return
            except (grpc.RpcError, OSError, urllib.error.URLError):
                time.sleep(0.25)
        log = (self.options.out / f"{side.files}.log").read_text()
        ended = f"ended with {process.returncode}" if process.poll() is not None else "does not answer"
        raise DoesNotServe(f"{ended} (expected: an answer within {START_SECONDS} s)\n{log[-3000:]}")

    # Measuring

    def drive(self, side: Side, port: int, pid: int) -> None:
        """Warms, finds the knee and measures there; what came of it is added to the side."""
        options = self.options
        lines = options.out / f"{side.files}.{len(side.knees)}.jsonl"
        lines.unlink(missing_ok=True)
        slow = side.recommender == "generate"
        call = {"espalier": "recommend", "triton": "infer", "litserve": "http", "bentoml": "http"}.get(side.kind, "retrieve")
        target = f"http://127.0.0.1:{port}/recommend" if call == "http" else f"127.0.0.1:{port}"
        body = '{"history": @history@, "k": @k@}'
        command = [
            *self.driver(), "run", "--call", call, "--target", target, "--data", options.data, "--k", K, "--beams", K,
            "--bundle", "beauty-tiger@1", "--body", '{"questions": [%s]}' % body if side.kind == "bentoml" else body,
            "--deadline-ms", 20_000, "--slo-ms", options.slo_ms, "--first-rate", round(side.first_rate(), 2),
            "--window-s", options.warm_s if side.recommender else 2 * options.warm_s, "--warm-windows", options.warm_windows,
            "--search-s", options.search_s, "--least-requests", 0 if not slow else options.slow_requests,
            "--seconds", options.seconds, "--lower", options.lower, "--rate", options.rate, "--server-pid", pid, "--json", lines,
            "--out", options.out / side.files, "--seed", 1 + 1000 * len(side.knees),
        ]  # fmt: skip
        driver = subprocess.Popen(
            ["taskset", "-c", options.driver_core, *map(str, command)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        told, before = [], {}
        try:
            for line in driver.stdout:
                told.append(line)
                if line.startswith("knee:"):  # the run at the knee begins
                    before = thread_seconds(pid)
            driver.wait()
        finally:
            driver.kill()
        after = thread_seconds(pid)
        side.threads = {name: after[name] - before.get(name, 0) for name in after} if before else {}
        (options.out / f"{side.files}.{len(side.knees)}.txt").write_text("".join(told))
        runs = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
        knee = next((run for run in reversed(runs) if run["run"] in ("knee", "run")), None)
        if not knee:
            raise DoesNotServe(f"no rate holds: {''.join(told[-3:])}")
        side.knees.append(knee["rate"])
        side.at_knee.append(knee)

    def driver(self) -> list:
        java = subprocess.run([ROOT / "espalier", "jdk-home"], capture_output=True, text=True, check=True).stdout.strip()
        jar, path = ROOT / "loadtest/target/loadtest-0.1.0-SNAPSHOT.jar", ROOT / "loadtest/target/classpath"
        return [
            f"{java}/bin/java", "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow", "-Xmx1g",
            "-Djdk.httpclient.keepalive.timeout=3",  # less than the web servers' 5 s, so that none of them hangs up first
            "-cp", f"{jar}:{path.read_text().strip()}", "io.espalier.loadtest.Main",
        ]  # fmt: skip

    def visit(self, side: Side) -> None:
        """One side in one round; trouble is its own, so that the others are measured all the same."""
        begin, visits = time.monotonic(), len(side.knees)
        try:
            shown = self.measured(side)
        except Exception as failure:  # noqa: BLE001 a peer's client may fail in its own way
            side.trouble.append(f"{type(failure).__name__}: {failure}")
            side.knees[visits:], side.at_knee[visits:] = [0.0], [{}]
            shown = side.trouble[-1]
        print(f"  {side.name}: {time.monotonic() - begin:.0f} s in all; {shown}", flush=True)

    def measured(self, side: Side) -> str:
        missing = self.missing(side)
        if missing:
            raise DoesNotServe(f"not installed: {missing}")
        port, begin = free_port(), time.monotonic()
        process = self.start(side, port)
        try:
            ask = self.asker(side, port)
            self.await_ready(side, process, ask)
            up = time.monotonic() - begin
            if not side.answers:
                side.answers = [ask(number) for number in range(len(self.histories))]
                self.reference = self.reference or side.answers
            self.drive(side, port, process.pid)
        finally:
            self.stop(process)
        knee = side.at_knee[-1]
        shown = (
            f"up in {up:.0f} s, {side.knees[-1]:.1f}/s, {knee['requests']} requests there, p50 {knee['p50_ms']:.1f}, "
            f"p99 {knee['p99_ms']:.1f} ms, cpu {knee['processor_ms']:.2f} ms; {self.verdicts(side)}"
        )
        if total := sum(side.threads.values()):
            most = sorted(side.threads.items(), key=lambda pair: -pair[1])[:8]
            shown += "\n    processor by thread: " + ", ".join(f"{name} {100 * t / total:.0f}%" for name, t in most)
        return shown

    def verdicts(self, side: Side) -> str:
        """How a side's answers stand beside those of the first side that gave any."""
        found = [same(a, b) for a, b in zip(self.reference, side.answers)]
        if "different" in found:
            side.trouble.append(f"{found.count('different')} of {len(found)} answers differ (expected: none)")
        return ", ".join(f"{found.count(v)} {v}" for v in ("equal", "close", "different") if v in found)

    @staticmethod
    def stop(process: subprocess.Popen) -> None:
        """Ends a server and all that it started."""
        family = descendants(process.pid)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        end = time.monotonic() + 5
        while time.monotonic() < end and any(Path(f"/proc/{pid}").exists() for pid in family):
            time.sleep(0.1)
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def same(a, b) -> str:
    """`equal`, `close` (as sets, where neighbours are closer than 2e-4) or `different`, as in tiger-vs-generate."""
    if len(a) != len(b) or any(abs(x[1] - y[1]) > 1e-4 for x, y in zip(a, b)):
        return "different"
    if [x[0] for x in a] == [x[0] for x in b]:
        return "equal"
    left, right = dict(a), dict(b)
    edge = min(a[-1][1], b[-1][1]) + 2e-4
    return "different" if any(left.get(i, right.get(i)) > edge for i in left.keys() ^ right.keys()) else "close"


def table(sides: list[Side], bench: Bench, slo: int) -> None:
    print(f"\n| side | batch, wait | requests/s at p99 <= {slo} ms (rounds) | requests there | p50 ms | p99 ms | not whole | "
          f"cpu ms a request | answers beside {sides[0].name}'s |")  # fmt: skip
    print("|---|---|---:|---:|---:|---:|---:|---:|---|")
    for side in sides:
        there = [knee for knee in side.at_knee if knee]
        middle = lambda key: statistics.mean(knee[key] for knee in there) if there else float("nan")  # noqa: E731
        voids = "; void" if any(knee["void"] for knee in there) else ""
        voids += "; p99 over it" if any(knee["p99_ms"] > slo for knee in there) else ""
        setting = f"{side.batch}, {side.wait:g}" if side.recommender else ""
        rounds = ", ".join(f"{knee:.1f}" for knee in side.knees)
        print(
            f"| {side.name.split(':')[0]} | {setting} | {statistics.mean(side.knees):.1f} ({rounds}{voids}) | "
            f"{sum(knee['requests'] for knee in there)} | {middle('p50_ms'):.1f} | {middle('p99_ms'):.1f} | "
            f"{sum(knee['failed'] + knee['degraded'] + knee['refused'] for knee in there)} | {middle('processor_ms'):.2f} | "
            f"{bench.verdicts(side)} |"
        )
    for ours in (side for side in sides if not side.recommender and any(side.knees)):
        for recommender in ("generate", "fused"):
            peers = [side for side in sides if side.recommender == recommender and statistics.mean(side.knees) > 0]
            if peers:
                best = max(peers, key=lambda side: statistics.mean(side.knees))
                blocks = [a / b for a, b in zip(ours.knees, best.knees) if b]
                print(f"{ours.name} over the best with {recommender} ({best.name}): "
                      f"{statistics.mean(ours.knees) / statistics.mean(best.knees):.2f} ({min(blocks):.2f} to {max(blocks):.2f})")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where install.sh put the peers")
    parser.add_argument("--data", type=Path, required=True, help="folder with items.jsonl and sequences.tsv")
    parser.add_argument("--model-repo", type=Path, default=ROOT / "model-repo")
    parser.add_argument(
        "--sides", nargs="+",
        default=["espalier", "retrieval", *(f"{peer}-{kind}" for kind in ("fused", "generate") for peer in PEERS)],
    )  # fmt: skip
    parser.add_argument("--slo-ms", type=int, default=50, help="p99")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rate", type=float, default=0, help="measures at this one instead of looking for the highest")
    parser.add_argument("--warm-s", type=int, default=4, help="of a window of warm-up; twice that for this project's servers")
    parser.add_argument("--warm-windows", type=int, default=60, help="at most; 0: no warm-up")
    parser.add_argument("--search-s", type=int, default=4, help="of a run of the search for the knee")
    parser.add_argument("--slow-requests", type=int, default=100, help="of a run of the search with generate, up to 4 times as long")
    parser.add_argument("--seconds", type=int, default=20, help="of the run at the knee")
    parser.add_argument("--lower", type=int, default=3, help="times that it goes 5 %% lower while the run at the knee does not hold")
    parser.add_argument("--answers", type=int, default=100, help="lists of each side that are compared")
    parser.add_argument("--server-core", default="0")
    parser.add_argument("--driver-core", default="1")
    parser.add_argument("--out", type=Path, default=ROOT / ".espalier/service-vs-peers", help="for logs, runs and histograms")
    options = parser.parse_args()
    options.folder, options.data, options.model_repo, options.out = (
        path.resolve() for path in (options.folder, options.data, options.model_repo, options.out)
    )
    sides, begin = [Side.of(text) for text in options.sides], time.monotonic()
    os.sched_setaffinity(0, {int(options.driver_core)})
    what = f"{options.rate:g} requests/s" if options.rate else f"p99 <= {options.slo_ms} ms"
    print(f"beauty-tiger@1, {K} beams, {K} items, {what}, {options.rounds} rounds, server on core "
          f"{options.server_core}, driver on {options.driver_core}, load before {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    bench = Bench(options)
    try:
        for number in range(options.rounds):
            print(f"round {number + 1}", flush=True)
            for side in sides:
                bench.visit(side)
        if not options.rate:
            table(sides, bench, options.slo_ms)
    finally:
        bench.close()
    print(f"{(time.monotonic() - begin) / 60:.1f} minutes")
    troubled = [side.name for side in sides if side.trouble]
    if troubled:
        raise SystemExit(f"not as it should be: {', '.join(troubled)}")


if __name__ == "__main__":
    main()
