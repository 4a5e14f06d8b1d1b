"""The reward functions of flow_grpo and of the trainers that grew out of it.

Such a trainer calls `reward_fn(images, prompts, metadata, only_strict=True)` in a thread, and gets
numbers by name and a dictionary of metadata. It has no word for "no reward": its numbers are
weighted, added and turned into a tensor. A clip that could not be judged is therefore an error,
`NotJudged`, which names it, and never a number.

`images` is what these trainers hand over: a float tensor in [0, 1], `[N, C, H, W]` of images or
`[N, T, C, H, W]` of videos, an array of uint8, `[N, H, W, C]` or `[N, T, H, W, C]`, or a list of
clips in any form that the client takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from critic_client._client import CriticClient
from critic_client._frames import Frames, Layout, is_array
from critic_client._models import Reason, ScoreResult
from critic_client._parts import ClipSource
from critic_client._training_errors import NotJudged

RewardDetails = dict[str, list[float]]
SingleReward = Callable[..., tuple[list[float], dict[str, Any]]]
MultiReward = Callable[..., tuple[RewardDetails, dict[str, Any]]]

# An image is a clip of one frame, whose rate says nothing.
STILL_FPS = 1.0
MAX_CLIPS_PER_CALL = 64


def critic_score(
    client: CriticClient,
    *,
    fps: float | None = None,
    criterion: str | None = None,
    layout: Layout | None = None,
    clips_per_call: int = MAX_CLIPS_PER_CALL,
) -> SingleReward:
    """Make one named reward, as flow_grpo's table of score functions holds them.

    Args:
        client: of the service.
        fps: at which videos play; needed for videos, and never guessed.
        criterion: what to read; the critic's own reward if None.
        layout: order of a video's axes, where its shape does not tell.
        clips_per_call: clips of one request.

    Returns:
        `(images, prompts, metadata) -> (scores, {})`; it raises `NotJudged` where a clip has none.
    """
    criteria = None if criterion is None else [criterion]

    def reward(
        images: Any, prompts: Sequence[str], metadata: Any = None, **unused: Any
    ) -> tuple[list[float], dict[str, Any]]:
        results = _results(client, images, prompts, criteria, fps, layout, clips_per_call)
        if criterion is None:
            return _judged([(r.reward, r.reason) for r in results]), {}
        return _criterion(results, criterion), {}

    return reward


def multi_score(
    client: CriticClient,
    score_dict: Mapping[str, float],
    *,
    fps: float | None = None,
    layout: Layout | None = None,
    clips_per_call: int = MAX_CLIPS_PER_CALL,
) -> MultiReward:
    """Make a trainer's whole reward, as flow_grpo's `multi_score` does; one call for all names.

    Args:
        client: of the service.
        score_dict: weight by criterion.
        fps, layout, clips_per_call: as for `critic_score`.

    Returns:
        `(images, prompts, metadata, only_strict=True) -> (details, {})`, where `details` has the
        values of each criterion, and under `avg` their weighted sum, which flow_grpo trains on.

    Raises:
        ValueError: if `score_dict` is empty, or names a criterion `avg`.
    """
    weights = dict(score_dict)
    if not weights or "avg" in weights:
        raise ValueError(f"score_dict has a weight for each criterion, not {weights!r}")

    def reward(
        images: Any,
        prompts: Sequence[str],
        metadata: Any = None,
        ref_images: Any = None,
        only_strict: bool = True,
    ) -> tuple[RewardDetails, dict[str, Any]]:
        results = _results(client, images, prompts, list(weights), fps, layout, clips_per_call)
        details = {name: _criterion(results, name) for name in weights}
        details["avg"] = [
            sum(weight * details[name][i] for name, weight in weights.items())
            for i in range(len(results))
        ]
        return details, {}

    return reward


def _results(
    client: CriticClient,
    images: Any,
    prompts: Sequence[str],
    criteria: list[str] | None,
    fps: float | None,
    layout: Layout | None,
    clips_per_call: int,
) -> list[ScoreResult]:
    clips = _clips(images, fps, layout)
    texts = list(prompts)
    if len(texts) != len(clips):
        raise ValueError(f"{len(texts)} prompts for {len(clips)} clips")
    results: list[ScoreResult] = []
    for start in range(0, len(clips), clips_per_call):
        part = slice(start, start + clips_per_call)
        results += client.score(clips[part], texts[part], criteria).results
    return results


def _clips(images: Any, fps: float | None, layout: Layout | None) -> list[ClipSource]:
    if not is_array(images):
        return list(images)
    num_axes = len(images.shape)
    if num_axes not in (4, 5):
        raise ValueError(f"images have four axes and videos five, not {list(images.shape)}")
    if num_axes == 5 and fps is None:
        raise ValueError("videos need fps=..., the rate at which they play")
    value_range = None
    if "float" in str(images.dtype):
        # These trainers clamp what a decoder overshoots, as their own reward functions do.
        images = images.clamp(0, 1) if hasattr(images, "clamp") else images.clip(0, 1)
        value_range = (0.0, 1.0)
    if num_axes == 5:
        rate = STILL_FPS if fps is None else fps
        return [Frames(each, rate, layout, value_range) for each in images]
    return [Frames(each[None], STILL_FPS, _of_image(each), value_range) for each in images]


def _of_image(image: Any) -> Layout:
    """Say where the colours are, of which an image of three rows or columns leaves no doubt."""
    return "TCHW" if hasattr(image, "detach") else "THWC"


def _criterion(results: Sequence[ScoreResult], name: str) -> list[float]:
    found: list[tuple[float | None, Reason | None]] = []
    for result in results:
        score = result.scores.get(name)
        found.append((None, result.reason) if score is None else (score.value, score.reason))
    return _judged(found)


def _judged(found: Sequence[tuple[float | None, Reason | None]]) -> list[float]:
    reasons = {
        index: reason or Reason("not_judged", "the service gave neither a value nor a reason")
        for index, (value, reason) in enumerate(found)
        if value is None
    }
    if reasons:
        raise NotJudged(reasons, len(found))
    return [value for value, _ in found if value is not None]
