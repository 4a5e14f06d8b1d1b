"""A service that is a function: it records what the client sent and answers by the schema."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

import httpx
import pytest
from critic_client import AsyncCriticClient, CriticClient

from critic_service import schemas

FINGERPRINT = schemas.Fingerprint(
    id="f00d",
    critic="critic-nano",
    revision="r1",
    template="t",
    sampling="uniform-8",
    positions="p",
    calibration="c",
    dtype="float32",
    device="cpu",
    attention="reference",
    versions={"torch": "2.13"},
)
REASON = schemas.Reason(code="clip_unreadable", message="not a video", details={"bytes": 3})


@dataclass(frozen=True)
class Received:
    """One request as the service sees it."""

    method: str
    path: str
    headers: dict[str, str]
    parts: dict[str, tuple[str, bytes]]

    @property
    def request(self) -> dict[str, Any]:
        media_type, content = self.parts["request"]
        assert media_type == "application/json"
        return json.loads(content)

    @property
    def clips(self) -> dict[str, tuple[str, bytes]]:
        return {name: part for name, part in self.parts.items() if name != "request"}


@dataclass
class FakeService:
    """Answers every call well, unless `answers` holds something else for the next ones."""

    received: list[Received] = field(default_factory=list)
    answers: list[httpx.Response | Exception] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        received = _receive(request)
        self.received.append(received)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        if received.path == "/readyz":
            return httpx.Response(200)
        reply = _REPLIES[received.path](received)
        return httpx.Response(
            200,
            content=reply.model_dump_json(),
            headers={"Server-Timing": "queue;dur=1.5, decode;dur=20, engine;dur=300.25"},
        )

    @property
    def last(self) -> Received:
        return self.received[-1]


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, service: FakeService) -> Callable[..., Any]:
    """Call a method of either client by its name, with settings of the client in `client`."""

    def call_sync(name: str, /, *args: Any, client: dict[str, Any] | None = None, **kwargs: Any):
        with CriticClient(transport=httpx.MockTransport(service), **(client or {})) as connected:
            return getattr(connected, name)(*args, **kwargs)

    def call_async(name: str, /, *args: Any, client: dict[str, Any] | None = None, **kwargs: Any):
        async def run() -> Any:
            transport = httpx.MockTransport(service)
            async with AsyncCriticClient(transport=transport, **(client or {})) as connected:
                return await getattr(connected, name)(*args, **kwargs)

        return asyncio.run(run())

    return call_sync if request.param == "sync" else call_async


@pytest.fixture
def error_answer() -> Callable[..., httpx.Response]:
    """Make an error answer as the service does; `Retry_After` stands for `Retry-After`."""
    return _error_answer


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record waits of either client instead of waiting."""
    waits: list[float] = []

    async def sleep_async(wait_s: float) -> None:
        waits.append(wait_s)

    monkeypatch.setattr("critic_client._client.time.sleep", waits.append)
    monkeypatch.setattr("critic_client._async_client.asyncio.sleep", sleep_async)
    return waits


