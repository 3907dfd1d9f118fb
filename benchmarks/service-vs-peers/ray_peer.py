"""Ray Serve, over gRPC: it serves the retrieval servers' own contract. `serve.batch` as its documentation has it."""

import os
import signal
import sys

import ray
from ray import serve
from ray.serve.config import gRPCOptions


@serve.deployment(num_replicas=1, max_ongoing_requests=1000, ray_actor_options={"num_cpus": 1})
class Peer:
    def __init__(self):
        sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
        from espalier.retrieval.v1 import retrieval_pb2
        from recommender import Recommender

        self.messages, self.recommender = retrieval_pb2, Recommender()

    @serve.batch(max_batch_size=int(os.environ["BATCH"]), batch_wait_timeout_s=float(os.environ["WAIT_MS"]) / 1e3)
    async def answer(self, questions):
        return self.recommender([list(q.history) for q in questions], [q.k for q in questions])

    async def Retrieve(self, request):
        items, scores = await self.answer(request)
        candidate = self.messages.Candidate
        return self.messages.RetrieveResponse(
            candidates=[candidate(item_id=item, score=score) for item, score in zip(items, scores)]
        )


if __name__ == "__main__":
    ray.init(
        address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20,
        _temp_dir=os.environ["RAY_FOLDER"], _node_ip_address="127.0.0.1",
    )
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": "127.0.0.1", "port": int(os.environ["HTTP_PORT"])},
        grpc_options=gRPCOptions(
            port=int(os.environ["PROXY_PORT"]),
            grpc_servicer_functions=["espalier.retrieval.v1.retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server"],
        ),
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )
    serve.run(Peer.bind(), name="peer", route_prefix=None)
    print("ready", flush=True)
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    serve.shutdown()
    ray.shutdown()
