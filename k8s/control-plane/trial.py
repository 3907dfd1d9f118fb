"""Applies every overlay to a real control plane and watches what is promised of it.

usage: trial.py BINARIES WORK PROMETHEUS CRDS STAGES
"""

import json
import pathlib
import re
import socket
import subprocess
import sys
import time

from cluster import Cluster, until
from history import History
from metrics import Load, Pipeline

K8S = pathlib.Path(__file__).resolve().parent.parent
NAMESPACE = "espalier"
SERVERS = ["router", "rewrite", "retrieval", "ranking"]


class Report:
    """The table, a line at a time, and whether all of it is as promised."""

    def __init__(self):
        self.good = True

    def head(self, title, *columns):
        print(f"\n{title}\n  " + "".join(f"{c:<{w}}" for c, w in columns), flush=True)
        self.widths = [w for _, w in columns]

    def line(self, good, *values):
        self.good &= good
        print("  " + "".join(f"{str(v):<{w}}" for v, w in zip(values, self.widths)) + ("" if good else "   FAILED"), flush=True)


def renderings(cluster, work):
    """Every overlay, and every component on what it fits: name → YAML."""
    built = {}
    for base in ("base", "overlays/cpu", "overlays/gpu"):
        built[base.split("/")[-1]] = cluster.kubectl("kustomize", str(K8S / base)).stdout
    for component in sorted(p.name for p in (K8S / "components").iterdir()):
        under = "overlays/gpu" if component.startswith("triton") else "base"
        folder = work / f"with-{component}"
        folder.mkdir()
        up = pathlib.Path(*[".."] * len(folder.parts[1:])) / K8S.relative_to("/")
        (folder / "kustomization.yaml").write_text(
            f"namespace: {NAMESPACE}\nresources: [{up / under}]\ncomponents: [{up / 'components' / component}]\n")
        built[f"{under.split('/')[-1]} + {component}"] = cluster.kubectl("kustomize", str(folder)).stdout
    rule = subprocess.run([K8S / "monitoring/rule.sh"], capture_output=True, text=True, check=True).stdout
    built["alert rules"] = rule
    return built


def volumes(cluster, claims):
    """A volume for each claim, as a provisioner would make it."""
    cluster.apply([
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
         "spec": {"capacity": {"storage": "20Gi"}, "accessModes": [mode], "hostPath": {"path": "/tmp"},
                  "persistentVolumeReclaimPolicy": "Delete", "claimRef": {"namespace": NAMESPACE, "name": name}}}
        for name, mode in claims
    ])


CLAIMS = [("espalier-models", "ReadOnlyMany"), ("log-catalog-0", "ReadWriteOnce"), ("data-valkey-0", "ReadWriteOnce")]


