"""One clip, everything that is asked of it: read once, hashed, decoded once, measured.

A `Measurer` may be called from many threads. Decoding and what needs no network happen in the
caller's thread; networks and the critic belong to a device, and a device is lent to one caller at a
time. So with more callers than devices, decoding goes on while devices compute, and no more clips
are held than there are callers.

Every clip goes through the networks by itself: what shares a batch with it would move its last
bits, and a run that was killed would end with other numbers than one that was not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from critic_models.dimensions.dimension import no_score
from critic_models.dimensions.measure import DIMENSIONS, measure, measure_stream
from critic_models.errors import ClipError, CriticError, InputError
from critic_models.evaluation.manifest import WorkClip
from critic_models.evaluation.rows import CRITERION_PREFIX, Row, finite
from critic_models.types import Clip, DimensionScore
from critic_models.video.limits import DEFAULT_LIMITS, ClipLimits
from critic_models.video.load import load_clip, read_file
from critic_models.video.sampling import AllFrames, Sampling

if TYPE_CHECKING:
    from critic_models.dimensions.runner import NetworkRunner
    from critic_models.judging import Judge


@dataclass(frozen=True)
class Device:
    """What belongs to one device, with weights that are loaded once.

    Attributes:
        runner: measures network dimensions; None where none are asked.
        judge: judges criteria; None where none are asked.
    """

    runner: NetworkRunner | None = None
    judge: Judge | None = None


class Measurer:
    """Measures clips of a folder.

    Args:
        root: of the clips' keys.
        devices: at least one where a network dimension or a criterion is asked.
        limits: bounds on each clip.
    """

    def __init__(
        self, root: Path, devices: Sequence[Device], limits: ClipLimits = DEFAULT_LIMITS
    ) -> None:
        self._root = root
        self._limits = limits
        self._free: SimpleQueue[Device] = SimpleQueue()
        for device in devices:
            self._free.put(device)
        self._num_devices = len(devices)
        judges = [device.judge for device in devices if device.judge is not None]
        self.fingerprint = judges[0].fingerprint if judges else None

    @property
    def num_devices(self) -> int:
        """How many clips can be on a device at once."""
        return self._num_devices

    def measure(self, clip: WorkClip, names: Sequence[str]) -> Row:
        """Measure a clip.

        Args:
            clip: of the folder.
            names: of dimensions, and of criteria with `critic:` before them.

        Returns:
            A row with a score for each name; a clip that cannot be decoded has reasons alone.

        Raises:
            OSError: the file cannot be read now, whatever is in it.
        """
        data, failure, num_frames = None, None, None
        scores: dict[str, DimensionScore] = {}
        try:
            data = read_file(self._root / clip.key, self._limits)
            scores = self._scores(data, clip, names)
            num_frames = max((each.num_frames for each in scores.values()), default=None)
        except ClipError as error:
            failure = error.message
            scores = {name: no_score(name, 0, failure) for name in names}
        return Row(
            clip=clip.key,
            prompt=clip.prompt,
            auxiliary=clip.auxiliary,
            num_bytes=None if data is None else len(data),
            sha256=None if data is None else hashlib.sha256(data).hexdigest(),
            num_frames=num_frames,
            failure=failure,
            scores={name: finite(scores[name]) for name in names},
        )

    def _scores(
        self, data: bytes, clip: WorkClip, names: Sequence[str]
    ) -> dict[str, DimensionScore]:
        plain = [name for name in names if name in DIMENSIONS]
        if len(plain) == len(names):
            # Nothing looks at a frame twice, so that the clip need not fit into memory.
            return measure_stream(data, plain, self._limits)
        frames = load_clip(data, AllFrames(), self._limits)
        scores = measure(frames, plain)
        with self._device() as device:
            return {**scores, **_on_device(device, frames, clip, names)}

    @contextmanager
    def _device(self) -> Iterator[Device]:
        device = self._free.get()
        try:
            yield device
        finally:
            self._free.put(device)


def _on_device(
    device: Device, frames: Clip, clip: WorkClip, names: Sequence[str]
) -> dict[str, DimensionScore]:
    from critic_models.dimensions.catalogue import NETWORK_DIMENSIONS
    from critic_models.dimensions.networked import Ask

    scores: dict[str, DimensionScore] = {}
    if (runner := device.runner) is not None:
        # The runner keeps its networks; a clip of VBench is for a few of the dimensions alone.
        runner.dimensions = [NETWORK_DIMENSIONS[n] for n in names if n in NETWORK_DIMENSIONS]
        if runner.dimensions:
            scores |= runner.measure([(frames, Ask(clip.prompt, clip.auxiliary))])[0]
    criteria = [n.removeprefix(CRITERION_PREFIX) for n in names if n.startswith(CRITERION_PREFIX)]
    if criteria and device.judge is not None:
        judged = _judged(device.judge, frames, clip.prompt, criteria)
        scores |= {score.dimension: score for score in judged}
    return scores


def _judged(
    judge: Judge, frames: Clip, prompt: str | None, names: Sequence[str]
) -> Iterator[DimensionScore]:
    shown = sampled(frames, judge.sampling)
    askable = []
    for criterion in judge.criteria(names):
        if criterion.needs_prompt and prompt is None:
            reason = "The clip's prompt is needed and was not given."
            yield no_score(CRITERION_PREFIX + criterion.name, shown.num_frames, reason)
        else:
            askable.append(criterion.name)
    if not askable:
        return
    try:
        (answers,) = judge.run([judge.pointwise(judge.prepare(shown), prompt, askable)])
        if isinstance(answers, CriticError):
            raise answers
    except InputError as error:
        for name in askable:
            yield no_score(CRITERION_PREFIX + name, shown.num_frames, error.message)
        return
    for name, score in judge.scores(answers).items():
        yield DimensionScore(
            dimension=CRITERION_PREFIX + name,
            raw=score.raw,
            value=score.value,
            per_frame=None,
            num_frames=shown.num_frames,
            reason=score.reason,
            weight=None if score.raw is None else 1.0,
        )


def sampled(clip: Clip, policy: Sampling) -> Clip:
    """Take from a clip that holds all its frames those that a policy chooses.

    The result is what decoding with the policy gives.
    """
    indices = policy.indices(clip.num_frames, clip.source_fps, clip.times_s)
    return replace(
        clip,
        frames=clip.frames[indices],
        times_s=clip.times_s[indices],
        source_indices=clip.source_indices[indices],
        sampling=policy.name,
    )
