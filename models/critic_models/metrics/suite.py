"""Measure clips on metrics by name, with what is on this machine; nothing stands in for another."""

from __future__ import annotations

import importlib.util
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch

from critic_models.dimensions.dynamic_degree import LEAST_SIDE, pair_flow
from critic_models.dimensions.networks.clip import VIT_B_32, PackageMissing
from critic_models.dimensions.networks.loading import load_network
from critic_models.dimensions.opencv_flow import OpticalFlow, working_gray
from critic_models.dimensions.preprocess import to_planes
from critic_models.dimensions.weights.store import WeightsMissing, WeightStore, weights_dir
from critic_models.errors import CheckpointError, CriticError
from critic_models.metrics import picture_text
from critic_models.metrics.catalogue import METRICS
from critic_models.metrics.flow import FlowPair, consistency, magnitude, measure_pair
from critic_models.metrics.metric import Metric, Reading, as_score, no_reading
from critic_models.metrics.networks import PictureText, open_clip_network, transformers_network
from critic_models.metrics.weights import require
from critic_models.types import Clip, Score
from critic_models.video.limits import DEFAULT_LIMITS, ClipLimits
from critic_models.video.load import iter_clip_bytes, load_clip
from critic_models.video.reader import TimedFrame
from critic_models.video.sampling import Sampling, Uniform

FRAMES_READ = 8
"""Frames of a clip that are laid beside words, at even steps."""

_RAFT_SHORT_SIDE = 256
_RAFT_FPS = 8.0
_SLACK_S = 1e-3
_MOST_RAFT_PAIRS = 256


@dataclass(frozen=True)
class MetricOptions:
    """What an operator decides about metrics.

    Attributes:
        clip_model: open_clip's name of the model of `metric.clip_score`.
        clip_weights: its checkpoint; None takes `clip_vit_b_32` of the folder of weights.
    """

    clip_model: str = VIT_B_32
    clip_weights: Path | None = None


class Source(Protocol):
    """A clip that can be decoded as often as there are readers."""

    def load(self, policy: Sampling) -> Clip:
        """Return the frames that a policy chooses."""

    def frames(self) -> Iterable[TimedFrame]:
        """Return all frames in order."""


@dataclass(frozen=True)
class ClipBytes:
    """An encoded clip, or a safetensors buffer of frames, that is decoded in this process."""

    data: bytes
    limits: ClipLimits = DEFAULT_LIMITS

    def load(self, policy: Sampling) -> Clip:
        return load_clip(self.data, policy, self.limits)

    def frames(self) -> Iterable[TimedFrame]:
        return iter_clip_bytes(self.data, self.limits)


@dataclass
class Gathered:
    """What was read from one clip, by reader; `lacking` says of the others why not."""

    features: dict[str, np.ndarray] = field(default_factory=dict)
    pairs: dict[str, list[FlowPair]] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)


