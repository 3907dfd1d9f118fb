"""BentoML, over HTTP. A batchable API, whose batcher finds the time to wait by itself; `max_latency_ms` bounds it."""

import os

import bentoml
from pydantic import BaseModel
from recommender import Recommender


class Question(BaseModel):
    history: list[str]
    k: int


class Answer(BaseModel):
    items: list[str]
    scores: list[float]


@bentoml.service(workers=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Peer:
    def __init__(self):
        self.recommender = Recommender()

    @bentoml.api(batchable=True, max_batch_size=int(os.environ["BATCH"]), max_latency_ms=int(os.environ["LATENCY_MS"]))
    def recommend(self, questions: list[Question]) -> list[Answer]:
        answers = self.recommender([q.history for q in questions], [q.k for q in questions])
        return [Answer.model_construct(items=items, scores=scores) for items, scores in answers]