def accepted(cluster, built, report):
    report.head("Accepted by the API server (dry run, strict)", ("what", 34), ("objects", 9), ("seconds", 9))
    for name, yaml in built.items():
        start = time.monotonic()
        done = cluster.kubectl(
            "apply", "--server-side", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-", text=yaml, check=False)
        objects = len(done.stdout.split())
        wanted = len(re.findall(r"^kind:", yaml, re.MULTILINE))
        good = done.returncode == 0 and not done.stderr.strip() and objects == wanted
        report.line(good, name, objects, f"{time.monotonic() - start:.1f}", done.stderr.strip())
        if not good:
            print(done.stderr)
    bad = built["base"].replace("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true")
    refused = cluster.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", text=bad, check=False)
    report.line(refused.returncode != 0, "base with a misspelt field", "refused" if refused.returncode else "accepted", "")


def privileged(cluster, report):
    """The namespace refuses what is not restricted: that ours are let in means something."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "privileged", "namespace": NAMESPACE},
           "spec": {"containers": [{"name": "c", "image": "c", "securityContext": {"privileged": True}}]}}
    done = cluster.kubectl("create", "-f", "-", text=json.dumps(pod), check=False)
    report.line(done.returncode != 0 and "restricted" in done.stderr, "a privileged pod",
                "refused" if done.returncode else "accepted", "")


def up(cluster, history, yaml, wanted, report, title):
    start = time.monotonic()
    cluster.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", text=yaml)
    report.head(title, ("server", 14), ("replicas", 10), ("available", 11), ("nodes", 7), ("seconds", 9))
    for name, replicas in wanted.items():
        try:
            until(lambda: history.now("available", name) == replicas and history.now("ready", name) >= replicas, 180, name)
        except RuntimeError:
            pass
        nodes = {p["spec"].get("nodeName") for p in
                 cluster.get("pods", "-n", NAMESPACE, "-l", f"app.kubernetes.io/name={name}")["items"]}
        have = history.now("available", name)
        report.line(have == replicas and len(nodes) == min(replicas, 6), name, replicas, have, len(nodes),
                    f"{time.monotonic() - start:.0f}")


def watched(history, names, since, promise, report, *extra, judged=("available", "ready")):
    for name in names:
        lowest = {kind: history.lowest(kind, name, since) for kind in ("wanted", "available", "ready")}
        promised = promise(lowest["wanted"])
        report.line(all(lowest[kind] >= promised for kind in judged), name, lowest["wanted"], promised, lowest["available"],
                    lowest["ready"], history.highest("available", name, since), *extra)


COLUMNS = (("server", 14), ("replicas", 10), ("promised", 10), ("lowest available", 18), ("lowest ready endpoints", 24),
           ("highest", 9))


def settle(history, names):
    for name in names:
        until(lambda: history.now("available", name) == history.now("wanted", name) == history.now("ready", name), 180, name)


def rollout(cluster, history, names, report, title):
    since = time.monotonic()
    cluster.kubectl("rollout", "restart", "-n", NAMESPACE, *(f"deployment/{n}" for n in names))
    for name in names:
        cluster.kubectl("rollout", "status", "-n", NAMESPACE, f"deployment/{name}", "--timeout=300s")
    settle(history, names)
    report.head(f"{title} ({time.monotonic() - since:.0f} s)", *COLUMNS)
    watched(history, names, since, lambda wanted: wanted, report)


def undo(cluster, history, name, report):
    """A release whose pods never become ready, and the way back."""
    before = cluster.get("deployment", name, "-n", NAMESPACE)["spec"]["template"]["spec"]["containers"][0]["image"]
    since = time.monotonic()
    patch = {"spec": {"template": {
        "metadata": {"annotations": {"pod-ready.stage.kwok.x-k8s.io/delay": "1h"}},
        "spec": {"containers": [{"name": "server", "image": "espalier:bad"}]}}}}
    cluster.kubectl("patch", "deployment", name, "-n", NAMESPACE, "-p", json.dumps(patch))
    stuck = cluster.kubectl("rollout", "status", "-n", NAMESPACE, f"deployment/{name}", "--timeout=20s", check=False)
    cluster.kubectl("rollout", "undo", "-n", NAMESPACE, f"deployment/{name}")
    cluster.kubectl("rollout", "status", "-n", NAMESPACE, f"deployment/{name}", "--timeout=120s")
    settle(history, [name])
    after = cluster.get("deployment", name, "-n", NAMESPACE)["spec"]["template"]["spec"]["containers"][0]["image"]
    report.head(f"A release that never gets ready, held for 20 s and undone ({time.monotonic() - since:.0f} s)", *COLUMNS,
                ("image", 20))
    watched(history, [name], since, lambda wanted: wanted, report, "as before" if after == before else after)
    report.good &= stuck.returncode != 0 and after == before


def drain(cluster, history, names, nodes, report):
    since = time.monotonic()
    refused = 0
    drains = [subprocess.Popen(
        [cluster.binaries / "kubectl", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=300s"],
        env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for node in nodes]
    for one in drains:
        said, _ = one.communicate()
        refused += said.count("violate the pod's disruption budget")
        report.good &= one.returncode == 0
    settle(history, names)
    report.head(f"{len(nodes)} of 6 nodes drained at once, {refused} evictions put off by budgets ({time.monotonic() - since:.0f} s)",
                *COLUMNS)
    # A budget counts pods that are ready, not those that have been so for minReadySeconds.
    watched(history, names, since, lambda wanted: max(0, wanted - 1), report, judged=("ready",))
    left = [p for p in cluster.get("pods", "-n", NAMESPACE)["items"] if p["spec"].get("nodeName") in nodes]
    report.good &= not left
    for node in nodes:
        cluster.kubectl("uncordon", node)


def scale(cluster, history, load, name, calls, wanted, seconds, report, title):
    """The load changes; the autoscaler and the pods follow."""
    since = time.monotonic()
    low = history.now("available", name)
    load.calls[name] = calls
    try:
        took = until(lambda: wanted[0] <= history.now("wanted", name) <= wanted[1]
                     and history.now("available", name) == history.now("wanted", name), seconds, title)
        # It stays there.
        time.sleep(20)
    except RuntimeError:
        took = float("nan")
    end = history.now("available", name)
    steps = " ".join(f"{value}@{at:.0f}s" for at, value in history.steps("available", name, since))
    lowest = history.lowest("available", name, since)
    good = wanted[0] <= end <= wanted[1] and lowest >= min(low, wanted[0])
    report.line(good, f"{name}: {calls} calls", f"{wanted[0]}..{wanted[1]}", end, lowest, f"{took:.0f}", steps)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def cpu(cluster, history, built, prometheus, work, report):
    volumes(cluster, CLAIMS)
    up(cluster, history, built["cpu"], {**dict.fromkeys(SERVERS, 2), "catalog": 1, "valkey": 1}, report, "Overlay cpu")
    privileged(cluster, report)
    rollout(cluster, history, SERVERS, report, "All four servers rolled at once")
    undo(cluster, history, "retrieval", report)
    drain(cluster, history, SERVERS, ["node-0", "node-1", "node-2"], report)
    load = Load(history, NAMESPACE)
    pipeline = Pipeline(cluster, load, prometheus, K8S / "components/hpa/adapter.yaml", work, free_ports(2))
    try:
        load.calls.update({"router": 30, "rewrite": 8, "retrieval": 10, "ranking": 8})
        pipeline.ready(NAMESPACE)
        report.head("Replicas by calls in progress (Prometheus, its adapter, HPA)", ("load", 24), ("wanted", 9), ("have", 7),
                    ("lowest available", 18), ("seconds", 9), ("available over time", 20))
        scale(cluster, history, load, "retrieval", 54, (9, 10), 240, report, "scale-out")
        rollout_under = time.monotonic()
        # Its own rules wait five minutes and then take one a minute; here an in-between of the same kind is watched.
        quick = {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 15, "policies": [
            {"type": "Pods", "value": 2, "periodSeconds": 15}]}}}}
        cluster.kubectl("patch", "hpa", "retrieval", "-n", NAMESPACE, "--type=merge", "-p", json.dumps(quick))
        scale(cluster, history, load, "retrieval", 10, (2, 2), 240, report, "scale-in")
        for name in ("router", "rewrite", "ranking"):
            report.line(history.highest("wanted", name, rollout_under) == 2, f"{name}: {load.calls[name]} calls", "2",
                        history.now("available", name), history.lowest("available", name, rollout_under), "", "")
    finally:
        pipeline.close()
        load.close()


def gpu(cluster, history, built, report):
    volumes(cluster, CLAIMS)
    servers = [*SERVERS, "triton"]
    # Nobody plays KEDA, which would raise each to its least number; a person's hand does.
    up(cluster, history, built["gpu"], {"router": 1}, report, "Overlay gpu, before anything scales it")
    for name in servers:
        if name != "triton":
            cluster.kubectl("scale", "-n", NAMESPACE, f"deployment/{name}", "--replicas=2")
    settle(history, servers)
    rollout(cluster, history, servers, report, "Overlay gpu at two replicas: all servers and Triton rolled at once")
    drain(cluster, history, servers, ["node-3", "node-4"], report)


def main(binaries, work, prometheus, crds, stages):
    work = pathlib.Path(work)
    report = Report()
    # kwok's own: nodes that live, pods that take some seconds for each step.
    played = [file for folder in ("node/fast", "node/heartbeat-with-lease", "pod/general")
              for file in sorted(pathlib.Path(stages, folder).glob("*-*.yaml"))]
    with Cluster(binaries, work, played) as cluster:
        for file in sorted(pathlib.Path(crds).glob("*.yaml")):
            cluster.kubectl("apply", "--server-side", "-f", str(file))
        cluster.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=60s")
        cluster.kubectl("create", "namespace", NAMESPACE)
        built = renderings(cluster, work)
        accepted(cluster, built, report)
        for trial in (lambda h: cpu(cluster, h, built, prometheus, work, report), lambda h: gpu(cluster, h, built, report)):
            history = History(cluster, NAMESPACE)
            try:
                trial(history)
            finally:
                history.close()
            cluster.kubectl("delete", "namespace", NAMESPACE, "--timeout=180s")
            cluster.kubectl("delete", "pv", "--all", "--timeout=60s")
    print("\n" + ("All as promised." if report.good else "Not as promised: see FAILED above."))
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
