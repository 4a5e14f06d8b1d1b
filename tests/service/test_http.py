"""The calls over HTTP: what comes back, in what form, with which status."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest
from critic_models.errors import EngineError, NotAnswered
from critic_models.types import Score
from fake_judge import FakeJudge, FakeSpec, failing, raw_of
from hostile_clips import TEXT_FILE, good_mp4, truncated_mp4
from service_app import RAW, app_of, as_base64, in_json, raw_clip, scored, until

from critic_service import schemas

GOOD, BROKEN = raw_clip(1), b"not a video at all"


def form(request: dict[str, Any], **parts: bytes) -> list[tuple[str, Any]]:
    """A multipart body as the client sends it: every part has a file name."""
    files: list[tuple[str, Any]] = [
        ("request", ("request", json.dumps(request), "application/json"))
    ]
    return files + [(name, (name, data, RAW)) for name, data in parts.items()]


async def test_score_from_json() -> None:
    async with app_of() as app:
        answer = await app.post("/v1/score", json=scored(1, 2), headers={"X-Request-Id": "abc-1"})
    assert answer.status_code == 200, answer.text
    body = schemas.ScoreResponse.model_validate(answer.json())
    assert body.request_id == answer.headers["x-request-id"] == "abc-1"
    assert body.critic == "critic-fake"
    assert [result.index for result in body.results] == [0, 1]
    assert set(body.results[0].scores) == {"quality", "motion"}
    quality, motion = (body.results[0].scores[name].value for name in ("quality", "motion"))
    assert quality is not None
    assert motion is not None
    assert body.results[0].reward == pytest.approx((3 * quality + motion) / 4)
    assert body.reward_weights == {"quality": 3.0, "motion": 1.0}
    assert len(body.fingerprint.id) == 16
    assert body.results[0].clip_id != body.results[1].clip_id


async def test_score_from_a_form_is_the_same_as_from_json() -> None:
    request = {"items": [{"clip": {"part": "x"}, "prompt": "a cat"}]}
    async with app_of() as app:
        by_form = await app.post("/v1/score", files=form(request, x=raw_clip(1)))
        by_json = await app.post("/v1/score", json=scored(1))
    assert by_form.status_code == 200, by_form.text
    assert by_form.json()["results"] == by_json.json()["results"]


async def test_encoded_video_is_decoded_whatever_its_part_is_called() -> None:
    request = {"items": [{"clip": {"part": "x"}}]}
    files = [*form(request), ("x", ("holiday.txt", good_mp4(), "text/plain"))]
    async with app_of() as app:
        answer = await app.post("/v1/score", files=files)
        in_body = {"items": [{"clip": {"video_base64": as_base64(good_mp4())}}]}
        again = await app.post("/v1/score", json=in_body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"] == again.json()["results"]


async def test_the_request_may_be_a_plain_field() -> None:
    request = json.dumps({"items": [{"clip": {"part": "x"}}]})
    async with app_of() as app:
        answer = await app.post(
            "/v1/score", data={"request": request}, files={"x": ("x", GOOD, RAW)}
        )
    assert answer.status_code == 200, answer.text


async def test_the_short_form_for_curl() -> None:
    clip, other = ("a.st", GOOD, RAW), ("b.st", raw_clip(2), RAW)
    async with app_of() as app:
        score = await app.post(
            "/v1/score",
            files={"clip": clip},
            data={"prompt": "a cat", "criteria": "alignment, quality"},
        )
        compare = await app.post("/v1/compare", files={"a": clip, "b": other}, data={"prompt": "x"})
        dimensions = await app.post("/v1/dimensions", files={"clip": ("a.mp4", good_mp4())})
        odd = await app.post("/v1/score", files={"clip": clip, "b": clip}, data={"seed": "1"})
        rank = await app.post("/v1/rank", files={"clip": clip})
    assert score.status_code == compare.status_code == dimensions.status_code == 200
    assert set(score.json()["results"][0]["scores"]) == {"alignment", "quality"}
    assert compare.json()["results"][0]["preferred"] in ("a", "b", "tie")
    assert dimensions.json()["results"][0]["dimensions"]
    assert odd.status_code == 422
    assert odd.json()["details"]["unknown"] == ["b", "seed"]
    assert rank.status_code == 422
    assert "'request'" in rank.json()["message"]


async def test_scores_depend_on_frames_prompt_and_criterion_alone() -> None:
    async with app_of() as app:
        alone = (await app.post("/v1/score", json=scored(1))).json()["results"][0]
        among = (await app.post("/v1/score", json=scored(3, 1, 2))).json()["results"][1]
        [digest] = {item.clips[0].digest for item in app.judge.batches[0]}
    assert alone["scores"] == among["scores"]
    assert alone["scores"]["quality"]["raw"] == raw_of(digest, "quality", "a cat")


async def test_an_explicit_reward_adds_its_criteria() -> None:
    async with app_of() as app:
        answer = await app.post(
            "/v1/score",
            json=scored(1, criteria=["quality"], reward={"weights": {"alignment": 1.0}}),
        )
    [result] = answer.json()["results"]
    assert set(result["scores"]) == {"quality", "alignment"}
    assert result["reward"] == result["scores"]["alignment"]["value"]


async def test_a_reward_that_was_not_asked_for_is_null_with_a_reason() -> None:
    async with app_of() as app:
        answer = await app.post("/v1/score", json=scored(1, criteria=["quality"]))
    [result] = answer.json()["results"]
    assert result["reward"] is None
    assert result["reason"]["code"] == "no_reward"
    assert "motion" in result["reason"]["message"]
    assert result["scores"]["quality"]["value"] is not None


async def test_rank_orders_by_reward() -> None:
    async with app_of() as app:
        answer = await app.post("/v1/rank", json={"clips": in_json(*range(5)), "prompt": "a cat"})
    assert answer.status_code == 200, answer.text
    body = schemas.RankResponse.model_validate(answer.json())
    rewards = [result.reward for result in body.results]
    best = max(range(5), key=lambda n: rewards[n] or -math.inf)
    assert body.best == best
    assert body.results[best].rank == 1
    assert sorted(result.rank or 0 for result in body.results) == [1, 2, 3, 4, 5]
    assert sum(result.advantage or 0 for result in body.results) == pytest.approx(0, abs=1e-9)


async def test_rank_always_judges_what_its_reward_needs() -> None:
    request = {"clips": in_json(1, 2), "prompt": "a cat", "criteria": ["alignment"]}
    async with app_of() as app:
        answer = await app.post("/v1/rank", json=request)
    assert set(answer.json()["results"][0]["scores"]) == {"alignment", "quality", "motion"}
    assert answer.json()["results"][0]["reward"] is not None


async def test_rank_without_any_reward_is_refused() -> None:
    async with app_of(FakeJudge(spec=FakeSpec(reward_weights={}))) as app:
        answer = await app.post("/v1/rank", json={"clips": in_json(1, 2)})
        score = await app.post("/v1/score", json=scored(1))
    assert answer.status_code == 422
    assert score.json()["results"][0]["reason"]["code"] == "no_reward"


@pytest.mark.parametrize(
    ("method", "read_from", "items"),
    [("auto", "pairwise", 4), ("both_orders", "pairwise", 4), ("scores", "scores", 3)],
)
async def test_compare(method: str, read_from: str, items: int) -> None:
    a, b, c = in_json(1, 2, 3)
    request = {"pairs": [{"a": a, "b": b}, {"a": a, "b": c}], "method": method}
    async with app_of() as app:
        answer = await app.post("/v1/compare", json=request)
        prepared, batches = len(app.judge.prepared), app.judge.batch_sizes
    assert answer.status_code == 200, answer.text
    body = schemas.CompareResponse.model_validate(answer.json())
    for result in body.results:
        assert {each.read_from for each in result.preferences.values()} == {read_from}
        assert result.preferred in ("a", "b", "tie")
    assert sum(batches) == items
    assert prepared == 3
    assert body.results[0].clip_id_a == body.results[1].clip_id_a


async def test_dimensions_of_video_and_frames() -> None:
    request = {"clips": [{"video_base64": as_base64(good_mp4())}, *in_json(1)]}
    async with app_of() as app:
        answer = await app.post("/v1/dimensions", json=request)
        scored_too = await app.post(
            "/v1/score", json={"items": [{"clip": c} for c in request["clips"]]}
        )
        wrong = await app.post("/v1/dimensions", json={**request, "dimensions": ["beauty"]})
    assert answer.status_code == 200, answer.text
    body = schemas.DimensionsResponse.model_validate(answer.json())
    assert body.results[0].dimensions["temporal_flickering"].raw is not None
    ids = [result["clip_id"] for result in scored_too.json()["results"]]
    assert [result.clip_id for result in body.results] == ids
    assert wrong.status_code == 422
    assert "temporal_flickering" in wrong.json()["details"]["allowed"]


async def test_info_tells_what_can_be_asked() -> None:
    async with app_of() as app:
        answer = await app.client.get("/v1/info")
    body = schemas.InfoResponse.model_validate(answer.json())
    assert body.default_critic == body.critics[0].name == "critic-fake"
    assert [each.name for each in body.critics[0].criteria] == ["quality", "motion", "alignment"]
    assert {each.name for each in body.dimensions} >= {"temporal_flickering"}
    assert body.limits["max_items_per_request"] == 256
    assert body.limits["clip_max_side"] == 8192


async def test_a_clip_that_fails_fails_alone() -> None:
    request = {"items": [{"clip": {"part": name}} for name in ("good", "broken", "good")]}
    async with app_of() as app:
        answer = await app.post("/v1/score", files=form(request, good=GOOD, broken=BROKEN))
    assert answer.status_code == 200
    first, second, third = answer.json()["results"]
    assert first["reward"] is not None
    assert first["scores"] == third["scores"]
    assert (second["clip_id"], second["scores"], second["reward"]) == (None, {}, None)
    assert second["reason"]["code"] == "clip_unreadable"


async def test_one_bad_clip_of_a_group_leaves_the_others_ranked() -> None:
    request = {"clips": [{"part": name} for name in ("a", "broken", "c")]}
    async with app_of() as app:
        answer = await app.post(
            "/v1/rank", files=form(request, a=GOOD, broken=BROKEN, c=raw_clip(3))
        )
    body = schemas.RankResponse.model_validate(answer.json())
    assert sorted(result.rank or 0 for result in body.results) == [0, 1, 2]
    assert body.results[1].rank is None
    assert body.results[1].reason is not None
    assert body.best in (0, 2)


async def test_a_bad_clip_spoils_only_its_pairs() -> None:
    pairs = [{"a": {"part": "x"}, "b": {"part": other}} for other in ("y", "z")]
    for method in ("both_orders", "scores"):
        async with app_of() as app:
            files = form({"pairs": pairs, "method": method}, x=GOOD, y=BROKEN, z=raw_clip(2))
            answer = await app.post("/v1/compare", files=files)
        first, second = answer.json()["results"]
        assert (first["preferred"], first["reason"]["code"]) == (None, "clip_unreadable")
        assert second["preferred"] in ("a", "b", "tie")


@pytest.mark.parametrize(
    ("clip", "status", "code"),
    [
        (BROKEN, 422, "clip_unreadable"),
        (TEXT_FILE, 422, "clip_unreadable"),
        (truncated_mp4(), 422, "clip_unreadable"),
        (b"", 422, "clip_empty"),
        (b"x" * 5_000_001, 413, "clip_too_large"),
    ],
)
async def test_if_no_clip_can_be_judged_the_call_fails_with_the_first_ones_status(
    clip: bytes, status: int, code: str
) -> None:
    from critic_models.video.limits import ClipLimits

    request = {"items": [{"clip": {"part": "x"}}, {"clip": {"part": "y"}}]}
    files = [*form(request), ("x", ("x", clip)), ("y", ("y", BROKEN))]
    async with app_of(clip=ClipLimits(max_bytes=5_000_000)) as app:
        answer = await app.post("/v1/score", files=files)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    body = schemas.ErrorResponse.model_validate(answer.json())
    assert body.retryable is False
    assert [item["index"] for item in body.details["items"]] == [0, 1]
    assert body.details["items"][1]["code"] == "clip_unreadable"


@pytest.mark.parametrize(
    "text",
    ["%%%%", "AAA", "AA AA", "AAAA\n", "data:video/mp4;base64,AAAA", "ÄÄÄÄ", "AA==AA==", "_-_-"],
)
async def test_only_strict_base64_is_read(text: str) -> None:
    async with app_of() as app:
        answer = await app.post("/v1/score", json={"items": [{"clip": {"video_base64": text}}]})
    assert (answer.status_code, answer.json()["code"]) == (422, "clip_unreadable")
    assert "base64" in answer.json()["message"]


async def test_frames_that_are_not_frames_are_refused() -> None:
    request = {"items": [{"clip": {"frames_base64": as_base64(good_mp4())}}]}
    async with app_of() as app:
        answer = await app.post("/v1/score", json=request)
    assert (answer.status_code, answer.json()["code"]) == (422, "clip_unreadable")


async def test_a_prompt_that_is_needed_and_missing() -> None:
    request = {"items": [{"clip": ref} for ref in in_json(1)], "criteria": ["alignment"]}
    async with app_of() as app:
        answer = await app.post("/v1/score", json=request)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_prompt")


@pytest.mark.parametrize(
    ("more", "allowed"),
    [
        ({"criteria": ["beauty"]}, ["quality", "motion", "alignment"]),
        ({"reward": {"weights": {"beauty": 1}}}, ["quality", "motion", "alignment"]),
        ({"critic": "critic-max"}, ["critic-fake"]),
    ],
)
async def test_unknown_names_list_the_known_ones(more: dict[str, Any], allowed: list[str]) -> None:
    async with app_of() as app:
        answer = await app.post("/v1/score", json=scored(1, **more))
        assert app.judge.prepared == []
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_name")
    assert answer.json()["details"]["allowed"] == allowed


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"items": []},
        {"items": [{"clip": {}}]},
        {"items": [{"clip": {"part": "x", "video_base64": "AAAA"}}]},
        {"items": [{"clip": {"uri": "http://example.com/a.mp4"}}]},
        {"items": [{"clip": {"video_base64": "AAAA"}, "seed": 1}]},
        {"items": [{"clip": {"video_base64": "AAAA"}, "prompt": "x" * 8001}]},
        {"items": [{"clip": {"video_base64": "AAAA"}}] * 257},
        {"items": [{"clip": {"video_base64": "AAAA"}}], "reward": {"weights": {}}},
        {"items": [{"clip": {"video_base64": "AAAA"}}], "reward": {"weights": {"quality": -1}}},
        {"items": [{"clip": {"video_base64": "AAAA"}}], "reward": {"weights": {"quality": 0}}},
        {"items": [{"clip": {"part": "nowhere"}}]},
        [],
    ],
)
async def test_what_the_schema_does_not_allow(body: Any) -> None:
    async with app_of() as app:
        answer = await app.post("/v1/score", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    schemas.ErrorResponse.model_validate(answer.json())


async def test_a_validation_error_names_the_field_and_not_the_input() -> None:
    secret = "c2VjcmV0" * 20
    async with app_of() as app:
        answer = await app.post("/v1/score", json={"items": [{"clip": {"video": secret}}]})
    assert "items.0.clip" in answer.json()["message"]
    assert answer.json()["details"]["errors"][0]["field"].startswith("items.0.clip")
    assert secret not in answer.text


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff\xfe", b'{"items": NaN', b"[" * 100_000, b'{"items": "\xed\xa0\x80"}']
)
async def test_what_is_not_json(text: bytes) -> None:
    async with app_of() as app:
        answer = await app.post(
            "/v1/score", content=text, headers={"content-type": "application/json"}
        )
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "text/plain",
        "video/mp4",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
    ],
)
async def test_other_content_types(media_type: str) -> None:
    headers = {"content-type": media_type} if media_type else {}
    async with app_of() as app:
        answer = await app.post("/v1/score", content=b"a=1", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ([("x", ("x", GOOD))], 422, "invalid_request"),  # `request` is missing
        ([("request", (None, "{}"))], 422, "invalid_request"),
        ([("request", (None, "{"))], 400, "malformed_request"),
        ("twice", 400, "malformed_request"),
        ("request twice", 400, "malformed_request"),
        ("unused part", 422, "invalid_request"),
        ("missing part", 422, "invalid_request"),
        ("clip as text", 422, "invalid_request"),
        ("stray text", 422, "invalid_request"),
        ("too many", 400, "malformed_request"),
        ("too many fields", 400, "malformed_request"),
        ("long field", 413, "body_too_large"),
        ("long request file", 413, "body_too_large"),
    ],
)
async def test_forms_that_cannot_be_read(parts: Any, status: int, code: str) -> None:
    request = form({"items": [{"clip": {"part": "x"}}]})
    clip = ("x", ("x", GOOD))
    files = (
        {
            "twice": [*request, clip, clip],
            "request twice": [*request, *request, clip],
            "unused part": [*request, clip, ("y", ("y", GOOD))],
            "missing part": request,
            "stray text": [*request, clip, ("seed", (None, "7"))],
            "clip as text": [*request, ("x", (None, "bytes"))],
            "too many": [*request, *((f"p{n}", ("p", b"")) for n in range(600))],
            "too many fields": [*request, *((f"p{n}", (None, "v")) for n in range(50))],
            "long field": [("request", (None, " " * (17 * 2**20)))],
            "long request file": [("request", ("request", b" " * (17 * 2**20)))],
        }.get(parts, parts)
        if isinstance(parts, str)
        else parts
    )
    async with app_of() as app:
        answer = await app.post("/v1/score", files=files)
        assert app.judge.prepared == []
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b"nonsense"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--",
        ),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x\r\n"),
    ],
)
async def test_broken_multipart(content_type: str, body: bytes) -> None:
    async with app_of() as app:
        answer = await app.post("/v1/compare", content=body, headers={"content-type": content_type})
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in ("malformed_request", "invalid_request")


async def test_paths_and_methods_that_do_not_exist() -> None:
    async with app_of() as app:
        missing = await app.post("/v1/judge", json={})
        wrong = await app.client.get("/v1/score")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")


async def test_a_criterion_that_was_not_answered_is_null_with_a_reason() -> None:
    judge = FakeJudge()
    honest = judge.scores
    judge.scores = lambda answers: {  # type: ignore[method-assign]
        **honest(answers),
        "motion": Score("motion", None, None, "yes_no", {}, 0.01, "the critic did not answer"),
    }
    async with app_of(judge) as app:
        answer = await app.post("/v1/score", json=scored(1))
    assert answer.status_code == 200
    [result] = answer.json()["results"]
    assert result["scores"]["quality"]["value"] is not None
    assert result["scores"]["motion"]["reason"]["code"] == "not_answered"
    assert (result["reward"], result["reason"]["code"]) == (None, "no_reward")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
async def test_a_number_that_is_not_finite_never_leaves(bad: float) -> None:
    judge = FakeJudge()
    judge.scores = lambda answers: {  # type: ignore[method-assign]
        "quality": Score("quality", bad, bad, "yes_no", {"yes": bad, "no": 0.1}, bad),
        "motion": Score("motion", 1.0, 0.7, "yes_no", {"yes": 0.7, "no": 0.3}, 0.9),
    }
    async with app_of(judge) as app:
        answer = await app.post("/v1/score", json=scored(1))
    assert answer.status_code == 200
    assert "NaN" not in answer.text
    assert "Infinity" not in answer.text
    quality = answer.json()["results"][0]["scores"]["quality"]
    assert (quality["raw"], quality["value"], quality["answer_mass"]) == (None, None, None)
    assert quality["reason"]["code"] == "not_finite"
    assert quality["probabilities"] == {}


async def test_an_engine_error_of_one_item_is_its_own() -> None:
    judge = FakeJudge(
        outcome_of=failing(EngineError("logits are not finite"), lambda item: item.prompt == "bad")
    )
    request = scored(1, 2)
    request["items"][1]["prompt"] = "bad"
    async with app_of(judge) as app:
        answer = await app.post("/v1/score", json=request)
    first, second = answer.json()["results"]
    assert first["reward"] is not None
    assert second["reason"]["code"] == "engine_error"


@pytest.mark.parametrize(
    ("error", "status", "retryable"),
    [(EngineError("out of memory"), 503, True), (NotAnswered("silence"), 500, False)],
)
async def test_if_the_engine_fails_for_all_the_caller_may_know_whether_to_retry(
    error: Any, status: int, retryable: bool
) -> None:
    async with app_of() as app:
        app.judge.outcome_of = failing(error, lambda item: True)
        answer = await app.post("/v1/score", json=scored(1, 2))
    assert (answer.status_code, answer.json()["retryable"]) == (status, retryable)


async def test_a_failure_that_may_pass_is_told_before_one_that_will_not() -> None:
    request = {"items": [{"clip": {"part": "broken"}}, {"clip": {"part": "good"}}]}
    async with app_of() as app:
        app.judge.outcome_of = failing(EngineError("out of memory"), lambda item: True)
        answer = await app.post("/v1/score", files=form(request, broken=BROKEN, good=GOOD))
    assert (answer.status_code, answer.json()["code"]) == (503, "engine_error")
    codes = [item["code"] for item in answer.json()["details"]["items"]]
    assert codes == ["clip_unreadable", "engine_error"]


async def test_a_fault_of_the_service_tells_nothing_of_its_inside() -> None:
    judge = FakeJudge()
    async with app_of(judge) as app:
        judge.scores = lambda answers: 1 / 0  # type: ignore[assignment, method-assign]
        answer = await app.post("/v1/score", json=scored(1))
        judge.prepare = lambda clip: {}["password"]  # type: ignore[method-assign]
        again = await app.post("/v1/score", json=scored(2))
    for each in (answer, again):
        assert (each.status_code, each.json()["code"]) == (500, "internal")
        assert "division" not in each.text
        assert "password" not in each.text


async def test_many_clients_share_a_batch() -> None:
    judge = FakeJudge()
    async with app_of(judge) as app:
        judge.gate.clear()
        first = asyncio.create_task(app.post("/v1/score", json=scored(0)))
        await asyncio.to_thread(judge.entered.wait, 5)
        others = [asyncio.create_task(app.post("/v1/score", json=scored(n))) for n in range(1, 13)]
        await until(lambda: app.door.core.desk.queued_items == 12)
        judge.gate.set()
        answers = await asyncio.gather(first, *others)
    assert [answer.status_code for answer in answers] == [200] * 13
    assert judge.batch_sizes == [1, 12]


async def test_each_clip_of_a_call_is_decoded_once() -> None:
    clips = {"frames_base64": as_base64(raw_clip(1))}, {"part": "same"}, {"part": "again"}
    request = {
        "items": [{"clip": clip, "prompt": prompt} for clip in clips for prompt in ("a", "b", None)]
    }
    files = form(request, same=raw_clip(1), again=raw_clip(1))
    async with app_of() as app:
        answer = await app.post("/v1/score", files=files)
        assert len(app.judge.prepared) == 1
        assert sum(app.judge.batch_sizes) == 3  # one for each prompt
    results = answer.json()["results"]
    assert results[0]["scores"] == results[3]["scores"] == results[6]["scores"]


async def test_timings_come_back_in_a_header() -> None:
    async with app_of(FakeJudge(run_s=0.02, prepare_s=0.02)) as app:
        answer = await app.post("/v1/score", json=scored(1))
    timings = dict(each.split(";dur=") for each in answer.headers["server-timing"].split(", "))
    assert set(timings) == {"queue", "decode", "engine"}
    assert float(timings["engine"]) >= 20
    assert float(timings["decode"]) >= 20


async def test_the_index_page_loads_nothing_from_elsewhere() -> None:
    async with app_of() as app:
        answer = await app.client.get("/")
    assert answer.status_code == 200
    assert "/v1/score" in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "<script" not in answer.text
    assert answer.headers["content-security-policy"] == "default-src 'none'"
