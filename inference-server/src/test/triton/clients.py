"""Triton's own Python client against a server of the table's models: clients.py TARGET. Fails on a wrong answer."""

import queue
import sys

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

X = np.array([[1, 2]], np.float32)


def tensor(name, value, datatype):
    one = triton.InferInput(name, value.shape, datatype)
    one.set_data_from_numpy(value)
    return one


def refused(call, code, words):
    try:
        call()
    except InferenceServerException as error:
        assert code in str(error.status()) and words in error.message(), error
    else:
        raise AssertionError(f"not refused (expected: {code})")


def health_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("affine") and client.is_model_ready("affine", "1")
    assert not client.is_model_ready("affine", "2") and not client.is_model_ready("nobody")
    assert "statistics" in client.get_server_metadata().extensions
    metadata = client.get_model_metadata("affine")
    assert list(metadata.inputs[0].shape) == [-1, -1] and metadata.inputs[0].datatype == "FP32"
    assert client.get_model_config("affine", as_json=True)["config"]["max_batch_size"] == 8
    assert {model.name for model in client.get_model_repository_index().models} >= {"affine", "lookup", "text"}


def inference(client):
    x = tensor("x", X, "FP32")
    answer = client.infer("affine", [x], request_id="r1", priority=1, timeout=10_000_000, client_timeout=10)
    np.testing.assert_array_equal(answer.as_numpy("y"), 2 * X + 1)
    assert answer.get_response().id == "r1" and answer.get_response().model_version == "1"

    ids = tensor("ids", np.array([[1, 7]], np.int64), "INT64")
    subset = client.infer("lookup", [ids], outputs=[triton.InferRequestedOutput("next")])
    np.testing.assert_array_equal(subset.as_numpy("next"), [[2, 8]])
    assert subset.as_numpy("vectors") is None

    texts = np.array([["search", "größe €", ""]], object)
    echo = client.infer("text", [tensor("text", texts, "BYTES")]).as_numpy("echo")
    assert [one.decode() for one in echo[0]] == list(texts[0])

    zeros = client.infer("affine", [tensor("x", np.zeros((8, 1000), np.float32), "FP32")])
    np.testing.assert_array_equal(zeros.as_numpy("y"), np.ones((8, 1000), np.float32))

    refused(lambda: client.infer("nobody", [x]), "NOT_FOUND", "Request for unknown model: 'nobody' is not found")
    refused(lambda: client.infer("affine", [x], model_version="2"), "NOT_FOUND", "version 2 is not found")
    refused(lambda: client.infer("affine", [tensor("x", X.astype(np.int32), "INT32")]), "INVALID_ARGUMENT", "data-type")


def asynchronous(client):
    answers = queue.Queue()
    for i in range(100):
        x = tensor("x", np.full((1, 1 + i % 3), i, np.float32), "FP32")
        client.async_infer("levels", [x], lambda result, error, i=i: answers.put((i, result, error)))
    for _ in range(100):
        i, result, error = answers.get(timeout=10)
        assert error is None and result.as_numpy("y")[0, 0] == 2 * i + 1, (i, error)


def streaming(client):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(100):
        model = "nobody" if i == 50 else "levels"
        client.async_stream_infer(model, [tensor("x", np.full((1, 1), i, np.float32), "FP32")], request_id=str(i))
    for i in range(100):
        result, error = answers.get(timeout=10)
        if i == 50:
            assert "is not found" in error.message(), error
        else:
            assert error is None and result.get_response().id == str(i) and result.as_numpy("y")[0, 0] == 2 * i + 1
    client.stop_stream()


def control(client):
    statistics = client.get_inference_statistics("levels", as_json=True)["model_stats"][0]
    assert int(statistics["inference_count"]) == 199, statistics
    client.unload_model("levels")
    assert not client.is_model_ready("levels")
    client.load_model("levels")
    assert client.is_model_ready("levels")
    refused(lambda: client.load_model("broken"), "INVALID_ARGUMENT", "load failed for model 'broken'")
    assert not client.get_system_shared_memory_status().regions


def main():
    client = triton.InferenceServerClient(sys.argv[1])
    for check in (health_and_metadata, inference, asynchronous, streaming, control):
        check(client)
        print(f"{check.__name__}: as expected")


if __name__ == "__main__":
    main()
