"""A real process, a real mp4: the same scores over gRPC, over HTTP and in process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from critic_client import CriticClient, CriticClientError, Draining, Frames, GrpcCriticClient
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from hostile_clips import good_mp4, moving_square, truncated_mp4
from service_process import Service, free_port

from critic_service import schemas

PROMPT = "a red square moves right"
SAME = 1e-5


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    path.write_bytes(good_mp4())
    return path


def test_grpc_http_and_in_process_agree(service: Service, clip: Path) -> None:
    with GrpcCriticClient(service.grpc_url) as over_grpc, CriticClient(service.url) as over_http:
        assert over_grpc.ready()
        by_grpc = over_grpc.score(clip, PROMPT)
        by_http = over_http.score(clip, PROMPT)
        stored = over_grpc.upload(clip)
        by_name = over_http.score(stored, PROMPT)
        streamed = dict(over_grpc.score_stream([clip, truncated_mp4(), stored], PROMPT))
        pair = over_grpc.compare(clip, good_mp4(seed=5), PROMPT)
        assert pair.preferred == over_http.compare(clip, good_mp4(seed=5), PROMPT).preferred
        assert over_grpc.info().critics == over_http.info().critics
    command = [sys.executable, "-m", "critic_service.cli", "score", str(clip), "--json"]
    local = subprocess.run([*command, "--prompt", PROMPT], capture_output=True, check=True)
    in_process = schemas.ScoreResponse.model_validate_json(local.stdout)

    assert by_grpc.fingerprint == by_http.fingerprint
    assert by_grpc.fingerprint.id == in_process.fingerprint.id
    assert by_grpc.results[0].clip_id == by_http.results[0].clip_id == stored.clip_id
    expected = by_http.results[0].scores
    assert set(expected) >= {"text_alignment", "visual_quality", "temporal_quality"}
    others: list[Any] = [by_grpc, by_name, in_process, streamed[0], streamed[2]]
    for name, score in expected.items():
        assert score.raw is not None
        for reply in others:
            assert reply.results[0].scores[name].raw == pytest.approx(score.raw, abs=SAME)
    assert streamed[1].code == "clip_unreadable"


def test_health_and_reflection(service: Service) -> None:
    address = service.grpc_url.removeprefix("http://")
    with grpc.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        told = health.Check(health_pb2.HealthCheckRequest(service="critic.v1.Critic"))
        assert told.status == health_pb2.HealthCheckResponse.SERVING
        services = ProtoReflectionDescriptorDatabase(channel).get_services()
        assert "critic.v1.Critic" in services


def holds_bodies(port: int) -> bool:
    """Whether a call that was read is worked on."""
    metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    return "\ncritic_held_body_bytes 0.0\n" not in metrics


def test_a_stop_signal_drains_both_doors(clip: Path, tmp_path: Path) -> None:
    """Health turns first, new calls are refused in form, those that run are answered, exit is 0."""
    port, grpc_port = free_port(), free_port()
    log = tmp_path / "service.log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRITIC_")}
    environment |= {"BENTOML_HOME": str(tmp_path), "CRITIC_PRE_DRAIN_S": "3"}
    command = [sys.executable, "-m", "critic_service.cli", "serve", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--grpc-port", str(grpc_port)],
            stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=tmp_path,
            start_new_session=True,
        )  # fmt: skip
    try:
        client = GrpcCriticClient(f"http://127.0.0.1:{grpc_port}", max_retries=0, timeout_s=60)
        client.wait_until_ready(120)
        answers: list[Any] = []
        clips = [Frames(moving_square(seed=seed), fps=12) for seed in range(24)]
        running = threading.Thread(target=lambda: answers.append(client.score(clips, PROMPT)))
        running.start()
        ends_at_s = time.monotonic() + 60
        while not holds_bodies(port) and time.monotonic() < ends_at_s:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        refused: CriticClientError | None = None
        ends_at_s = time.monotonic() + 3
        while refused is None and time.monotonic() < ends_at_s:
            try:
                client.score(clip, PROMPT)
            except CriticClientError as error:
                refused = error
        assert isinstance(refused, Draining)
        assert not client.ready()
        running.join(60)
        unjudged = [result.reason for result in answers[0].results if not result.scores]
        assert unjudged == []
        assert process.wait(60) == 0, log.read_text()[-3000:]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
