"""LitServe, over HTTP. Batches as its documentation has it: `max_batch_size` and `batch_timeout`; ZeroMQ between its processes."""

import os

import litserve
from recommender import Recommender


class Api(litserve.LitAPI):
    def setup(self, device):
        self.recommender = Recommender()

    def decode_request(self, request):
        return request["history"], request["k"]

    def batch(self, inputs):
        return list(inputs)

    def predict(self, inputs):
        batched = isinstance(inputs, list)
        histories, ks = zip(*(inputs if batched else [inputs]))
        answers = self.recommender(list(histories), list(ks))
        return answers if batched else answers[0]

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        items, scores = output
        return {"items": items, "scores": scores}


if __name__ == "__main__":
    api = Api(max_batch_size=int(os.environ["BATCH"]), batch_timeout=float(os.environ["WAIT_MS"]) / 1e3, api_path="/recommend")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=60, fast_queue=True)
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), num_api_servers=1, generate_client_file=False, log_level="warning", access_log=False)
