"""Everything that decides a training run, in frozen values that are saved with the checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from critic_models.errors import InputError

CONFIG_FILE = "training.json"

TOKEN_PX = 32
"""Side of the square that one visual token covers: 16-pixel patches, merged two by two."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network; see the Qwen3-VL configuration for their meaning."""

    hidden_size: int = 192
    intermediate_size: int = 512
    num_layers: int = 4
    num_heads: int = 4
    head_dim: int = 48
    vision_hidden_size: int = 192
    vision_intermediate_size: int = 576
    vision_depth: int = 4
    vision_num_heads: int = 4
    deepstack_layers: tuple[int, ...] = (0, 2)
    patch_size: int = 16


@dataclass(frozen=True)
class TrainConfig:
    """One run.

    The run ends at whichever comes first of `minutes` and `steps`; progress through the schedule
    is the larger of the two shares.

    Attributes:
        seed: of weights and data.
        minutes, steps: budgets; at least one is given.
        tower_share: share of the run in which only the vision tower is trained, by dense heads.
        batch_clips: clips in a step.
        num_frames: of a clip.
        clip_sizes: height and width of frames; the first is used three times in four.
        enlarged_share: share of batches drawn larger and then resized, as served clips are.
        encoded_share: share of clips that pass through a light compression that is no defect.
        defect_rate: chance of every defect in a clip.
        full_captions, partial_captions: see `questions.caption_questions`.
        matrix_lr: of Muon, for the weight matrices of both towers' layers.
        other_lr: of AdamW, for all else.
        weight_decay: of both.
        warmup_steps: of the learning rate, in each stage.
        decay_share: share of the run at its end in which the learning rate falls to nothing.
        detached_steps: at the start of asking, steps in which the language model learns to read
            the vision tower without moving it.
        asked_tower_rate: factor of the vision tower's learning rate from then on.
        dense_weight, answer_weight: of the two losses while the language model is trained.
        quality_weight, caption_weight: of a question about quality, or about a caption, against
            an open one.
        clip_gradient: largest norm of all gradients together.
        threads: of the trainer.
        workers: processes that render; with 0 the trainer renders for itself.
        snapshot_every_s: seconds between snapshots to resume from.
        calibration_clips: validation clips for every calibrated criterion; 0 for none.
        evaluation_pairs: pairs for every figure of the evaluation; 0 for none.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    seed: int = 0
    minutes: float | None = 52.0
    steps: int | None = None
    tower_share: float = 0.12
    batch_clips: int = 32
    num_frames: int = 8
    clip_sizes: tuple[tuple[int, int], ...] = (
        (128, 128),
        (96, 160),
        (160, 96),
        (96, 128),
        (128, 96),
    )
    enlarged_share: float = 0.15
    encoded_share: float = 0.3
    defect_rate: float = 0.25
    full_captions: int = 1
    partial_captions: int = 2
    matrix_lr: float = 0.015
    other_lr: float = 0.0015
    weight_decay: float = 0.01
    warmup_steps: int = 50
    decay_share: float = 0.65
    detached_steps: int = 120
    asked_tower_rate: float = 0.5
    dense_weight: float = 0.5
    answer_weight: float = 4.0
    quality_weight: float = 2.0
    caption_weight: float = 2.0
    clip_gradient: float = 1.0
    threads: int = 2
    workers: int = 1
    snapshot_every_s: float = 240.0
    calibration_clips: int = 240
    evaluation_pairs: int = 400

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise InputError("a training run needs a budget: minutes, steps or both")
        for name in ("minutes", "steps", "batch_clips", "num_frames", "threads", "warmup_steps"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InputError(f"{name} must be above 0; found {value}")
        for name in ("tower_share", "enlarged_share", "encoded_share", "defect_rate"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise InputError(f"{name} must be in [0, 1]; found {value}")
        if self.tower_share == 1.0:
            raise InputError("tower_share of 1 would leave the language model untrained")
        if self.num_frames % 2:
            raise InputError(f"num_frames must be even; found {self.num_frames}")
        sides = [side for size in self.clip_sizes for side in size]
        if not sides or any(side <= 0 or side % TOKEN_PX for side in sides):
            raise InputError(f"clip_sizes must be multiples of {TOKEN_PX}; found {self.clip_sizes}")

    def weight_of(self, topic: str) -> float:
        """Weight of a question in the loss; of full captions only one in four is true."""
        if topic == "caption_true":
            return 2.0 * self.caption_weight
        if topic.startswith("open"):
            return 1.0
        about_caption = topic.startswith(("caption", "partial"))
        return self.caption_weight if about_caption else self.quality_weight

    def to_json(self) -> str:
        """Return the content of `training.json`."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """Read a configuration; fields that are left out keep their defaults.

        Raises:
            InputError: where the text is not JSON, or names an unknown field.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise InputError(f"the training configuration is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise InputError("the training configuration must be a JSON object")
        network = _known(NetworkConfig, content.pop("network", {}))
        if "deepstack_layers" in network:
            network["deepstack_layers"] = tuple(network["deepstack_layers"])
        chosen = _known(cls, content)
        if "clip_sizes" in chosen:
            chosen["clip_sizes"] = tuple((int(h), int(w)) for h, w in chosen["clip_sizes"])
        return cls(network=NetworkConfig(**network), **chosen)

    @classmethod
    def load(cls, path: Path) -> TrainConfig:
        """Read a configuration from a file; raises as `from_json`."""
        return cls.from_json(path.read_text(encoding="utf-8"))


def _known(kind: type, content: Mapping[str, Any]) -> dict[str, Any]:
    allowed = {f.name for f in fields(kind)}
    unknown = set(content) - allowed
    if unknown:
        raise InputError(
            f"unknown in a training configuration: {sorted(unknown)}; allowed: {sorted(allowed)}"
        )
    return dict(content)


SMOKE = TrainConfig(
    network=NetworkConfig(
        hidden_size=32,
        intermediate_size=32,
        num_layers=2,
        num_heads=2,
        head_dim=16,
        vision_hidden_size=48,
        vision_intermediate_size=32,
        vision_depth=2,
        vision_num_heads=2,
        deepstack_layers=(0,),
    ),
    minutes=None,
    steps=6,
    tower_share=0.3,
    detached_steps=2,
    batch_clips=2,
    threads=1,
    workers=0,
    calibration_clips=0,
    evaluation_pairs=0,
)
"""Two steps of each phase on a network of no use: does the recipe run?"""