def _error_answer(
    status: int, code: str, retryable: bool = False, **headers: str
) -> httpx.Response:
    envelope = schemas.ErrorResponse(
        code=code, message=f"because of {code}", retryable=retryable, request_id="id-1"
    )
    return httpx.Response(
        status,
        content=envelope.model_dump_json(),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def _receive(request: httpx.Request) -> Received:
    content_type = request.headers.get("content-type", "")
    parts: dict[str, tuple[str, bytes]] = {}
    if content_type.startswith("multipart/form-data"):
        boundary = content_type.partition("boundary=")[2].encode()
        for part in request.read().split(b"--" + boundary)[1:-1]:
            head, _, content = part.removesuffix(b"\r\n").partition(b"\r\n\r\n")
            fields = message_from_bytes(head.lstrip())
            name = str(fields.get_param("name", header="content-disposition"))
            assert name not in parts
            parts[name] = (fields.get_content_type(), content)
    return Received(request.method, request.url.path, dict(request.headers), parts)


def _score(value: float | None) -> schemas.Score:
    return schemas.Score(
        raw=value,
        value=value,
        read_from="yes_no",
        probabilities={"yes": value, "no": 1 - value} if value is not None else {},
        answer_mass=value,
        reason=None if value is not None else REASON,
    )


def _score_reply(received: Received) -> schemas.ScoreResponse:
    request = schemas.ScoreRequest.model_validate(received.request)
    # The last of several clips cannot be judged: an answer with a hole in it is the normal case.
    judged = [
        len(request.items) == 1 or i + 1 < len(request.items) for i in range(len(request.items))
    ]
    return schemas.ScoreResponse(
        request_id="id-1",
        critic=request.critic or "critic-nano",
        results=[
            schemas.ScoreResult(
                index=i,
                clip_id=f"hash-{i}" if ok else None,
                scores={"sharpness": _score(0.75)} if ok else {},
                reward=0.75 if ok else None,
                reason=None if ok else REASON,
            )
            for i, ok in enumerate(judged)
        ],
        reward_weights={"sharpness": 1.0},
        fingerprint=FINGERPRINT,
    )


def _compare_reply(received: Received) -> schemas.CompareResponse:
    request = schemas.CompareRequest.model_validate(received.request)
    preference = schemas.Preference(
        p_win=0.7,
        p_tie=0.2,
        p_lose=0.1,
        preferred="a",
        order_consistency=None,
        read_from="scores",
        answer_mass=0.9,
    )
    return schemas.CompareResponse(
        request_id="id-1",
        critic=request.critic or "critic-nano",
        results=[
            schemas.CompareResult(
                index=i,
                clip_id_a="hash-a",
                clip_id_b="hash-b",
                preferences={"sharpness": preference},
                preferred="a",
            )
            for i in range(len(request.pairs))
        ],
        fingerprint=FINGERPRINT,
    )


def _rank_reply(received: Received) -> schemas.RankResponse:
    request = schemas.RankRequest.model_validate(received.request)
    return schemas.RankResponse(
        request_id="id-1",
        critic="critic-nano",
        results=[
            schemas.RankResult(
                index=i,
                clip_id=f"hash-{i}",
                scores={"sharpness": _score(0.5)},
                reward=0.5,
                rank=i + 1,
                advantage=float(-i),
            )
            for i in range(len(request.clips))
        ],
        best=0,
        worst=len(request.clips) - 1,
        reward_mean=0.5,
        reward_std=0.0,
        reward_weights={"sharpness": 1.0},
        fingerprint=FINGERPRINT,
    )


def _dimensions_reply(received: Received) -> schemas.DimensionsResponse:
    request = schemas.DimensionsRequest.model_validate(received.request)
    dimension = schemas.Dimension(raw=3.0, value=None, per_frame=[1.0, 5.0], num_frames=2)
    return schemas.DimensionsResponse(
        request_id="id-1",
        results=[
            schemas.DimensionsResult(
                index=i,
                clip_id=f"hash-{i}",
                dimensions=dict.fromkeys(request.dimensions or ["flicker"], dimension),
            )
            for i in range(len(request.clips or request.items))
        ],
        versions={"av": "18"},
    )


def _info_reply(received: Received) -> schemas.InfoResponse:
    return schemas.InfoResponse(
        service="critic-service",
        version="0.1.0",
        default_critic="critic-nano",
        critics=[
            schemas.CriticInfo(
                name="critic-nano",
                revision="r1",
                description="small",
                limits="rendering and motion",
                criteria=[
                    schemas.CriterionInfo(
                        name="sharpness",
                        question="Is it sharp?",
                        read_from="yes_no",
                        needs_prompt=False,
                        default=True,
                    )
                ],
                pairwise_method="scores",
                reward_weights={"sharpness": 1.0},
                fingerprint=FINGERPRINT,
            )
        ],
        dimensions=[
            schemas.DimensionInfo(
                name="flicker", description="d", higher_is_better=False, available=True
            )
        ],
        limits={"max_items": 256.0},
        versions={"torch": "2.13"},
    )


def _prompts_reply(received: Received) -> schemas.PromptsResponse:
    request = schemas.PromptsRequest.model_validate(received.request)
    values = iter([0.9, 0.6, None, 0.4] * len(request.items))
    return schemas.PromptsResponse(
        request_id="id-1",
        judge=schemas.PromptJudge(
            id="b0b",
            kind="endpoint",
            model="big-judge",
            questions="q",
            checks="c",
            fingerprint=None,
        ),
        results=[
            schemas.PromptResult(
                index=i,
                scores={
                    name: _score(next(values))
                    for name in request.principles or ["harmless", "accurate"]
                },
                checks={
                    "length": schemas.PromptCheck(
                        passed=False, value=3.0, found=["x"], reason=REASON
                    )
                },
                passes_checks=False,
            )
            for i in range(len(request.items))
        ],
    )


_REPLIES: dict[str, Callable[[Received], Any]] = {
    "/v1/score": _score_reply,
    "/v1/compare": _compare_reply,
    "/v1/rank": _rank_reply,
    "/v1/dimensions": _dimensions_reply,
    "/v1/prompts/score": _prompts_reply,
    "/v1/info": _info_reply,
}
