"""What the fake service answers of optimised prompts: scores made of hashes, and no checks."""

from __future__ import annotations

import hashlib
import math
from typing import Any

PROMPTS_PATH = "/v1/prompts/score"
PRINCIPLES = ("harmless", "accurate", "helpful")

Json = dict[str, Any]


def prompt_value(query: str, prompt: str, principle: str) -> float:
    """Return the score that the fake service gives, strictly between 0 and 1."""
    digest = hashlib.sha256("\0".join((query, prompt, principle)).encode()).digest()
    return (int.from_bytes(digest[:6], "big") + 1) / (2**48 + 1)


def answer_prompts(request: Json) -> Json:
    """Answer a call of `/v1/prompts/score`."""
    names = request.get("principles") or PRINCIPLES
    results = [
        {
            "index": index,
            "scores": {
                name: _score(prompt_value(item["query"], item["optimised_prompt"], name))
                for name in names
            },
            "checks": {},
            "passes_checks": True,
        }
        for index, item in enumerate(request["items"])
    ]
    judge = {
        "id": "fake",
        "kind": "endpoint",
        "model": "fake-judge",
        "questions": "fake",
        "checks": "fake",
        "fingerprint": None,
    }
    return {"request_id": "fake", "judge": judge, "results": results}


def _score(p: float) -> Json:
    return {
        "raw": math.log(p) - math.log1p(-p),
        "value": p,
        "read_from": "yes_no",
        "probabilities": {"Yes": p, "No": 1 - p},
        "answer_mass": 1.0,
        "reason": None,
    }
