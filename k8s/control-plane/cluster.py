"""A real Kubernetes control plane on loopback whose nodes kwok plays: pods are scheduled, started, made ready after a while,
evicted and removed, but nothing runs in them."""

import json
import os
import pathlib
import subprocess
import sys
import time

NAME = "espalier-trial"
ZONES = ["a", "b", "c"]
PLAIN_LISTS = {"name": "KUBE_FEATURE_WatchListClient", "value": "false"}


class Cluster:
    """Started on entry, removed on exit. `binaries` is what build.sh made, `work` an empty folder."""

    def __init__(self, binaries, work, stages):
        self.binaries = pathlib.Path(binaries)
        self.work = pathlib.Path(work)
        self.stages = stages
        self.kubeconfig = self.work / "kubeconfig"
        self.environment = dict(
            os.environ,
            KWOK_WORKDIR=str(self.work / "kwok"),
            KUBECONFIG=str(self.kubeconfig),
            PATH=f"{self.binaries}:{os.environ['PATH']}",
        )

    def __enter__(self):
        config = self.work / "kwokctl.yaml"
        config.write_text("\n---\n".join([json.dumps(self._configuration())] + [p.read_text() for p in self.stages]))
        with open(self.work / "kwokctl.log", "w") as log:
            subprocess.run(
                [self.binaries / "kwokctl", "create", "cluster", "--name", NAME, "--config", config, "--wait", "120s"],
                env=self.environment, stdout=log, stderr=log, check=True)
        try:
            self._nodes()
        except BaseException:
            for log in sorted(self.work.glob(f"kwok/clusters/{NAME}/logs/*.log")):
                print(f"{log.name}:", *log.read_text().splitlines()[-8:], sep="\n  ", file=sys.stderr)
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(
            [self.binaries / "kwokctl", "delete", "cluster", "--name", NAME],
            env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def _configuration(self):
        binary = {
            f"{name}Binary": str(self.binaries / file)
            for name, file in {
                "kubeApiserver": "kube-apiserver", "kubeControllerManager": "kube-controller-manager",
                "kubeScheduler": "kube-scheduler", "kubectl": "kubectl", "etcd": "etcd", "kwokController": "kwok",
            }.items()
        }
        return {
            "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
            "kind": "KwokctlConfiguration",
            "metadata": {"name": NAME},
            "options": {"runtime": "binary", "bindAddress": "127.0.0.1", "kubeVersion": "v1.37.2", "securePort": True, **binary},
            "componentsPatches": [
                # Lists that come as watches want a newer etcd than Debian's: the server offers none, its clients ask for none.
                {"name": "kube-apiserver", "extraArgs": [{"key": "feature-gates", "value": "WatchList=false"}],
                 "extraEnvs": [PLAIN_LISTS]},
                {"name": "kwok-controller", "extraEnvs": [PLAIN_LISTS]},
                {"name": "kube-scheduler", "extraEnvs": [PLAIN_LISTS]},
                # Autoscalers look every 5 s instead of every 15, as kwok's pods start sooner than real ones.
                {"name": "kube-controller-manager", "extraEnvs": [PLAIN_LISTS],
                 "extraArgs": [{"key": "horizontal-pod-autoscaler-sync-period", "value": "5s"}]},
            ],
        }

    def _nodes(self, count=6):
        nodes = []
        for i in range(count):
            size = {"cpu": "32", "memory": "128Gi", "pods": "110", "nvidia.com/gpu": "2"}
            nodes.append({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {
                    "name": f"node-{i}",
                    "annotations": {"kwok.x-k8s.io/node": "fake"},
                    "labels": {
                        "kubernetes.io/hostname": f"node-{i}", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                        "topology.kubernetes.io/zone": ZONES[i % len(ZONES)], "type": "kwok",
                    },
                },
                "status": {"allocatable": size, "capacity": size,
                           "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]},
            })
        self.apply(nodes)
        self.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=60s")

    def kubectl(self, *arguments, text=None, check=True):
        """What it printed; with check, its failure is this program's."""
        done = subprocess.run(
            [self.binaries / "kubectl", *arguments], env=self.environment, input=text, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done

    def popen(self, *arguments):
        return subprocess.Popen(
            [self.binaries / "kubectl", *arguments], env=self.environment, stdout=subprocess.PIPE, text=True)

    def get(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)

    def apply(self, objects):
        self.kubectl("apply", "--server-side", "--validate=strict", "-f", "-",
                     text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def until(condition, seconds, what):
    """Waits for a condition, for so many seconds at most; how long it took."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.25)
    return time.monotonic() - start
