"""A writer behind any OpenAI-compatible endpoint.

Configured by `ESPALIER_LLM_URL` (such as http://127.0.0.1:8000/v1), `ESPALIER_LLM_MODEL`, optionally
`ESPALIER_LLM_KEY` and `ESPALIER_LLM_API` (`chat`, the default, or `completions`, for models that were not tuned to
follow instructions: they are shown examples).
"""

import json
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """Where the endpoint is and what to ask it for."""

    url: str
    model: str
    key: str = ""
    api: str = "chat"
    timeout: float = 30.0

    def __post_init__(self):
        if self.api not in ("chat", "completions"):
            raise ValueError(f"ESPALIER_LLM_API: {self.api} (expected: chat or completions)")

    def write(self, instruction: str, examples: list[tuple[str, str]], text: str, most: int = 64, attempt: int = 0) -> list[str]:
        """The lines that the model writes; [] when the endpoint fails three times."""
        shots = "".join(f"Query: {query}\nRewrite: {answer}\n\n" for query, answer in examples)
        body: dict = {"model": self.model, "max_tokens": most, "temperature": 0.2 + 0.2 * attempt, "seed": attempt}
        if self.api == "chat":
            path = "/chat/completions"
            body["messages"] = [
                {"role": "system", "content": instruction},
                {"role": "user", "content": f"{shots}Query: {text}\nRewrite:"},
            ]
        else:
            path = "/completions"
            body |= {"prompt": f"{instruction}\n\n{shots}Query: {text}\nRewrite:", "stop": ["\nQuery", "\n\n"]}
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.url.rstrip("/") + path, json.dumps(body).encode(), headers)
        for pause in (0.5, 2.0, None):
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                    choice = json.load(answer)["choices"][0]
                content = choice["message"]["content"] if self.api == "chat" else choice["text"]
                return [line.strip(" \t\"'-*") for line in content.strip().splitlines() if line.strip(" \t\"'-*")]
            except (urllib.error.URLError, TimeoutError, KeyError, ValueError):
                if pause is None:
                    return []
                time.sleep(pause)
        return []


def configured() -> Endpoint | None:
    """The endpoint that the environment names, if it does."""
    url = os.environ.get("ESPALIER_LLM_URL")
    if not url:
        return None
    model = os.environ.get("ESPALIER_LLM_MODEL", "")
    return Endpoint(url, model, os.environ.get("ESPALIER_LLM_KEY", ""), os.environ.get("ESPALIER_LLM_API", "chat"))


_REWRITE = (
    "You rewrite queries of a shop's search into other words that its catalogue uses, without changing what is "
    "asked for. Write one rewrite on a line, at most three lines, nothing else."
)
_REWRITE_EXAMPLES = [("rain coat for kids", "children waterproof jacket"), ("couch", "sofa")]


def rewriter(endpoint: Endpoint):
    """Query to rewrites."""
    return lambda query: endpoint.write(_REWRITE, _REWRITE_EXAMPLES, query)[:3]
