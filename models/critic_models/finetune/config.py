"""Everything that decides a training run, in frozen values that are saved with the checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from critic_models.errors import InputError

CONFIG_FILE = "training.json"

TOKEN_PX = 32
"""Side of the square that one visual token covers: 16-pixel patches, merged two by two."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network; see the Qwen3-VL configuration for their meaning.

    `summary_layer` is how many layers of the language model come before the heads on the ends of
    patches; those behind them are left for the questions to read what the heads have taught.
    """

    hidden_size: int = 192
    intermediate_size: int = 512
    num_layers: int = 5
    summary_layer: int = 3
    num_heads: int = 4
    head_dim: int = 48
    vision_hidden_size: int = 192
    vision_intermediate_size: int = 576
    vision_depth: int = 4
    vision_num_heads: int = 4
    deepstack_layers: tuple[int, ...] = (1,)
    patch_size: int = 16


@dataclass(frozen=True)
class TrainConfig:
    """One run.

    The run ends at whichever comes first of `minutes` and `steps`; progress through the schedule
    is the larger of the two shares.

    Attributes:
        seed: of weights and data.
        minutes, steps: budgets; at least one is given.
        start_from: where the weights come from: a snapshot of another run of the same network, or
            the folder of an exported critic (see `inherit`); random numbers if None.
        tower_share: share of the run in which only the vision tower is trained, by dense heads.
        fixed_tower_share: share of the run at its end in which the tower stays as it is, so that
            the language model sees more clips in the same time.
        batch_clips: clips in a step.
        num_frames: of a clip.
        clip_sizes: height and width of frames; the first is used three times in four.
        enlarged_share: share of batches drawn larger and then resized, as served clips are.
        encoded_share: share of clips that pass through a light compression that is no defect.
        quality_pairs, shown_pairs: shares of pairs that differ in one criterion of quality, and in
            one slot of what they show; the rest have nothing in common.
        quality_questions, open_questions, contrasts: asked of every clip; a contrast is a true
            caption and the same wrong in one slot.
        matrix_lr: of Muon, for the weight matrices of both towers' layers.
        other_lr: of AdamW, for all else.
        weight_decay: of both.
        warmup_steps: of the learning rate, in each stage.
        decay_share: share of the run at its end in which the learning rate falls to nothing.
        detached_steps: at the start of asking, steps in which the language model learns to read
            the vision tower without moving it.
        asked_tower_rate: factor of the vision tower's learning rate from then on.
        dense_weight, summary_weight, answer_weight, rank_weight: of the losses of the heads on
            visual tokens and on ends of patches, of the answers and of the ranks, while the
            language model is trained.
        quality_weight, caption_weight: of a question about quality, or about a caption, against
            an open one.
        clip_gradient: largest norm of all gradients together.
        device: `cpu`, `cuda` or `auto`, which takes the latter where there is one.
        autocast: `bfloat16`, or `none` for float32 throughout, which is faster on most CPUs.
        processes: that train together, each on its share of a step's clips; see `group`.
        threads: of each of them.
        workers: processes that render for each of them; with 0 it renders for itself.
        snapshot_every_s: seconds between snapshots to resume from.
        exam_every_s, exam_batches: how often validation clips are asked about during the run, and
            how many batches of them.
        calibration_pairs: pairs of validation clips for every defect and slot; 0 for none.
        audit_pairs: pairs of held-out clips for every defect and slot; 0 for none.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    seed: int = 0
    minutes: float | None = 95.0
    steps: int | None = None
    start_from: str | None = None
    tower_share: float = 0.18
    fixed_tower_share: float = 0.3
    batch_clips: int = 48
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
    quality_pairs: float = 0.55
    shown_pairs: float = 0.25
    quality_questions: int = 8
    open_questions: int = 1
    contrasts: int = 2
    matrix_lr: float = 0.015
    other_lr: float = 0.0015
    weight_decay: float = 0.01
    warmup_steps: int = 50
    decay_share: float = 0.8
    detached_steps: int = 120
    asked_tower_rate: float = 0.5
    dense_weight: float = 0.5
    summary_weight: float = 0.5
    answer_weight: float = 4.0
    rank_weight: float = 1.0
    quality_weight: float = 2.0
    caption_weight: float = 2.0
    clip_gradient: float = 1.0
    device: str = "cpu"
    autocast: Literal["none", "bfloat16"] = "none"
    processes: int = 2
    threads: int = 1
    workers: int = 1
    snapshot_every_s: float = 240.0
    exam_every_s: float = 600.0
    exam_batches: int = 10
    calibration_pairs: int = 32
    audit_pairs: int = 64

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise InputError("a training run needs a budget: minutes, steps or both")
        for name in (
            "minutes",
            "steps",
            "batch_clips",
            "num_frames",
            "processes",
            "threads",
            "warmup_steps",
        ):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InputError(f"{name} must be above 0; found {value}")
        for name in (
            "tower_share",
            "fixed_tower_share",
            "enlarged_share",
            "encoded_share",
            "quality_pairs",
            "shown_pairs",
        ):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise InputError(f"{name} must be in [0, 1]; found {value}")
        if self.tower_share + self.fixed_tower_share >= 1.0:
            raise InputError(
                "tower_share and fixed_tower_share must leave a part of the run in which tower and "
                f"language model learn together; found {self.tower_share} and "
                f"{self.fixed_tower_share}"
            )
        if self.batch_clips % (2 * self.processes):
            raise InputError(
                f"batch_clips must be a multiple of {2 * self.processes}, for pairs in each of "
                f"{self.processes} processes; found {self.batch_clips}"
            )
        if self.num_frames < 2:
            raise InputError(f"num_frames must be at least 2; found {self.num_frames}")
        if self.autocast not in ("none", "bfloat16"):
            raise InputError(f"autocast must be none or bfloat16; found {self.autocast!r}")
        if not 0 < self.network.summary_layer < self.network.num_layers:
            raise InputError("summary_layer must leave layers before and behind it")
        sides = [side for size in self.clip_sizes for side in size]
        if not sides or any(side <= 0 or side % TOKEN_PX for side in sides):
            raise InputError(f"clip_sizes must be multiples of {TOKEN_PX}; found {self.clip_sizes}")

    @property
    def process_clips(self) -> int:
        """Clips of a step that each process sees."""
        return self.batch_clips // self.processes

    def weight_of(self, topic: str) -> float:
        """Weight of a question in the loss."""
        if topic.startswith("open"):
            return 1.0
        about_caption = topic.startswith(("true", "wrong", "shows"))
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


_SHARES = (
    "tower_share",
    "fixed_tower_share",
    "enlarged_share",
    "encoded_share",
    "quality_pairs",
    "shown_pairs",
)

SMOKE = TrainConfig(
    network=NetworkConfig(
        hidden_size=32,
        intermediate_size=32,
        num_layers=2,
        summary_layer=1,
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
    processes=1,
    workers=0,
    calibration_pairs=0,
    audit_pairs=0,
)
"""Two steps of each phase on a network of no use: does the recipe run?"""
