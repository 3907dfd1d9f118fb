"""Asks a server each case of the table, in order, and says where its answer is another.

    cases.py TARGET TABLE [--update]

--update writes the server's answers into the table instead: run it against a real Triton alone.
"""

import argparse
import json
import pathlib
import sys

import grpc
from google.protobuf import json_format
from tritonclient.grpc import service_pb2, service_pb2_grpc


def ask(stub, case):
    """The code, the message and the response of one case's call."""
    method = case["method"]
    request = json_format.ParseDict(case.get("request", {}), getattr(service_pb2, method + "Request")())
    try:
        response = getattr(stub, method)(request, timeout=10)
    except grpc.RpcError as error:
        return {"code": error.code().name, "message": error.details()}
    return {"code": "OK", "response": json_format.MessageToDict(response)}


def expected(case):
    return {key: case[key] for key in ("code", "message", "starts", "response") if key in case}


def fits(case, answer):
    if case["code"] != answer["code"]:
        return False
    if "starts" in case:
        return answer["message"].startswith(case["starts"])
    if "message" in case:
        return case["message"] == answer["message"]
    return "response" not in case or case["response"] == answer["response"]


def updated(case, answer):
    """What a table keeps of an answer: the words of a refusal; of a success what does not name the backend or time."""
    kept = {key: case[key] for key in ("case", "method", "request") if key in case}
    kept["code"] = answer["code"]
    if answer["code"] != "OK":
        starts = case.get("starts")
        if starts and answer["message"].startswith(starts):
            return kept | {"starts": starts}
        return kept | {"message": answer["message"]}
    if case["method"] in ("ModelInfer", "ModelReady", "ServerLive", "ServerReady"):
        kept["response"] = answer["response"]
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()
    cases = [json.loads(line) for line in args.table.read_text().splitlines()]
    stub = service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(args.target))
    answers = [ask(stub, case) for case in cases]
    if args.update:
        lines = [json.dumps(updated(case, answer), ensure_ascii=False) for case, answer in zip(cases, answers)]
        args.table.write_text("\n".join(lines) + "\n")
        return 0
    others = [(case, answer) for case, answer in zip(cases, answers) if not fits(case, answer)]
    for case, answer in others:
        print(f"{case['case']}: {json.dumps(answer)} (expected: {json.dumps(expected(case))})")
    print(f"{len(cases)} cases, {len(others)} answered otherwise")
    return 1 if others else 0


if __name__ == "__main__":
    sys.exit(main())
