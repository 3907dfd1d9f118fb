"""Where an autoscaler's metric comes from: a real Prometheus and its real adapter, over what made-up pods would tell."""

import http.server
import pathlib
import subprocess
import threading

from cluster import until

NAMESPACE = "monitoring"


class Load:
    """Calls in progress of each server, spread evenly over its pods that are ready: /metrics of all of them at one port."""

    METHODS = {"router": "espalier.router.v1.RouterService/Search", "rewrite": "espalier.rewrite.v1.RewriteService/Rewrite",
               "retrieval": "espalier.retrieval.v1.RetrievalService/Retrieve",
               "ranking": "espalier.ranking.v1.RankingService/Rank"}
    # What lasts, and must not count: each replica has three health watches and follows the catalogue.
    LASTING = {"grpc.health.v1.Health/Watch": 3, "espalier.catalog.v1.CatalogService/Follow": 1}

    def __init__(self, history, namespace):
        self.calls = dict.fromkeys(self.METHODS, 0)
        self.history = history
        self.namespace = namespace
        load = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = load.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def text(self):
        lines = ["# TYPE espalier_server_calls_in_progress gauge"]
        for name, method in self.METHODS.items():
            pods = self.history.pods(name)
            for pod in pods:
                for rpc, calls in {method: self.calls[name] / len(pods), **self.LASTING}.items():
                    lines.append(
                        f'espalier_server_calls_in_progress{{namespace="{self.namespace}",job="espalier-{name}",'
                        f'pod="{pod}",rpc_method="{rpc}"}} {calls}')
        return "\n".join(lines) + "\n"

    def close(self):
        self.server.shutdown()


class Pipeline:
    """Prometheus scrapes a load; the adapter, with the component's own rules, tells Kubernetes of it."""

    def __init__(self, cluster, load, prometheus, rules, work, ports):
        self.processes = []
        self.cluster = cluster
        work = pathlib.Path(work)
        config = work / "prometheus.yaml"
        config.write_text(f"""global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: pods
    honor_labels: true
    static_configs: [{{targets: ["127.0.0.1:{load.port}"]}}]
""")
        self._start(work / "prometheus.log", prometheus, f"--config.file={config}",
                    f"--web.listen-address=127.0.0.1:{ports[0]}", f"--storage.tsdb.path={work / 'prometheus'}")
        kubeconfig = cluster.kubeconfig
        self._start(work / "adapter.log", cluster.binaries / "prometheus-adapter",
                    f"--prometheus-url=http://127.0.0.1:{ports[0]}", f"--config={rules}", "--metrics-relist-interval=5s",
                    "--metrics-max-age=1m", "--bind-address=127.0.0.1", f"--secure-port={ports[1]}", f"--cert-dir={work}",
                    *(f"--{user}-kubeconfig={kubeconfig}" for user in ("lister", "authentication", "authorization")))
        cluster.apply([
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "adapter", "namespace": NAMESPACE},
             "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": ports[1]}]}},
            {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
             "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
             "spec": {"group": "external.metrics.k8s.io", "version": "v1beta1", "insecureSkipTLSVerify": True,
                      "groupPriorityMinimum": 100, "versionPriority": 100,
                      "service": {"name": "adapter", "namespace": NAMESPACE, "port": ports[1]}}},
        ])

    def _start(self, log, *command):
        with open(log, "w") as out:
            self.processes.append(subprocess.Popen(list(map(str, command)), stdout=out, stderr=out))

    def ready(self, namespace):
        """Waits until the autoscalers' question has an answer."""
        path = (f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/espalier_server_calls_in_progress"
                "?labelSelector=job%3Despalier-retrieval")
        until(lambda: '"value":' in self.cluster.kubectl("get", "--raw", path, check=False).stdout, 120, path)

    def close(self):
        # A namespace cannot be deleted while an API that is asked for its objects does not answer.
        self.cluster.kubectl("delete", "apiservice", "v1beta1.external.metrics.k8s.io", check=False)
        for process in self.processes:
            process.terminate()
            process.wait()
