"""Bodies that were made to hurt: whatever comes in, the answer is never a fault of the service."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from service_app import app_of, raw_clip, scored

from critic_service import schemas

BOUNDARY = b"b0undary"
FORM = b"multipart/form-data; boundary=" + BOUNDARY
ALLOWED = {200, 400, 413, 415, 422}


def multipart() -> bytes:
    request = json.dumps({"items": [{"clip": {"part": "x"}, "prompt": "a cat"}]}).encode()
    head = b'Content-Disposition: form-data; name="%s"; filename="f"\r\n'
    return b"".join(
        [
            b"--" + BOUNDARY + b"\r\n" + head % b"request" + b"\r\n" + request + b"\r\n",
            b"--" + BOUNDARY + b"\r\n" + head % b"x",
            b"Content-Type: application/x-safetensors\r\n\r\n" + raw_clip(1) + b"\r\n",
            b"--" + BOUNDARY + b"--\r\n",
        ]
    )


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Cut, overwrite or double some stretch near the framing or anywhere else."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, min(len(data), 600)) | st.integers(0, len(data)))
        end = start + draw(st.integers(0, 40))
        match draw(st.sampled_from(["cut", "overwrite", "double", "truncate"])):
            case "cut":
                del data[start:end]
            case "overwrite":
                data[start:end] = draw(st.binary(max_size=40))
            case "double":
                data[start:start] = data[start:end]
            case _:
                del data[start:]
    return bytes(data)


def send(body: bytes, media_type: bytes) -> tuple[int, Any]:
    async def once() -> tuple[int, Any]:
        async with app_of() as app:
            headers = [(b"content-type", media_type)]
            answer = await app.post("/v1/score", content=body, headers=headers)
            assert app.door.held_bodies.num_bytes == 0
            return answer.status_code, answer.json()

    return asyncio.run(once())


def check(status: int, body: Any) -> None:
    assert status in ALLOWED, body
    schema = schemas.ScoreResponse if status == 200 else schemas.ErrorResponse
    schema.model_validate(body)


def test_the_undamaged_form_is_good() -> None:
    assert send(multipart(), FORM)[0] == 200


@settings(max_examples=50, deadline=None)
@given(damaged(multipart()))
def test_a_damaged_form(body: bytes) -> None:
    check(*send(body, FORM))


@settings(max_examples=50, deadline=None)
@given(damaged(json.dumps(scored(1)).encode()))
def test_damaged_json(body: bytes) -> None:
    check(*send(body, b"application/json"))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["items", "clip", "part", "prompt", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None)
@given(anything)
def test_any_json(value: Any) -> None:
    check(*send(json.dumps(value).encode(), b"application/json"))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=40))
def test_any_parameters_of_the_content_type(parameters: bytes) -> None:
    check(*send(multipart(), b"multipart/form-data; " + parameters))
