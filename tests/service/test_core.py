"""The use cases without HTTP, as a command in its own process calls them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from critic_models.errors import ClipError, UnknownName
from fake_judge import FakeJudge
from hostile_clips import good_mp4

from critic_service import schemas
from critic_service.call import CallContext
from critic_service.core import CriticCore
from critic_service.errors import DeadlineExceeded
from critic_service.health import self_test
from critic_service.intake import Part
from critic_service.replies import wire_fingerprint
from critic_service.settings import Settings

SETTINGS = Settings(drain_s=1.0, decode_threads=2)


def one_clip(**more: object) -> schemas.ScoreRequest:
    return schemas.ScoreRequest.model_validate({"items": [{"clip": {"part": "a"}}], **more})


async def test_files_are_scored_in_process(tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(good_mp4())
    context = CallContext("from-the-shell")
    async with CriticCore(FakeJudge(), SETTINGS) as core:
        answer = await core.score(one_clip(), {"a": Part.of_file(file)}, context)
        assert core.info().default_critic == "critic-fake"
    assert answer.request_id == "from-the-shell"
    assert answer.results[0].reward is not None
    assert context.timings.decode_s > 0


async def test_errors_are_exceptions_of_the_tree() -> None:
    async with CriticCore(FakeJudge(), SETTINGS) as core:
        with pytest.raises(ClipError):
            await core.score(one_clip(), {"a": Part.of_bytes(b"?")}, CallContext("x"))
        with pytest.raises(UnknownName):
            await core.score(one_clip(critic="y"), {"a": Part.of_bytes(b"?")}, CallContext("x"))


async def test_a_deadline_without_http() -> None:
    judge = FakeJudge()
    async with CriticCore(judge, SETTINGS) as core:
        await self_test(core)
        judge.gate.clear()
        deadline_s = asyncio.get_running_loop().time() + 0.05
        with pytest.raises(DeadlineExceeded):
            await self_test(core, deadline_s)
        judge.gate.set()


async def test_the_operators_budget_goes_before_the_critics_own() -> None:
    judge = FakeJudge(max_batch_tokens=100)
    settings = Settings(max_batch_tokens=1000, linger_ms=20.0, drain_s=1.0)
    async with CriticCore(judge, settings) as core:
        await asyncio.gather(*(self_test(core) for _ in range(10)))
    assert max(judge.batch_sizes) > 1


def test_equal_fingerprints_have_equal_names_and_others_have_others() -> None:
    one = wire_fingerprint(FakeJudge().fingerprint)
    assert one.id == wire_fingerprint(FakeJudge().fingerprint).id
    assert one.id != wire_fingerprint(FakeJudge(revision="r1").fingerprint).id
    assert len(one.id) == 16
