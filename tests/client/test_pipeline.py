"""Calls in flight: back-pressure, cancelling, a service that dies in mid-call, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

import httpx
import pytest
from critic_client import (
    ConnectionFailed,
    CriticClientError,
    NotJudged,
    Pipeline,
    RewardFunction,
    TimedOut,
)
from critic_client._pipeline import join
from critic_client.testing import FakeCritic, answers

CLIPS = [b"clip-%d" % i for i in range(8)]


class Gate(httpx.AsyncBaseTransport):
    """Answers as the fake service does, once it is opened."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.num_waiting = 0
        self.most_waiting = 0
        self.num_cancelled = 0
        self.is_open = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        self.bodies.append(body)
        self.num_waiting += 1
        self.most_waiting = max(self.most_waiting, self.num_waiting)
        try:
            while not self.is_open:
                await asyncio.sleep(0.002)
        except asyncio.CancelledError:
            self.num_cancelled += 1
            raise
        finally:
            self.num_waiting -= 1
        content_type = request.headers["content-type"]
        reply = answers.answer_call(request.url.path, content_type, body, "fake", ())
        return httpx.Response(200, json=reply)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def critic() -> Iterator[FakeCritic]:
    with FakeCritic() as running:
        yield running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the waits between attempts."""
    monkeypatch.setattr("critic_client._retry.BACKOFF_FIRST_S", 0.01)
    monkeypatch.setattr("critic_client._breaker.FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr("critic_client._fleet.CHOICE_POLL_S", 0.005)


def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    ends_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_at, "it did not come to pass"
        time.sleep(0.002)


def client_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "critic-client"]


def test_submit_does_not_wait_for_the_answer(gate: Gate) -> None:
    with Pipeline(transport=gate) as pipeline:
        futures = [pipeline.submit(clip, "p") for clip in CLIPS]
        assert not any(future.done() for future in futures)
        gate.is_open = True
        rewards = [future.result(5).rewards[0] for future in futures]
    names = answers.CRITERIA
    wanted = [sum(FakeCritic.value_of(clip, name, "p") for name in names) / 3 for clip in CLIPS]
    assert rewards == pytest.approx(wanted, abs=1e-12)


def test_submit_waits_while_too_many_calls_are_in_flight(gate: Gate) -> None:
    with Pipeline(transport=gate, max_in_flight=2) as pipeline, ThreadPoolExecutor(1) as trainer:
        submitted: list[Future[object]] = []
        done = trainer.submit(lambda: [submitted.append(pipeline.submit(c)) for c in CLIPS])
        until(lambda: gate.num_waiting == 2)
        time.sleep(0.05)
        assert len(submitted) == 2
        assert not done.done()
        gate.is_open = True
        done.result(5)
        assert [future.result(5).results[0].clip_id for future in submitted] == [
            FakeCritic.clip_hash(clip) for clip in CLIPS
        ]
    assert gate.most_waiting == 2
    with pytest.raises(ValueError, match="max_in_flight"):
        Pipeline(max_in_flight=0)


def test_clips_are_read_before_submit_returns(gate: Gate) -> None:
    buffer = bytearray(b"as it was")
    with Pipeline(transport=gate) as pipeline:
        future = pipeline.submit(buffer)
        buffer[:] = b"reused it"
        gate.is_open = True
        assert future.result(5).results[0].clip_id == FakeCritic.clip_hash(b"as it was")


def test_a_cancelled_call_is_broken_off_and_leaves_its_place(gate: Gate) -> None:
    with Pipeline(transport=gate, max_in_flight=1) as pipeline:
        future = pipeline.submit(CLIPS[0])
        until(lambda: gate.num_waiting == 1)
        assert future.cancel()
        until(lambda: gate.num_cancelled == 1)
        gate.is_open = True
        assert pipeline.submit(CLIPS[1]).result(5).rewards[0] is not None


def test_cancelling_a_batch_cancels_its_calls(gate: Gate) -> None:
    with Pipeline(transport=gate) as pipeline:
        batch = RewardFunction(pipeline, clips_per_call=2).submit(["p"] * 8, CLIPS)
        until(lambda: gate.num_waiting == 4)
        assert batch.cancel()
        until(lambda: gate.num_cancelled == 4)
    with pytest.raises(CancelledError):
        batch.result()


def test_bad_arguments_fail_before_anything_is_sent_and_keep_no_place(gate: Gate) -> None:
    gate.is_open = True
    with Pipeline(transport=gate, max_in_flight=1) as pipeline:
        for _ in range(3):
            with pytest.raises(ValueError, match="2 prompts for 1 clips"):
                pipeline.submit(CLIPS[0], ["a", "b"])
            with pytest.raises(ValueError, match="deadline_s"):
                pipeline.submit(CLIPS[0], deadline_s=0)
        assert gate.bodies == []
        assert pipeline.submit_rank(CLIPS[:3], "p").result(5).ranks != [None] * 3


@pytest.mark.usefixtures("quick")
def test_a_service_that_is_killed_in_mid_call_and_restarted_is_waited_for(
    critic: FakeCritic,
) -> None:
    critic.slow_s = 60.0
    critic.fail_next("slow", "slow")
    with Pipeline(critic.url) as pipeline:
        reward = RewardFunction(pipeline, clips_per_call=4)
        batch = reward.submit(["p"] * 8, CLIPS)
        until(lambda: len(critic.received) == 2)
        critic.stop()
        later = reward.submit(["p"] * 2, CLIPS[:2])
        time.sleep(0.1)
        assert not batch.done()
        critic.start()
        rewards = batch.result(10)
        assert None not in rewards
        assert later.result(10) == rewards[:2]
    assert reward.lost == {}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("strict", [False, True])
def test_a_service_that_stays_away_costs_the_rewards_and_nothing_else(
    critic: FakeCritic, strict: bool
) -> None:
    with Pipeline(critic.url, timeout_s=0.3) as pipeline:
        reward = RewardFunction(pipeline, strict=strict, clips_per_call=4)
        critic.stop()
        if strict:
            with pytest.raises(NotJudged):
                reward(["p"] * 8, CLIPS)
        else:
            assert reward(["p"] * 8, CLIPS) == [None] * 8
        assert sum(reward.lost.values()) == 8
        assert set(reward.lost) <= {"connection_failed", "timed_out"}


# The deadline may end while anyio is connecting, which it then leaves half done.
@pytest.mark.filterwarnings("ignore:coroutine 'connect_tcp")
@pytest.mark.usefixtures("quick")
def test_a_deadline_that_is_over_names_the_trouble(critic: FakeCritic) -> None:
    with Pipeline(critic.url) as pipeline:
        critic.stop()
        with pytest.raises((TimedOut, ConnectionFailed), match=critic.url):
            pipeline.submit(CLIPS[0], deadline_s=0.3).result(5)


def test_close_waits_for_what_is_in_flight_and_leaves_no_thread(gate: Gate) -> None:
    pipeline = Pipeline(transport=gate)
    future = pipeline.submit(CLIPS[0])
    with ThreadPoolExecutor(1) as closer:
        closing = closer.submit(pipeline.close)
        time.sleep(0.05)
        assert not closing.done()
        gate.is_open = True
        closing.result(5)
    assert future.result(0).rewards[0] is not None
    assert client_threads() == []
    pipeline.close()
    with pytest.raises(RuntimeError, match="closed"):
        pipeline.submit(CLIPS[0])


def test_close_can_cancel_and_a_with_block_does_so_on_an_error(gate: Gate) -> None:
    pipeline = Pipeline(transport=gate)
    future = pipeline.submit(CLIPS[0])
    pipeline.close(cancel=True)
    assert future.cancelled()
    with contextlib.suppress(KeyError), Pipeline(transport=gate) as pipeline:
        future = pipeline.submit(CLIPS[0])
        raise KeyError
    assert future.cancelled()
    assert client_threads() == []


def test_a_submit_that_waits_ends_when_the_pipeline_is_closed(gate: Gate) -> None:
    pipeline = Pipeline(transport=gate, max_in_flight=1)
    pipeline.submit(CLIPS[0])
    # Threads of the test itself would be waited for at its end, even if they never came back.
    errors: list[str] = []

    def submit() -> None:
        try:
            pipeline.submit(CLIPS[1])
        except RuntimeError as error:
            errors.append(str(error))

    waiting = [threading.Thread(target=submit, daemon=True) for _ in range(3)]
    for thread in waiting:
        thread.start()
    time.sleep(0.02)
    pipeline.close(cancel=True)
    for thread in waiting:
        thread.join(5)
    assert errors == ["the pipeline is closed"] * 3


def test_a_pipeline_that_nobody_closes_ends_with_its_last_reference(gate: Gate) -> None:
    gate.is_open = True
    pipeline = Pipeline(transport=gate)
    pipeline.submit(CLIPS[0]).result(5)
    assert len(client_threads()) == 1
    del pipeline
    gc.collect()
    until(lambda: client_threads() == [])


def test_many_pipelines_leave_no_threads(critic: FakeCritic) -> None:
    before = threading.active_count()
    for _ in range(5):
        with Pipeline(critic.url) as pipeline:
            futures = [pipeline.submit(clip) for clip in CLIPS]
            assert all(future.result(5).rewards[0] is not None for future in futures)
    critic.stop()
    # Threads of the fake service that served its connections end with them.
    until(lambda: threading.active_count() <= before - 1)


def test_submit_in_a_callback_is_refused_rather_than_left_to_block(gate: Gate) -> None:
    found: list[RuntimeError] = []
    with Pipeline(transport=gate, max_in_flight=1) as pipeline:

        def submit_more(_: Future[object]) -> None:
            try:
                pipeline.submit(CLIPS[1])
            except RuntimeError as error:
                found.append(error)

        pipeline.submit(CLIPS[0]).add_done_callback(submit_more)
        gate.is_open = True
    assert len(found) == 1
    assert "callback" in str(found[0])


def test_traffic_counts_clips_once_and_attempts_each(critic: FakeCritic, quick: None) -> None:
    with Pipeline(critic.url) as pipeline:
        assert pipeline.traffic.bytes_per_clip is None
        critic.fail_next("overloaded", "dropped")
        pipeline.submit([b"four", b"sixsix", b"four"], "p").result(5)
        one = pipeline.traffic
        pipeline.submit(b"twelve bytes").result(5)
        two = pipeline.traffic
    assert (one.num_calls, one.num_clips, one.clip_bytes, one.num_attempts) == (1, 2, 10, 3)
    assert one.bytes_per_clip == 5.0
    heads = [len(_head(body.body)) for body in critic.received]
    assert one.sent_bytes == 3 * 10 + sum(heads[:3])
    assert (two.num_calls, two.num_clips, two.clip_bytes) == (2, 3, 22)
    assert two.bytes_per_clip == 22 / 3


def _head(body: bytes) -> bytes:
    return body.split(b"\r\n\r\n", 1)[1].split(b"\r\n", 1)[0]


def test_join_passes_on_what_finish_raises() -> None:
    first: Future[int] = Future()
    joined = join([first], lambda: first.result() + 1)
    first.set_result(1)
    assert joined.result(0) == 2
    second: Future[int] = Future()
    joined = join([second], second.result)
    second.set_exception(CriticClientError("lost"))
    with pytest.raises(CriticClientError, match="lost"):
        joined.result(0)
    assert join([], lambda: 7).result(0) == 7
