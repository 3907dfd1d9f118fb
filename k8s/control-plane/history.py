"""What a cluster was over time, from its own watches: no state that lasted shorter than a poll is missed."""

import collections
import json
import threading
import time


class History:
    """Replicas that were available and endpoints that were ready, by name, since its start."""

    def __init__(self, cluster, namespace):
        self._lock = threading.Lock()
        self._values = collections.defaultdict(list)
        self._slices = {}
        self._pods = {}
        self._watches = []
        for path, taken in (
            (f"/apis/apps/v1/namespaces/{namespace}/deployments", self._workload),
            (f"/apis/apps/v1/namespaces/{namespace}/statefulsets", self._workload),
            (f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices", self._slice),
            (f"/api/v1/namespaces/{namespace}/pods", self._pod),
        ):
            watch = cluster.popen("get", "--raw", f"{path}?watch=true")
            self._watches.append(watch)
            threading.Thread(target=self._follow, args=(watch, taken), daemon=True).start()

    def _follow(self, watch, taken):
        for line in watch.stdout:
            event = json.loads(line)
            if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                with self._lock:
                    taken(event["object"], event["type"] == "DELETED")

    def _add(self, kind, name, value):
        series = self._values[kind, name]
        if not series or series[-1][1] != value:
            series.append((time.monotonic(), value))

    def _workload(self, it, gone):
        self._add("wanted", it["metadata"]["name"], 0 if gone else it["spec"]["replicas"])
        self._add("available", it["metadata"]["name"], 0 if gone else it["status"].get("availableReplicas", 0))

    def _slice(self, it, gone):
        service = it["metadata"]["labels"]["kubernetes.io/service-name"]
        ready = sum(1 for e in it.get("endpoints") or [] if e["conditions"].get("ready"))
        self._slices[it["metadata"]["name"]] = (service, 0 if gone else ready)
        self._add("ready", service, sum(n for s, n in self._slices.values() if s == service))

    def _pod(self, it, gone):
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in it.get("status", {}).get("conditions", []))
        if gone:
            self._pods.pop(it["metadata"]["name"], None)
        else:
            self._pods[it["metadata"]["name"]] = (
                it["metadata"]["labels"].get("app.kubernetes.io/name"), ready and "deletionTimestamp" not in it["metadata"])

    def pods(self, name):
        """The pods of a server that are ready now."""
        with self._lock:
            return sorted(pod for pod, (of, ready) in self._pods.items() if of == name and ready)

    def now(self, kind, name):
        with self._lock:
            series = self._values[kind, name]
            return series[-1][1] if series else 0

    def lowest(self, kind, name, since):
        """The least that it was from `since` (of time.monotonic) to now."""
        return min(self._within(kind, name, since))

    def highest(self, kind, name, since):
        return max(self._within(kind, name, since))

    def _within(self, kind, name, since):
        with self._lock:
            series = self._values[kind, name]
            before = [value for at, value in series if at <= since]
            return before[-1:] + [value for at, value in series if at > since] or [0]

    def steps(self, kind, name, since):
        """(seconds since, value) of each change."""
        with self._lock:
            return [(at - since, value) for at, value in self._values[kind, name] if at > since]

    def close(self):
        for watch in self._watches:
            watch.terminate()
            watch.wait()
