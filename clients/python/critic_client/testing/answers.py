"""What the fake service answers: scores made of hashes, in the schema of the real one.

The value of a criterion is the SHA-256 of the clip, the criterion and, for `text_alignment`, the
prompt, read as a fraction. Equal clips have equal scores wherever and whenever they are judged, and
the numbers mean nothing beyond that.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from critic_client._errors import ProtocolError
from critic_client._multipart import read_parts, split_request
from critic_client._parts import Part
from critic_client.labels.advantages import standardised

from .prompts import PROMPTS_PATH, answer_prompts

CRITIC = "fake-critic"
CRITERIA = ("visual_quality", "temporal_quality", "text_alignment")
DIMENSION = "fake_dimension"
# A preference closer than this is a tie.
TIE_WITHIN = 0.01

Json = dict[str, Any]


class Refused(Exception):
    """The call is answered with an error.

    Attributes:
        status: of the HTTP answer.
        body: its JSON.
    """

    def __init__(self, status: int, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {
            "code": code,
            "message": message,
            "retryable": retryable,
            "request_id": "fake",
            "details": {},
        }


def clip_hash(content: bytes) -> str:
    """Return the identity of a clip for the fake service: the SHA-256 of its bytes as sent."""
    return hashlib.sha256(content).hexdigest()


def value_of(clip: bytes, criterion: str, prompt: str | None = None) -> float:
    """Return the score that the fake service gives, strictly between 0 and 1."""
    asked = prompt if criterion == "text_alignment" else None
    digest = hashlib.sha256("\0".join((clip_hash(clip), criterion, asked or "")).encode()).digest()
    return (int.from_bytes(digest[:6], "big") + 1) / (2**48 + 1)


def answer_call(
    path: str, content_type: str, body: bytes, fingerprint_id: str, unreadable: Collection[str]
) -> Json:
    """Answer one call of the service.

    Args:
        path: of the call.
        content_type: of the body.
        body: as the client sent it.
        fingerprint_id: to answer with.
        unreadable: hashes of clips that are to count as unreadable.

    Raises:
        Refused: if the call is answered with an error.
    """
    if path == PROMPTS_PATH:
        return answer_prompts(read_request(content_type, body)[0])
    calls: dict[str, Callable[[Json, Mapping[str, Part], Collection[str]], Json]] = {
        "/v1/score": _score,
        "/v1/compare": _compare,
        "/v1/rank": _rank,
        "/v1/dimensions": _dimensions,
    }
    if path not in calls:
        raise Refused(404, "not_found", f"there is no {path}")
    request, clips = read_request(content_type, body)
    reply = calls[path](request, clips, unreadable)
    if all(result["reason"] for result in reply["results"]):
        reason = reply["results"][0]["reason"]
        raise Refused(422, reason["code"], reason["message"])
    if path != "/v1/dimensions":
        reply |= {"critic": CRITIC, "fingerprint": fingerprint(fingerprint_id)}
    return reply | {"request_id": "fake"}


def read_request(content_type: str, body: bytes) -> tuple[Json, Mapping[str, Part]]:
    """Part a body into its request and its clips."""
    try:
        return split_request(read_parts(content_type, body))
    except ProtocolError as error:
        raise Refused(400, "malformed_request", error.message) from error


def fingerprint(fingerprint_id: str) -> Json:
    """Return a fingerprint whose revision is its identifier."""
    names = ("template", "sampling", "positions", "calibration", "dtype", "device", "attention")
    known = {"id": fingerprint_id, "critic": CRITIC, "revision": fingerprint_id, "versions": {}}
    return known | dict.fromkeys(names, "fake")


def info(fingerprint_id: str) -> Json:
    """Return the answer of `/v1/info`."""
    criteria = [
        {
            "name": name,
            "question": f"What is the hash of {name}?",
            "read_from": "yes_no",
            "needs_prompt": name == "text_alignment",
            "default": True,
        }
        for name in CRITERIA
    ]
    critic = {
        "name": CRITIC,
        "revision": fingerprint_id,
        "description": "hashes of clips",
        "limits": "judges nothing",
        "criteria": criteria,
        "pairwise_method": "scores",
        "reward_weights": dict.fromkeys(CRITERIA, 1.0),
        "fingerprint": fingerprint(fingerprint_id),
    }
    dimension = {
        "name": DIMENSION,
        "description": "a hash of the clip",
        "higher_is_better": None,
        "available": True,
    }
    return {
        "service": "fake-critic-service",
        "version": "0",
        "default_critic": CRITIC,
        "critics": [critic],
        "dimensions": [dimension],
        "limits": {},
        "versions": {},
    }


def _score(request: Json, clips: Mapping[str, Part], unreadable: Collection[str]) -> Json:
    weights = _weights(request)
    items = [(item["clip"], item.get("prompt")) for item in request["items"]]
    return _scored(items, _criteria(request, weights), weights, clips, unreadable)


def _rank(request: Json, clips: Mapping[str, Part], unreadable: Collection[str]) -> Json:
    weights = _weights(request)
    items = [(clip, request.get("prompt")) for clip in request["clips"]]
    reply = _scored(items, _criteria(request, weights), weights, clips, unreadable)
    rewards = [result["reward"] for result in reply["results"]]
    judged = [reward for reward in rewards if reward is not None]
    for result, advantage in zip(reply["results"], standardised(rewards), strict=True):
        reward = result["reward"]
        result["advantage"] = advantage
        result["rank"] = None if reward is None else 1 + sum(other > reward for other in judged)
    mean = math.fsum(judged) / len(judged) if judged else None
    spread = [(reward - mean) ** 2 for reward in judged] if mean is not None else []
    return reply | {
        "best": rewards.index(max(judged)) if judged else None,
        "worst": rewards.index(min(judged)) if judged else None,
        "reward_mean": mean,
        "reward_std": math.sqrt(math.fsum(spread) / len(spread)) if spread else None,
    }


def _compare(request: Json, clips: Mapping[str, Part], unreadable: Collection[str]) -> Json:
    criteria = _criteria(request, {})
    results: list[Json] = []
    for index, pair in enumerate(request["pairs"]):
        a, b = (_content(pair[side], clips) for side in ("a", "b"))
        reason = _reason(a, unreadable) or _reason(b, unreadable)
        prompt = pair.get("prompt")
        preferences = {} if reason else {name: _prefer(a, b, name, prompt) for name in criteria}
        margins = [each["p_win"] - each["p_lose"] for each in preferences.values()]
        results.append(
            {
                "index": index,
                "clip_id_a": None if reason else clip_hash(a),
                "clip_id_b": None if reason else clip_hash(b),
                "preferences": preferences,
                "preferred": None if reason else _side(math.fsum(margins) / len(margins)),
                "reason": reason,
            }
        )
    return {"results": results}


def _dimensions(request: Json, clips: Mapping[str, Part], unreadable: Collection[str]) -> Json:
    results: list[Json] = []
    for index, reference in enumerate(request["clips"]):
        content = _content(reference, clips)
        reason = _reason(content, unreadable)
        measured = {
            name: {
                "raw": value_of(content, name),
                "value": None,
                "per_frame": None,
                "num_frames": 1,
            }
            for name in _known(request.get("dimensions") or [DIMENSION], (DIMENSION,))
        }
        results.append(
            {
                "index": index,
                "clip_id": None if reason else clip_hash(content),
                "dimensions": {} if reason else measured,
                "reason": reason,
            }
        )
    return {"results": results, "versions": {}}


def _scored(
    items: Sequence[tuple[Json, str | None]],
    criteria: Sequence[str],
    weights: Mapping[str, float],
    clips: Mapping[str, Part],
    unreadable: Collection[str],
) -> Json:
    results: list[Json] = []
    for index, (reference, prompt) in enumerate(items):
        content = _content(reference, clips)
        reason = _reason(content, unreadable)
        values = {} if reason else {name: value_of(content, name, prompt) for name in criteria}
        total = math.fsum(weights[name] * values[name] for name in weights) if values else None
        results.append(
            {
                "index": index,
                "clip_id": None if reason else clip_hash(content),
                "scores": {name: _score_json(value) for name, value in values.items()},
                "reward": None if total is None else total / math.fsum(weights.values()),
                "reason": reason,
            }
        )
    return {"results": results, "reward_weights": dict(weights)}


def _score_json(value: float) -> Json:
    return {
        "raw": math.log(value / (1 - value)),
        "value": value,
        "read_from": "yes_no",
        "probabilities": {"yes": value, "no": 1 - value},
        "answer_mass": 1.0,
        "p_yes": value,
        "accepted": value > 0.5,
    }


def _prefer(a: bytes, b: bytes, criterion: str, prompt: str | None) -> Json:
    p_win = 0.5 + (value_of(a, criterion, prompt) - value_of(b, criterion, prompt)) / 2
    return {
        "p_win": p_win,
        "p_tie": 0.0,
        "p_lose": 1 - p_win,
        "preferred": _side(2 * p_win - 1),
        "order_consistency": 1.0,
        "read_from": "scores",
        "answer_mass": 1.0,
    }


def _side(margin: float) -> str:
    if abs(margin) < TIE_WITHIN:
        return "tie"
    return "a" if margin > 0 else "b"


def _reason(content: bytes, unreadable: Collection[str]) -> Json | None:
    if clip_hash(content) not in unreadable:
        return None
    return {"code": "clip_unreadable", "message": "it was said to be unreadable", "details": {}}


def _content(reference: Json, clips: Mapping[str, Part]) -> bytes:
    name = str(reference.get("part"))
    if name not in clips:
        raise Refused(422, "invalid_request", f"there is no part {name!r}")
    return clips[name].content


def _weights(request: Json) -> dict[str, float]:
    asked = request.get("reward") or {"weights": dict.fromkeys(CRITERIA, 1.0)}
    _known(asked["weights"], CRITERIA)
    return dict(asked["weights"])


def _criteria(request: Json, weights: Mapping[str, float]) -> list[str]:
    """Judge what a request names; all where it names nothing."""
    chosen = request.get("criteria") or ([] if "reward" in request else CRITERIA)
    return _known([*chosen, *weights], CRITERIA)


def _known(names: Collection[str], known: Sequence[str]) -> list[str]:
    unknown = [name for name in names if name not in known]
    if unknown:
        allowed = ", ".join(known)
        raise Refused(422, "unknown_name", f"no {', '.join(unknown)} here; there is {allowed}")
    return list(dict.fromkeys(names))
