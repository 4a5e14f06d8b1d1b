"""A real process, a real mp4: the same scores over HTTP, through the client and in process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import pytest
from critic_client import CriticClient, Frames
from hostile_clips import TEXT_FILE, good_mp4, large_mp4, moving_square, truncated_mp4
from prometheus_client.parser import text_string_to_metric_families
from service_process import Service

from critic_service import schemas

PROMPT = "a red square moves right"
SAME = 1e-5


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    path.write_bytes(good_mp4())
    return path


def test_curl_client_and_command_line_agree(service: Service, clip: Path) -> None:
    curl = subprocess.run(
        ["curl", "-sS", f"{service.url}/v1/score", "-F", f"clip=@{clip}", "-F", f"prompt={PROMPT}"],
        capture_output=True,
        check=True,
    )
    by_curl = schemas.ScoreResponse.model_validate_json(curl.stdout)
    with CriticClient(service.url) as critic:
        by_client = critic.score(clip, prompts=PROMPT)
    command = [sys.executable, "-m", "critic_service.cli", "score", str(clip), "--json"]
    local = subprocess.run([*command, "--prompt", PROMPT], capture_output=True, check=True)
    in_process = schemas.ScoreResponse.model_validate_json(local.stdout)

    assert by_curl.fingerprint == in_process.fingerprint
    assert by_client.fingerprint.id == by_curl.fingerprint.id
    scores = by_curl.results[0].scores
    assert set(scores) >= {"text_alignment", "visual_quality", "temporal_quality"}
    for name, score in scores.items():
        assert score.raw is not None
        assert score.reason is None
        assert by_client.results[0].scores[name].raw == pytest.approx(score.raw, abs=SAME)
        assert in_process.results[0].scores[name].raw == pytest.approx(score.raw, abs=SAME)


def test_every_call_answers(service: Service, clip: Path) -> None:
    frames = Frames(moving_square(seed=3), fps=12)
    with CriticClient(service.url) as critic:
        pair = critic.compare(clip, frames, prompt=PROMPT)
        swapped = critic.compare(frames, clip, prompt=PROMPT)
        ranked = critic.rank([clip, frames, good_mp4(seed=5)], prompt=PROMPT)
        measured = critic.dimensions(clip)
        info = critic.info()
    for name, preference in pair.preferences.items():
        assert preference.p_win == pytest.approx(swapped.preferences[name].p_lose, abs=SAME)
    assert sorted(r.rank for r in ranked.results if r.rank) == [1, 2, 3]
    flicker = measured.results[0].dimensions["temporal_flickering"]
    assert flicker.raw is not None
    assert 0.9 < flicker.raw <= 1.0
    assert info.default_critic == "critic-nano"


def test_frames_and_their_array_score_alike(service: Service) -> None:
    frames = moving_square(seed=7)
    with CriticClient(service.url) as critic:
        once, again = critic.score(
            [Frames(frames, fps=12), Frames(np.ascontiguousarray(frames), fps=12)], prompts=PROMPT
        ).results
    assert once.clip_id == again.clip_id
    assert once.scores == again.scores


def test_health_and_metrics(service: Service) -> None:
    assert httpx.get(f"{service.url}/livez").status_code == 200
    assert httpx.get(f"{service.url}/readyz").status_code == 200
    families = {
        f.name: f for f in text_string_to_metric_families(httpx.get(f"{service.url}/metrics").text)
    }
    answered = {
        (s.labels["call"], s.labels["code"]): s.value
        for s in families["critic_requests"].samples
        if s.name == "critic_requests_total"
    }
    assert answered["score", "200"] >= 1
    scored = {s.labels["criterion"] for s in families["critic_score_value"].samples}
    assert scored >= {"text_alignment", "visual_quality", "temporal_quality"}
    assert families["critic_clips"].samples[0].value >= 1


KINDS: dict[str, tuple[bytes, set[int]]] = {
    "good": (good_mp4(seed=11), {200}),
    "truncated": (truncated_mp4(), {422}),
    "empty": (b"", {422}),
    "text": (TEXT_FILE, {422}),
    "4k": (large_mp4(), {200}),
}


async def score_concurrently(url: str, count: int) -> list[tuple[str, httpx.Response]]:
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(base_url=url, timeout=240, limits=limits) as client:

        async def one(kind: str) -> tuple[str, httpx.Response]:
            while True:
                files = {"clip": ("clip.mp4", KINDS[kind][0], "video/mp4")}
                reply = await client.post("/v1/score", files=files, data={"prompt": PROMPT})
                if reply.status_code != 429:
                    return kind, reply
                await asyncio.sleep(float(reply.headers["retry-after"]))

        kinds = [list(KINDS)[i % len(KINDS)] for i in range(count)]
        return list(await asyncio.gather(*(one(kind) for kind in kinds)))


@pytest.mark.slow
async def test_two_hundred_clips_at_once_good_and_bad(service: Service) -> None:
    """Every request is answered, each bad one with its own reason; memory comes back."""
    await score_concurrently(service.url, 20)
    before = service.resident_bytes()
    pids = service.worker_pids()
    replies = await score_concurrently(service.url, 200)
    assert len(replies) == 200

    reasons: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for kind, reply in replies:
        body = reply.json()
        assert reply.status_code in KINDS[kind][1], (kind, reply.status_code, body)
        if reply.status_code == 200:
            assert all(s["raw"] is not None for s in body["results"][0]["scores"].values())
        else:
            assert body["message"]
            assert body["retryable"] is False
        reasons[kind][body.get("code", "scored")] += 1
    assert reasons["empty"].keys() == {"clip_empty"}
    assert reasons["text"].keys() == reasons["truncated"].keys() == {"clip_unreadable"}
    raws = {
        json.dumps([s["raw"] for s in r.json()["results"][0]["scores"].values()])
        for kind, r in replies
        if kind == "good"
    }
    spread = np.ptp(np.array([json.loads(r) for r in raws]), axis=0).max()
    assert spread < SAME, "the same clip scored differently beside other clips"

    assert service.worker_pids() == pids, "a process died and was replaced"
    deadline = time.monotonic() + 20
    while service.resident_bytes() > before + 200e6 and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
    assert service.resident_bytes() < before + 200e6
