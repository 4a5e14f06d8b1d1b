"""Reward functions that flow_grpo calls: its arithmetic and arrays, no number for a failure."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from critic_client import CriticClient, CriticClientError, Frames, NotJudged
from critic_client.compat import critic_score, multi_score
from critic_client.testing import FakeCritic
from critic_client.testing.answers import CRITERIA, value_of

PROMPTS = ["a fox", "a hen", "a cow"]
WEIGHTS = {"text_alignment": 1.0, "visual_quality": 0.5}


@pytest.fixture
def critic() -> Iterator[FakeCritic]:
    with FakeCritic() as running:
        yield running


@pytest.fixture
def client(critic: FakeCritic) -> Iterator[CriticClient]:
    with CriticClient(critic.url, max_retries=0) as connected:
        yield connected


def videos(num: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num, 4, 8, 10, 3), dtype=np.uint8)


def sent(frames: np.ndarray, fps: float) -> bytes:
    return Frames(frames, fps, layout="THWC").to_safetensors()


def test_the_weighted_sum_is_flow_grpos(client: CriticClient) -> None:
    details, meta = multi_score(client, WEIGHTS, fps=16)(videos(), PROMPTS, {}, only_strict=True)
    assert meta == {}
    assert set(details) == {*WEIGHTS, "avg"}
    for i, (clip, prompt) in enumerate(zip(videos(), PROMPTS, strict=True)):
        values = {name: value_of(sent(clip, 16), name, prompt) for name in WEIGHTS}
        assert {name: details[name][i] for name in WEIGHTS} == values
        expected = values["text_alignment"] * 1.0 + values["visual_quality"] * 0.5
        assert details["avg"][i] == pytest.approx(expected)
        mean = expected / 1.5
        assert abs(details["avg"][i] - mean) > 1e-6, "a weighted mean would be another reward"


def test_one_score_by_name_or_the_critics_own(client: CriticClient) -> None:
    scores, meta = critic_score(client, fps=16, criterion="visual_quality")(videos(), PROMPTS, {})
    assert meta == {}
    assert scores == [value_of(sent(clip, 16), "visual_quality") for clip in videos()]
    own, _ = critic_score(client, fps=16)(videos(), PROMPTS, {})
    assert own[0] == pytest.approx(
        np.mean([value_of(sent(videos()[0], 16), name, "a fox") for name in CRITERIA])
    )


def test_chunks_keep_the_order(client: CriticClient) -> None:
    whole = multi_score(client, WEIGHTS, fps=16)(videos(), PROMPTS)
    assert multi_score(client, WEIGHTS, fps=16, clips_per_call=2)(videos(), PROMPTS) == whole


def test_tensors_of_images_and_of_videos(client: CriticClient) -> None:
    torch = pytest.importorskip("torch")
    reward = critic_score(client, fps=16, criterion="visual_quality")
    arrays = videos()
    tensor = torch.from_numpy(arrays).permute(0, 1, 4, 2, 3).float() / 255
    assert reward(tensor, PROMPTS)[0] == reward(arrays, PROMPTS)[0]
    overshot = tensor.clone()
    overshot[arrays.transpose(0, 1, 4, 2, 3) == 255] = 1.01
    assert reward(overshot, PROMPTS)[0] == reward(arrays, PROMPTS)[0]
    images, of_images = tensor[:, 0], reward(tensor[:, 0], PROMPTS)[0]
    assert of_images == [value_of(sent(a[:1], 1.0), "visual_quality") for a in arrays]
    assert reward(arrays[:, 0], PROMPTS)[0] == of_images
    assert images.shape == (3, 3, 8, 10)
    narrow = torch.zeros(1, 3, 3, 8)
    assert len(reward(narrow, ["x"])[0]) == 1


def test_clips_in_any_form_of_the_client(client: CriticClient) -> None:
    scores, _ = critic_score(client, criterion="visual_quality")([b"mp4", b"other"], ["a", "b"])
    assert scores == [value_of(b"mp4", "visual_quality"), value_of(b"other", "visual_quality")]


def test_a_clip_that_cannot_be_judged_is_an_error_that_names_it(
    critic: FakeCritic, client: CriticClient
) -> None:
    critic.unreadable.add(FakeCritic.clip_hash(b"bad"))
    for reward in (
        multi_score(client, WEIGHTS),
        critic_score(client),
        critic_score(client, criterion="visual_quality"),
    ):
        with pytest.raises(NotJudged) as caught:
            reward([b"good", b"bad"], ["a", "b"], {})
        assert list(caught.value.reasons) == [1]


def test_a_service_that_fails_is_an_error(critic: FakeCritic, client: CriticClient) -> None:
    critic.fail_next("overloaded")
    with pytest.raises(CriticClientError):
        critic_score(client)([b"x"], ["a"], {})


@pytest.mark.parametrize(
    ("images", "prompts", "fps"),
    [
        (videos(), PROMPTS, None), (videos(), PROMPTS[:2], 16.0), (videos()[0, 0], ["a"], 16.0),
        (np.full((1, 4, 8, 10, 3), np.nan, dtype=np.float32), ["a"], 16.0),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(
    client: CriticClient, images: Any, prompts: list[str], fps: float | None
) -> None:
    with pytest.raises(ValueError, match=r"."):
        critic_score(client, fps=fps)(images, prompts, {})


def test_weights_are_needed() -> None:
    for weights in ({}, {"avg": 1.0}):
        with pytest.raises(ValueError, match="score_dict"):
            multi_score(CriticClient(), weights)


def test_nothing_is_pickled(client: CriticClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("pickle was used")

    for name in ("dumps", "dump", "loads", "load"):
        monkeypatch.setattr(pickle, name, refuse)
    multi_score(client, WEIGHTS, fps=16)(videos(), PROMPTS)
