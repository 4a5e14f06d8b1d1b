"""Reward functions: order, columns, and None for whatever could not be judged, never a number."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from critic_client import (
    BadRequest,
    CriticClient,
    Frames,
    GroupRewardFunction,
    NotJudged,
    Pipeline,
    RewardFunction,
    TensorRewardFunction,
    Unauthorized,
    Unprocessable,
    tensor_rewards,
)
from critic_client.labels import advantages
from critic_client.testing import FakeCritic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CLIPS = [b"clip-%d" % i for i in range(7)]
PROMPTS = [f"prompt {i}" for i in range(7)]
WEIGHTS = {"visual_quality": 3.0, "text_alignment": 1.0}


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[FakeCritic, Pipeline]]:
    with FakeCritic() as critic, Pipeline(critic.url) as pipeline:
        yield critic, pipeline


@pytest.fixture
def critic(shared: tuple[FakeCritic, Pipeline]) -> FakeCritic:
    shared[0].unreadable.clear()
    return shared[0]


@pytest.fixture
def pipeline(shared: tuple[FakeCritic, Pipeline]) -> Pipeline:
    return shared[1]


def expected(clip: bytes, prompt: str) -> float:
    values = {name: FakeCritic.value_of(clip, name, prompt) for name in WEIGHTS}
    return (3 * values["visual_quality"] + values["text_alignment"]) / 4


def test_rewards_are_in_the_order_of_the_clips_whichever_call_ends_first(
    critic: FakeCritic, pipeline: Pipeline
) -> None:
    critic.fail_next("slow")
    reward = RewardFunction(pipeline, weights=WEIGHTS, clips_per_call=2)
    wanted = [expected(clip, prompt) for clip, prompt in zip(CLIPS, PROMPTS, strict=True)]
    assert reward(PROMPTS, CLIPS) == pytest.approx(wanted, abs=1e-12)
    assert len(set(wanted)) == len(wanted)


def test_a_trainer_calls_it_by_keywords_and_logs_by_its_name(
    critic: FakeCritic, pipeline: Pipeline
) -> None:
    critic.unreadable.add(FakeCritic.clip_hash(CLIPS[1]))
    reward = RewardFunction(pipeline, name="quality")
    logged: dict[str, float] = {}
    columns = {"completion_ids": [[1], [2]], "trainer_state": object(), "seed": [3, 4]}
    rewards = reward(
        prompts=PROMPTS[:2], completions=CLIPS[:2], log_metric=logged.__setitem__, **columns
    )
    assert isinstance(rewards[0], float)
    assert rewards[1] is None
    assert (reward.__name__, logged) == ("quality", {"quality/lost": 1.0})


def test_the_async_form_is_a_coroutine_function_and_gives_the_same(
    critic: FakeCritic, pipeline: Pipeline
) -> None:
    reward = RewardFunction(pipeline, name="quality")
    awaited = reward.as_async()
    assert inspect.iscoroutinefunction(awaited)
    assert awaited.__name__ == "quality"
    logged: dict[str, float] = {}

    async def run() -> Any:
        two = [
            awaited(prompts=PROMPTS, completions=CLIPS, log_metric=logged.__setitem__),
            awaited(prompts=PROMPTS[:2], clips=CLIPS[:2]),
        ]
        return await asyncio.gather(*two)

    whole, part = asyncio.run(run())
    assert whole == reward(PROMPTS, CLIPS)
    assert part == whole[:2]
    assert logged == {"quality/lost": 0.0}


def test_clips_are_found_in_the_column_that_has_them(
    critic: FakeCritic, pipeline: Pipeline, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(CLIPS[0])
    plain, named = RewardFunction(pipeline), RewardFunction(pipeline, clip_column="video")
    of_clip = plain(["p"], [CLIPS[0]])
    assert plain(["p"], clips=[CLIPS[0]]) == of_clip
    assert plain(["p"], ["a text"], clips=[bytearray(CLIPS[0])]) == of_clip
    assert named(["p"], [CLIPS[1]], clips=[CLIPS[2]], video=[path]) == of_clip
    assert plain(["p"], [CLIPS[1]]) != of_clip
    with pytest.raises(ValueError, match=r"no column 'video' .*there is clips"):
        named(["p"], clips=[CLIPS[0]])
    with pytest.raises(ValueError, match=r"no column 'completions' .*there is none"):
        plain(["p"])


def test_what_is_no_batch_is_refused(critic: FakeCritic, pipeline: Pipeline) -> None:
    reward = RewardFunction(pipeline)
    num_calls = len(critic.received)
    with path_opened() as file, pytest.raises(TypeError, match="clip 1 of 'completions'"):
        reward(["p", "p"], [CLIPS[0], file])
    with pytest.raises(ValueError, match="1 for 2 clips"):
        reward(["p"], CLIPS[:2])
    with pytest.raises(ValueError, match="one text for 1 clips"):
        reward("p", CLIPS[:1])
    with pytest.raises(TypeError, match="prompt 0 is neither"):
        reward([7], CLIPS[:1])
    with pytest.raises(TypeError, match="prompt 0 has no text"):
        reward([[{"role": "user", "content": [{"type": "image"}]}]], CLIPS[:1])
    with pytest.raises(ValueError, match="clips_per_call"):
        RewardFunction(pipeline, clips_per_call=0)
    assert len(critic.received) == num_calls
    assert reward([], []) == []


def path_opened() -> Any:
    return Path(__file__).open("rb")


def test_the_prompt_of_a_conversation_is_what_the_user_said_last(
    critic: FakeCritic, pipeline: Pipeline
) -> None:
    reward = RewardFunction(pipeline, weights={"text_alignment": 1.0})
    conversation = [
        {"role": "system", "content": "you make videos"},
        {"role": "user", "content": "a cat"},
        {"role": "assistant", "content": "here"},
        {"role": "user", "content": "a red ball"},
    ]
    in_parts = [{"role": "user", "content": [{"type": "text", "text": "a red ball"}]}]
    rewards = reward([conversation, in_parts, "a red ball", "a cat"], [CLIPS[0]] * 4)
    assert rewards[0] == rewards[1] == rewards[2] != rewards[3]


def test_a_clip_that_cannot_be_judged_is_none_and_is_counted(
    critic: FakeCritic, pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    critic.unreadable |= {FakeCritic.clip_hash(CLIPS[i]) for i in (1, 4, 5)}
    # The call with clips 4 and 5 fails as a whole, the one with clip 1 does not.
    reward = RewardFunction(pipeline, clips_per_call=2)
    with caplog.at_level(logging.WARNING, "critic_client"):
        rewards = reward(PROMPTS, CLIPS)
    assert [i for i, r in enumerate(rewards) if r is None] == [1, 4, 5]
    assert reward.lost == {"clip_unreadable": 3}
    assert "3 of 7 clips have no reward; clip 1: clip_unreadable" in caplog.text
    reward(PROMPTS[:2], CLIPS[:2])
    assert reward.lost == {"clip_unreadable": 4}


def test_a_strict_one_raises_and_names_the_clips(critic: FakeCritic, pipeline: Pipeline) -> None:
    critic.unreadable.add(FakeCritic.clip_hash(CLIPS[3]))
    reward = RewardFunction(pipeline, strict=True, clips_per_call=2)
    with pytest.raises(NotJudged, match="1 of 7 clips have no reward; clip 3") as caught:
        reward(PROMPTS, CLIPS)
    assert {i: r.code for i, r in caught.value.reasons.items()} == {3: "clip_unreadable"}
    with pytest.raises(NotJudged):
        asyncio.run(reward.as_async()(PROMPTS, CLIPS))


@settings(deadline=None, max_examples=20, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=12),
    st.integers(1, 5),
)
def test_no_clip_ever_gets_the_reward_of_another(
    critic: FakeCritic, pipeline: Pipeline, batch: list[tuple[int, bool]], clips_per_call: int
) -> None:
    clips = [CLIPS[i] + b"!" * broken for i, broken in batch]
    prompts = [PROMPTS[i] for i, _ in batch]
    critic.unreadable |= {FakeCritic.clip_hash(clip + b"!") for clip in CLIPS}
    reward = RewardFunction(pipeline, weights=WEIGHTS, clips_per_call=clips_per_call)
    for (i, broken), got in zip(batch, reward(prompts, clips), strict=True):
        wanted = None if broken else pytest.approx(expected(CLIPS[i], PROMPTS[i]), abs=1e-12)
        assert got == wanted


def test_a_call_that_is_lost_costs_its_own_clips_alone(
    critic: FakeCritic, pipeline: Pipeline
) -> None:
    # The deadline is shorter than the wait that the service asks for.
    critic.retry_after_s = 60
    critic.fail_next("overloaded")
    reward = RewardFunction(pipeline, clips_per_call=4, deadline_s=5)
    rewards = reward(PROMPTS, CLIPS)
    critic.retry_after_s = 0
    assert sorted([rewards[:4].count(None), rewards[4:].count(None)]) in ([0, 3], [0, 4])
    assert list(reward.lost) == ["overloaded"]


@pytest.mark.parametrize("strict", [False, True])
def test_a_fault_of_the_set_up_is_raised_in_any_case(
    critic: FakeCritic, pipeline: Pipeline, strict: bool, error_answer: Any
) -> None:
    with pytest.raises(Unprocessable, match="no beauty here"):
        RewardFunction(pipeline, weights={"beauty": 1}, strict=strict)(["p"], CLIPS[:1])
    for status, error in ((401, Unauthorized), (400, BadRequest)):
        answer = partial(error_answer, status, "no")
        with Pipeline(transport=httpx.MockTransport(lambda _, a=answer: a())) as refusing:
            reward = RewardFunction(refusing, strict=strict)
            with pytest.raises(error):
                reward(["p"], CLIPS[:1])
            assert reward.lost == {}


def test_a_clip_that_cannot_be_sent_is_lost_alone(
    critic: FakeCritic, pipeline: Pipeline, tmp_path: Path
) -> None:
    np = pytest.importorskip("numpy")
    diverged = Frames(np.full((2, 4, 5, 3), np.nan, np.float32), fps=8, value_range=(0, 1))
    clips = [CLIPS[0], tmp_path / "gone.mp4", diverged, CLIPS[1]]
    reward = RewardFunction(pipeline)
    rewards = reward(["p"] * 4, clips)
    assert [r is None for r in rewards] == [False, True, True, False]
    assert [rewards[0], rewards[3]] == reward(["p"] * 2, CLIPS[:2])
    assert reward(["p"] * 2, clips[1:3]) == [None, None]
    assert reward.lost == {"clip_not_sent": 4}
    with pytest.raises(FileNotFoundError):
        RewardFunction(pipeline, strict=True)(["p"], [tmp_path / "gone.mp4"])


def test_groups_have_the_advantages_that_the_service_gives(
    critic: FakeCritic, pipeline: Pipeline
) -> None:
    critic.unreadable.add(FakeCritic.clip_hash(CLIPS[4]))
    grouped = GroupRewardFunction(RewardFunction(pipeline, clips_per_call=2), group_size=3)
    result = grouped(["a"] * 3 + ["b"] * 3, CLIPS[:6])
    with CriticClient(critic.url) as client:
        ranked = [client.rank(CLIPS[:3], "a"), client.rank(CLIPS[3:6], "b")]
    assert result.rewards == [*ranked[0].rewards, *ranked[1].rewards]
    assert result.advantages == [*ranked[0].advantages, *ranked[1].advantages]
    assert result.advantages[4] is None
    # Over the whole batch the numbers are others: groups are normalised one by one.
    assert result.advantages != advantages.standardised(result.rewards)


def test_groups_are_normalised_as_asked(critic: FakeCritic, pipeline: Pipeline) -> None:
    reward = RewardFunction(pipeline)
    grouped = GroupRewardFunction(reward, 2, normalise=advantages.leave_one_out)
    result = grouped(["a", "a", "b", "b"], CLIPS[:4])
    r = [value for value in result.rewards if value is not None]
    wanted = [r[0] - r[1], r[1] - r[0], r[2] - r[3], r[3] - r[2]]
    assert result.advantages == pytest.approx(wanted, abs=1e-12)


def test_what_is_no_group_is_refused(critic: FakeCritic, pipeline: Pipeline) -> None:
    grouped = GroupRewardFunction(RewardFunction(pipeline), 2)
    with pytest.raises(ValueError, match="3 prompts are not whole groups of 2"):
        grouped(["a"] * 3, CLIPS[:3])
    with pytest.raises(ValueError, match="prompt 3 differs from the first of its group"):
        grouped(["a", "a", "a", "b"], CLIPS[:4])
    with pytest.raises(ValueError, match="group_size"):
        GroupRewardFunction(RewardFunction(pipeline), 1)


def test_tensors_hold_nan_where_the_mask_is_false(critic: FakeCritic, pipeline: Pipeline) -> None:
    torch = pytest.importorskip("torch")
    critic.unreadable.add(FakeCritic.clip_hash(CLIPS[1]))
    reward = RewardFunction(pipeline)
    as_tensor = TensorRewardFunction(reward, device="cpu")
    result = as_tensor(prompts=PROMPTS[:3], completions=CLIPS[:3])
    assert as_tensor.__name__ == "critic_reward"
    assert (result.values.dtype, result.mask.dtype) == (torch.float32, torch.bool)
    assert result.mask.tolist() == [True, False, True]
    assert math.isnan(result.values[1])
    wanted = torch.tensor([r for r in reward(PROMPTS[:3], CLIPS[:3]) if r is not None])
    assert torch.equal(result.values[result.mask], wanted)
    assert tensor_rewards([]).values.shape == (0,)


def test_without_torch_tensors_are_refused_with_the_reason(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="need torch, which is not installed"):
        TensorRewardFunction(RewardFunction(pipeline))
