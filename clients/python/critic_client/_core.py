"""The calls without the sending: build a request, read an answer. Both clients are thin over it."""

from __future__ import annotations

import dataclasses
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from ._decode import decode, parse_json
from ._errors import APIError, ProtocolError, ServerError, class_of
from ._models import (
    CompareReply,
    DimensionsReply,
    Info,
    RankReply,
    Reply,
    ScoreReply,
    StoredClip,
)
from ._parts import ClipParts, ClipSource, Part, as_clip_list, read_clip
from ._retry import parse_retry_after

R = TypeVar("R", bound=Reply)

Prompts = str | Sequence[str | None] | None
Auxiliaries = Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None
PairwiseMethod = Literal["auto", "both_orders", "scores"]

_BODY_EXCERPT_CHARACTERS = 500
_DURATION = re.compile(r"\s*([\w.-]+)\s*;\s*dur=(\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, free of the library that received it. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class Request:
    """What to send: parts of a form, or one body as it is, or neither."""

    method: str
    path: str
    parts: tuple[Part, ...] = field(default=(), repr=False)
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Call(Request, Generic[R]):
    """A request, and the class of what comes back, with how many results if it has results."""

    reply: type[R]
    num_results: int | None = None

    def read(self, answer: Answer) -> R:
        """Turn the answer into the reply.

        Raises:
            APIError: of the class of its status, where the service answered with an error.
            ProtocolError: if it is not the service's schema.
        """
        if not 200 <= answer.status < 300:
            raise read_error(answer)
        body = parse_json(answer.content)
        reply = decode(self.reply, body)
        if self.num_results is not None:
            _check_results(body["results"], self.num_results)
        timings_ms = _read_timings(answer.headers.get("server-timing", ""))
        return dataclasses.replace(reply, body=body, timings_ms=timings_ms)


def score_call(
    clips: ClipSource | Sequence[ClipSource],
    prompts: Prompts,
    criteria: Sequence[str] | None,
    reward: Mapping[str, float] | None,
    critic: str | None,
    dimensions: Sequence[str] | None = None,
) -> Call[ScoreReply]:
    """Build a call of `/v1/score`."""
    listed, parts = as_clip_list(clips), ClipParts()
    items = [
        {"clip": parts.reference(clip), "prompt": prompt}
        for clip, prompt in zip(listed, _spread(prompts, len(listed)), strict=True)
    ]
    request = {"items": items, "dimensions": _names("dimensions", dimensions)}
    return _post("score", ScoreReply, parts, request, len(items), critic, criteria, reward)


def compare_call(
    pairs: Sequence[tuple[ClipSource, ClipSource]],
    prompts: Prompts,
    criteria: Sequence[str] | None,
    critic: str | None,
    method: PairwiseMethod | None,
) -> Call[CompareReply]:
    """Build a call of `/v1/compare`."""
    if not pairs:
        raise ValueError("there is no pair to compare: the list is empty")
    parts = ClipParts()
    items = [
        {"a": parts.reference(a), "b": parts.reference(b), "prompt": prompt}
        for (a, b), prompt in zip(pairs, _spread(prompts, len(pairs)), strict=True)
    ]
    request = {"pairs": items, "method": method}
    return _post("compare", CompareReply, parts, request, len(items), critic, criteria)


def rank_call(
    clips: Sequence[ClipSource],
    prompt: str | None,
    criteria: Sequence[str] | None,
    reward: Mapping[str, float] | None,
    critic: str | None,
    dimensions: Sequence[str] | None = None,
) -> Call[RankReply]:
    """Build a call of `/v1/rank`."""
    parts = ClipParts()
    references = [parts.reference(clip) for clip in as_clip_list(clips)]
    request = {
        "clips": references,
        "prompt": prompt,
        "dimensions": _names("dimensions", dimensions),
    }
    return _post("rank", RankReply, parts, request, len(references), critic, criteria, reward)


def dimensions_call(
    clips: ClipSource | Sequence[ClipSource],
    names: Sequence[str] | None,
    prompts: Prompts = None,
    auxiliary: Auxiliaries = None,
) -> Call[DimensionsReply]:
    """Build a call of `/v1/dimensions`."""
    parts = ClipParts()
    references = [parts.reference(clip) for clip in as_clip_list(clips)]
    request: dict[str, Any] = {"dimensions": _names("names", names)}
    if prompts is None and auxiliary is None:
        request["clips"] = references
    else:
        told = (_spread(each, len(references)) for each in (prompts, auxiliary))
        request["items"] = [
            {"clip": clip, "prompt": prompt, "auxiliary": facts and dict(facts)}
            for clip, prompt, facts in zip(references, *told, strict=True)
        ]
    return _post("dimensions", DimensionsReply, parts, request, len(references))


def upload_call(clip: ClipSource) -> Call[StoredClip]:
    """Build a call of `/v1/clips`."""
    _, content = read_clip(clip)
    return Call("PUT", "/v1/clips", content=content, reply=StoredClip)


INFO_CALL = Call("GET", "/v1/info", reply=Info)
READY_REQUEST = Request("GET", "/readyz")


def new_request_id() -> str:
    """Make the id that the service logs, the same one for all attempts of a call."""
    return uuid.uuid4().hex


def read_readiness(answer: Answer) -> bool:
    """Tell whether the service takes calls now.

    Raises:
        APIError: if the answer is neither yes nor a server's not now.
    """
    if 200 <= answer.status < 300:
        return True
    error = read_error(answer)
    if isinstance(error, ServerError):
        return False
    raise error


def read_error(answer: Answer) -> APIError:
    """Turn an error answer into the exception of its class.

    Whatever the answer holds: a proxy's page gets a code made of its status.
    """
    try:
        body: Any = parse_json(answer.content)
    except ProtocolError:
        body = answer.content[:_BODY_EXCERPT_CHARACTERS].decode("utf-8", errors="replace")
    envelope = body if isinstance(body, dict) else {}
    code = _text(envelope.get("code")) or f"http_{answer.status}"
    retryable = envelope.get("retryable")
    details = envelope.get("details")
    return class_of(answer.status, code)(
        _text(envelope.get("message")) or f"the service answered {answer.status} without a reason",
        status=answer.status,
        code=code,
        retryable=retryable if isinstance(retryable, bool) else answer.status in (429, 502, 503),
        request_id=_text(envelope.get("request_id")) or answer.headers.get("x-request-id"),
        details=details if isinstance(details, dict) else {},
        retry_after_s=parse_retry_after(answer.headers.get("retry-after")),
        body=body,
    )


def _post(
    name: str,
    reply: type[R],
    clips: ClipParts,
    request: dict[str, Any],
    num_results: int,
    critic: str | None = None,
    criteria: Sequence[str] | None = None,
    reward: Mapping[str, float] | None = None,
) -> Call[R]:
    request["critic"] = critic
    request["criteria"] = _names("criteria", criteria)
    request["reward"] = None if reward is None else {"weights": dict(reward)}
    # What was not asked for is left out, so that the service's own defaults hold.
    asked = {key: value for key, value in request.items() if value is not None}
    content = json.dumps(asked, allow_nan=False).encode()
    head = Part("request", content, "application/json")
    sent = (head, *clips.parts())
    return Call("POST", f"/v1/{name}", sent, reply=reply, num_results=num_results)


def _names(argument: str, names: Sequence[str] | None) -> list[str] | None:
    if isinstance(names, str):
        raise TypeError(f"{argument} must be a list of names, not the text {names!r}")
    return None if names is None else list(names)


def _spread(given: Prompts | Auxiliaries, num_items: int) -> list[Any]:
    if given is None or isinstance(given, str | Mapping):
        return [given] * num_items
    if len(given) != num_items:
        raise ValueError(
            f"{len(given)} prompts for {num_items} clips or pairs: give one prompt for all, or "
            "one for each"
        )
    return list(given)


def _read_timings(header: str) -> dict[str, float]:
    found = (_DURATION.fullmatch(entry) for entry in header.split(","))
    return {match[1]: float(match[2]) for match in found if match}


def _check_results(results: list[dict[str, Any]], num_results: int) -> None:
    """Refuse results that cannot be laid beside what was sent: a reward would change its clip."""
    indices = [result["index"] for result in results]
    if indices != list(range(num_results)):
        raise ProtocolError(f"{num_results} results in order were expected, not {indices!r:.80}")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
