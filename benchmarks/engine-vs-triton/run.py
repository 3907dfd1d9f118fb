"""Espalier's inference server beside a real Triton (its Python backend), both driven by Triton's own perf_analyzer.

    install.sh DIR; DIR/venv/bin/python run.py DIR [--blocks 2]

Both servers are up at once and pinned to the same cores, perf_analyzer to others; the one that is not asked is idle.
Each model and number of clients is measured in blocks, A B A B, after both have been warmed for a while: on one core a
JIT compiler takes half a minute. perf_analyzer's windows are short, since it works through each in time quadratic in its
number of requests; the load goes on meanwhile.
"""

import argparse
import csv
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time

import numpy as np
import tritonclient.grpc as triton

import graphs

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
START_SECONDS = 120
SHOWN = ("throughput", "p50", "p99", "processor")


def environment(folder):
    """The variables that install.sh left."""
    variables = {}
    for line in (folder / "env.sh").read_text().splitlines():
        if "=" in line:
            key, value = line.split("=", 1)
            variables[key] = value.strip('"')
    return variables


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def pinned(cores, command, log, **variables):
    return subprocess.Popen(
        ["taskset", "-c", cores, *map(str, command)],
        stdout=log, stderr=log, env={**os.environ, **variables},
    )


def espalier(repository, port, cores, log):
    command = [ROOT / "espalier", "serve", "inference", "--model-repo", repository, "--port", port]
    return pinned(cores, command, log)


def real_triton(repository, port, cores, log, installed):
    command = [
        installed["TRITONSERVER"], f"--model-repository={repository}",
        f"--backend-directory={installed['TRITON_BACKENDS']}", "--allow-http=false", "--allow-metrics=false",
        "--grpc-address=127.0.0.1", f"--grpc-port={port}",
    ]
    return pinned(
        cores, command, log,
        LD_LIBRARY_PATH=installed["TRITON_LIBRARIES"],
        PYTHONPATH=sysconfig.get_path("purelib"),
        PATH=os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]),
    )


def await_ready(name, process, port):
    client = triton.InferenceServerClient(f"127.0.0.1:{port}")
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if client.is_server_ready():
                return client
        except triton.InferenceServerException:
            pass
        time.sleep(0.2)
    raise SystemExit(f"{name}: not ready (expected: within {START_SECONDS} s); see its log")


def answer(client, model):
    x = np.random.default_rng(2).standard_normal([2, *graphs.SHAPES[model]]).astype(np.float32)
    tensor = triton.InferInput("x", x.shape, "FP32")
    tensor.set_data_from_numpy(x)
    return client.infer(model, [tensor]).as_numpy("y")