class MetricSuite:
    """Metrics with their networks, each loaded when it is first needed. For any thread.

    Args:
        store: the folder of weights; that of `weights_dir()` if None.
        options: which networks.
        device: where they run.
    """

    def __init__(
        self,
        store: WeightStore | None = None,
        options: MetricOptions | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self._store = store or WeightStore(weights_dir())
        self._options = options or MetricOptions()
        self._device = torch.device(device)
        self._networks: dict[str, Any] = {}
        self._broken: dict[str, str] = {}
        self._lock = threading.Lock()
        self._raft_lock = threading.Lock()
        self._load: Mapping[str, Callable[[], Any]] = {
            "clip": lambda: open_clip_network(
                self._options.clip_model, self._file_of("clip"), self._device
            ),
            "hps_v2_1": lambda: open_clip_network(
                "ViT-H-14", self._file_of("hps_v2_1"), self._device, "state_dict"
            ),
            "pickscore_v1": lambda: transformers_network(
                self._file_of("pickscore_v1"), self._device
            ),
            "raft": lambda: load_network("raft_things", self._store, self._device),
        }

    def why_not(self, name: str) -> str | None:
        """Return why a metric has no numbers here, or None; loads nothing."""
        reader = METRICS[name].reader
        if reader == "opencv":
            return None
        if reader in self._broken:
            return self._broken[reader]
        try:
            self._file_of(reader)
        except CriticError as error:
            return error.message
        if reader != "raft" and importlib.util.find_spec("open_clip") is None:
            return "The package open_clip is not installed: pip install 'critic-service[vbench]'."
        return None

    def gather(self, names: Sequence[str], source: Source) -> Gathered:
        """Read from a clip all that its metrics need, whatever its prompt.

        Args:
            names: keys of `METRICS`.
            source: the clip.
        """
        found = Gathered()
        for reader in dict.fromkeys(METRICS[name].reader for name in names):
            both_ways = any(_is_consistency(n) for n in names if METRICS[n].reader == reader)
            try:
                self._gather(found, reader, both_ways, source)
            except CriticError as error:
                found.lacking[reader] = error.message
        return found

    def read(
        self, names: Sequence[str], gathered: Gathered, prompt: str | None
    ) -> dict[str, Score]:
        """Make the scores of a clip that was to show a prompt; without a number, with a reason."""
        return {n: as_score(METRICS[n], self._read(METRICS[n], gathered, prompt)) for n in names}

    def versions(self, names: Sequence[str]) -> dict[str, str]:
        """Return what each metric was read with, for the fingerprint of its scores."""
        return {name: self._version(METRICS[name].reader) for name in names}

    def _version(self, reader: str) -> str:
        if reader == "opencv":
            return f"opencv-{cv2.__version__}"
        network = self._networks.get(reader)
        if network is None:
            return "unavailable"
        return network.version if isinstance(network, PictureText) else "raft_things"

    def _read(self, metric: Metric, gathered: Gathered, prompt: str | None) -> Reading:
        reader = metric.reader
        if reader in gathered.lacking:
            return no_reading(gathered.lacking[reader])
        if reader in gathered.pairs:
            pairs = gathered.pairs[reader]
            return consistency(pairs) if _is_consistency(metric.name) else magnitude(pairs)
        if not prompt or not prompt.strip():
            return no_reading(f"{metric.name} compares a clip with its prompt, and there is none.")
        network: PictureText = self._networks[reader]
        each = picture_text.cosines(gathered.features[reader], network.read_words(prompt))
        if reader == "clip":
            return picture_text.clip_score(each)
        if reader == "hps_v2_1":
            return picture_text.hps(each)
        return picture_text.pickscore(each, network.scale)

    def _gather(self, found: Gathered, reader: str, both_ways: bool, source: Source) -> None:
        if reader == "opencv":
            found.pairs[reader] = _opencv_pairs(source, both_ways)
        elif reader == "raft":
            network = self._network(reader)
            found.pairs[reader] = self._raft_pairs(network, source, both_ways)
        else:
            network = self._network(reader)
            frames = source.load(Uniform(FRAMES_READ)).frames
            found.features[reader] = network.read_frames(frames)
        if reader in found.pairs and not found.pairs[reader]:
            found.lacking[reader] = "At least 2 frames are needed; the clip has fewer."

    def _network(self, reader: str) -> Any:
        with self._lock:
            if reader in self._broken:
                raise CheckpointError(self._broken[reader])
            if reader not in self._networks:
                try:
                    self._networks[reader] = self._load[reader]()
                except (WeightsMissing, PackageMissing):
                    # What is brought later is found later.
                    raise
                except CriticError as error:
                    self._broken[reader] = error.message
                    raise
            return self._networks[reader]

    def _file_of(self, reader: str) -> Path:
        if reader != "clip":
            return require(self._store, "raft_things" if reader == "raft" else reader)
        own = self._options.clip_weights
        if own is None:
            if self._options.clip_model != VIT_B_32:
                raise WeightsMissing(
                    f"{self._options.clip_model} needs a checkpoint of its own: name the file."
                )
            return require(self._store, "clip_vit_b_32")
        if not own.is_file():
            raise WeightsMissing(f"There is no file {own}.", path=str(own))
        return own

    def _raft_pairs(self, network: Any, source: Source, both_ways: bool) -> list[FlowPair]:
        pairs: list[FlowPair] = []
        for (first, began_s), (second, ended_s) in itertools.pairwise(_raft_frames(source)):
            if len(pairs) == _MOST_RAFT_PAIRS:
                raise CheckpointError(
                    f"RAFT looks at {_MOST_RAFT_PAIRS} pairs of frames at most, and the clip is "
                    "longer."
                )
            forward = self._raft(network, first, second)
            backward = self._raft(network, second, first) if both_ways else None
            pairs.append(measure_pair(first, second, forward, backward, ended_s - began_s))
        return pairs

    @torch.inference_mode()
    def _raft(self, network: Any, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        height, width = first.shape[:2]
        batch = to_planes(np.stack([first, second]))[None].to(self._device)
        with self._raft_lock:
            flow = pair_flow(network, batch)[0].float().cpu().numpy()
        # The network sees whole multiples of 8; half of what was added lies above and to the left.
        top, left = (-height % 8) // 2, (-width % 8) // 2
        return np.ascontiguousarray(
            flow[:, top : top + height, left : left + width].transpose(1, 2, 0)
        )


def _is_consistency(name: str) -> bool:
    return name.startswith("metric.flow_consistency")


def _opencv_pairs(source: Source, both_ways: bool) -> list[FlowPair]:
    flow_of = OpticalFlow()
    pairs = []
    grays = ((working_gray(frame), time_s) for _, time_s, frame in source.frames())
    for (first, began_s), (second, ended_s) in itertools.pairwise(grays):
        forward = flow_of(first, second)
        backward = flow_of(second, first) if both_ways else None
        pairs.append(measure_pair(first, second, forward, backward, ended_s - began_s))
    return pairs


def _raft_frames(source: Source) -> Iterator[tuple[np.ndarray, float]]:
    """Yield about eight frames a second, small enough, with their times."""
    due_s = None
    for _, time_s, frame in source.frames():
        if min(frame.shape[:2]) < LEAST_SIDE:
            raise CheckpointError(
                f"RAFT needs sides of at least {LEAST_SIDE} pixels; the clip is "
                f"{frame.shape[1]} x {frame.shape[0]}."
            )
        # A little slack, so that rounded times of 24 frames a second give every third.
        if due_s is not None and time_s < due_s - _SLACK_S:
            continue
        due_s = time_s + 1.0 / _RAFT_FPS
        yield _small(frame), time_s


def _small(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    scale = _RAFT_SHORT_SIDE / min(height, width)
    if scale >= 1:
        return frame
    size = (round(width * scale), round(height * scale))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