def measure(installed, port, model, clients, seconds, cores):
    """Throughput in requests/s and latencies in microseconds of one perf_analyzer run: three windows, all kept."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.csv"
        command = [
            "taskset", "-c", cores, installed["PERF_ANALYZER"], "-m", model, "-u", f"127.0.0.1:{port}", "-i", "grpc",
            "--concurrency-range", clients, "--measurement-interval", int(seconds * 1000), "--max-trials", 3,
            "--stability-percentage", 1_000_000, "--percentile", 99, "-f", report,
        ]
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, timeout=120 + 6 * seconds,
            env={**os.environ, "LD_LIBRARY_PATH": installed["PERF_ANALYZER_LIBRARIES"]},
        )
        if done.returncode != 0 or not report.exists():
            raise SystemExit(f"perf_analyzer: exit {done.returncode} (expected: 0)\n{done.stdout}\n{done.stderr}")
        row = next(csv.DictReader(report.open()))
    return {
        "throughput": float(row["Inferences/Second"]),
        **{f"p{p}": float(row[f"p{p} latency"]) for p in (50, 90, 95, 99)},
        "server_queue": float(row["Server Queue"]),
        "server_compute": float(row["Server Compute Infer"]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="where install.sh put Triton")
    parser.add_argument("--seconds", type=float, default=0.5, help="a window; each run has three")
    parser.add_argument("--warm", type=float, default=25, help="seconds of load before anything is measured")
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--models", nargs="*", default=list(graphs.SHAPES))
    parser.add_argument("--clients", nargs="*", type=int, default=[1, 8, 32])
    parser.add_argument("--server-cores", default="0")
    parser.add_argument("--client-cores", default="1")
    parser.add_argument("--json", type=pathlib.Path, help="where every run is kept")
    args = parser.parse_args()
    installed = environment(args.folder)
    with tempfile.TemporaryDirectory() as temporary:
        repository = pathlib.Path(temporary)
        graphs.write(repository)
        ports = {"espalier": free_port(), "triton": free_port()}
        logs = {name: (repository / f"{name}.log").open("w") for name in ports}
        servers = {
            "espalier": espalier(repository / "espalier", ports["espalier"], args.server_cores, logs["espalier"]),
            "triton": real_triton(
                repository / "triton", ports["triton"], args.server_cores, logs["triton"], installed
            ),
        }
        try:
            clients = {name: await_ready(name, servers[name], ports[name]) for name in servers}
            runs = compare(args, installed, ports, clients, servers)
        except SystemExit:
            for name in logs:
                print(f"== {name}\n{(repository / f'{name}.log').read_text()[-3000:]}", file=sys.stderr)
            raise
        finally:
            for server in servers.values():
                server.terminate()
            for server in servers.values():
                server.wait(30)
    if args.json:
        args.json.write_text(json.dumps(runs, indent=1) + "\n")


def processor_seconds(pid):
    """What a process and those it started have used of the processor."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    used = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    threads = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    return used + sum(processor_seconds(child) for thread in threads for child in thread.read_text().split())


def answered(client, model):
    statistics = client.get_inference_statistics(model, as_json=True)["model_stats"][0]
    return int(statistics["inference_stats"]["success"].get("count", 0))


def compare(args, installed, ports, clients, servers):
    runs = []
    print(f"cores {args.server_cores} (server) and {args.client_cores}; {args.blocks} blocks of 3 x {args.seconds} s")
    print("requests/s, latencies in us, and us of the server's processor a request")
    print(f"{'':<20} {'espalier':>35} {'triton':>35}    ratios of")
    side = f"{'req/s':>11} {'p50':>7} {'p99':>7} {'cpu':>7}"
    print(f"{'model':<12} {'clients':>7} {side} {side} {'req/s':>6} {'p99':>6} {'cpu':>6}")
    for name in ports:
        end = time.monotonic() + args.warm
        while time.monotonic() < end:
            measure(installed, ports[name], args.models[0], 32, args.seconds, args.client_cores)
    for model in args.models:
        np.testing.assert_allclose(answer(clients["espalier"], model), answer(clients["triton"], model), atol=1e-4)
        for name in ports:
            measure(installed, ports[name], model, 8, args.seconds, args.client_cores)
        for concurrency in args.clients:
            seen = {name: [] for name in ports}
            for block in range(args.blocks):
                for name in ports:
                    before = processor_seconds(servers[name].pid), answered(clients[name], model)
                    run = measure(installed, ports[name], model, concurrency, args.seconds, args.client_cores)
                    used = processor_seconds(servers[name].pid) - before[0]
                    run["processor"] = 1e6 * used / (answered(clients[name], model) - before[1])
                    seen[name].append(run)
                    runs.append({"model": model, "clients": concurrency, "block": block, "server": name, **run})
            print(row(model, concurrency, seen), flush=True)
    return runs


def row(model, concurrency, seen):
    middle = {
        name: {key: statistics.mean(run[key] for run in runs) for key in SHOWN}
        for name, runs in seen.items()
    }
    ours, theirs = middle["espalier"], middle["triton"]
    sides = " ".join(
        f"{side['throughput']:>11.0f} {side['p50']:>7.0f} {side['p99']:>7.0f} {side['processor']:>7.1f}"
        for side in (ours, theirs)
    )
    ratios = " ".join(f"{ours[key] / theirs[key]:>6.2f}" for key in ("throughput", "p99", "processor"))
    return f"{model:<12} {concurrency:>7} {sides} {ratios}"


if __name__ == "__main__":
    main()
