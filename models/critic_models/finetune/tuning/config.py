"""Everything that decides a run on labelled rows, in frozen values saved with the checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from critic_models.errors import InputError
from critic_models.rows import Source
from critic_models.vlm.criteria import Criterion
from critic_models.vlm.spec import PairwiseMethod

RECIPE = "rows"

Tuning = Literal["frozen", "lora", "full"]
PartName = Literal["language", "merger", "vision"]
PARTS: tuple[PartName, ...] = get_args(PartName)


@dataclass(frozen=True)
class PartTuning:
    """How one part of the network is trained, and how fast."""

    tuning: Tuning = "frozen"
    learning_rate: float = 1e-4

    def __post_init__(self) -> None:
        if self.tuning not in get_args(Tuning):
            raise InputError(
                f"a part is tuned by one of {', '.join(get_args(Tuning))}; found {self.tuning!r}"
            )
        if not self.learning_rate > 0:
            raise InputError(f"learning_rate must be above 0; found {self.learning_rate}")


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adapters of all linear layers of a part; the figures are VideoReward's."""

    rank: int = 64
    alpha: float = 128.0
    dropout: float = 0.05

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.alpha > 0 or not 0.0 <= self.dropout < 1.0:
            raise InputError(
                "an adapter needs a rank of at least 1, an alpha above 0 and a dropout in [0, 1)"
            )


@dataclass(frozen=True)
class LossWeights:
    """What is minimised: weights of the terms, 0 for a term that is left out.

    Attributes:
        pointwise: cross-entropy of the answer to a question about one clip.
        pairwise: cross-entropy of the answer to which of two clips is better, in both orders.
        bradley_terry: likelihood of a pair's label under the two clips' own scores, with ties.
        reason: cross-entropy of a reason's tokens after the answer, a mean over the tokens.
        tie_theta: how much better a clip must be, as a factor of odds, to win as often as it does
            not; VideoReward's is 5. The margin of `critic.json` is its logarithm.
    """

    pointwise: float = 1.0
    pairwise: float = 1.0
    bradley_terry: float = 1.0
    reason: float = 0.5
    tie_theta: float = 5.0

    def __post_init__(self) -> None:
        terms = (self.pointwise, self.pairwise, self.bradley_terry, self.reason)
        if min(terms) < 0 or not max(terms[:3]) > 0:
            raise InputError("weights of losses must not be negative, nor all of them 0")
        if not self.tie_theta > 1:
            raise InputError(f"tie_theta must be above 1; found {self.tie_theta}")


@dataclass(frozen=True)
class RowsConfig:
    """One run.

    Attributes:
        critic: folder of the checkpoint to start from.
        rows: files of training rows.
        name, description, limits: of the new critic, for people.
        validation_rows: files of validation rows; where there are none, some are held out.
        validation_share: share of the rows that is held out, by groups of prompts and clips.
        max_rejected_share: a run with more rejects among its rows does not begin.
        criteria: added to those of the checkpoint, or in place of them where the name is the same.
        sampling: name of the policy that chooses frames, such as `uniform-8`; None for the
            checkpoint's own, and so with the next two.
        min_pixels, max_pixels: budget of one frame, or of the clip, as the architecture counts.
        pairwise_method: how the new critic compares; None for what is better on validation rows.
        reward_weights: of the new critic's default reward; None for equal weights.
        language, merger, vision: how each part of the network is trained.
        lora, losses: see there.
        seed: of adapters, order and dropout.
        epochs: passes over the rows.
        max_steps: an upper bound on steps, whatever the epochs.
        cases_per_step: clips or pairs of clips in one step of the optimiser, over all devices.
        max_batch_tokens: of one forward; a larger case runs alone.
        warmup_share: share of the steps in which learning rates rise; then they fall to 0 along a
            cosine.
        weight_decay, clip_gradient: of AdamW, and the largest norm of all gradients together.
        precision: `bf16` computes in bfloat16. Adapters are kept in float32, and so is the whole
            network where a part of it is trained whole; else its weights are in bfloat16. `fp32`
            does all in float32.
        gradient_checkpointing: compute activations twice instead of keeping them.
        workers: processes of each trainer that decode clips; with 0 it decodes for itself.
        evaluate_every_steps, snapshot_every_steps: 0 for at the end alone.
        evaluation_cases: at most so many while training; the end always measures all.
    """

    critic: str
    rows: tuple[Source, ...]
    name: str = "tuned-critic"
    description: str = "Fine-tuned on labelled rows."
    limits: str = "Judges what its rows taught; audit it on your own clips before training on it."
    validation_rows: tuple[Source, ...] = ()
    validation_share: float = 0.1
    max_rejected_share: float = 0.05
    criteria: tuple[Criterion, ...] = ()
    sampling: str | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    pairwise_method: PairwiseMethod | None = None
    reward_weights: Mapping[str, float] | None = None
    language: PartTuning = PartTuning("lora", 1e-4)
    merger: PartTuning = PartTuning()
    vision: PartTuning = PartTuning()
    lora: LoraSettings = LoraSettings()
    losses: LossWeights = LossWeights()
    seed: int = 0
    epochs: float = 1.0
    max_steps: int | None = None
    cases_per_step: int = 32
    max_batch_tokens: int = 16_384
    warmup_share: float = 0.03
    weight_decay: float = 0.0
    clip_gradient: float = 1.0
    precision: Literal["bf16", "fp32"] = "bf16"
    gradient_checkpointing: bool = True
    workers: int = 4
    evaluate_every_steps: int = 200
    snapshot_every_steps: int = 100
    evaluation_cases: int = 256
    recipe: str = field(default=RECIPE)

    def __post_init__(self) -> None:
        if self.recipe != RECIPE:
            raise InputError(f"recipe must be {RECIPE!r}; found {self.recipe!r}")
        if not self.rows:
            raise InputError("a run needs at least one file of rows")
        if all(self.part(name).tuning == "frozen" for name in PARTS):
            raise InputError("every part of the network is frozen: there is nothing to train")
        above_0 = {
            "epochs": self.epochs,
            "cases_per_step": self.cases_per_step,
            "max_batch_tokens": self.max_batch_tokens,
            "clip_gradient": self.clip_gradient,
            "evaluation_cases": self.evaluation_cases,
            "max_steps": 1 if self.max_steps is None else self.max_steps,
        }
        for name, value in above_0.items():
            if not value > 0:
                raise InputError(f"{name} must be above 0; found {value}")
        for name in ("validation_share", "max_rejected_share", "warmup_share"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise InputError(f"{name} must be in [0, 1); found {getattr(self, name)}")
        for name in ("weight_decay", "workers", "evaluate_every_steps", "snapshot_every_steps"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} must not be negative; found {getattr(self, name)}")
        if self.precision not in ("bf16", "fp32"):
            raise InputError(f"precision must be bf16 or fp32; found {self.precision!r}")

    @property
    def weight_dtype(self) -> Literal["float32", "bfloat16"]:
        """In which dtype the network's own weights are kept while training."""
        whole = any(self.part(part).tuning == "full" for part in PARTS)
        return "float32" if whole or self.precision == "fp32" else "bfloat16"

    def part(self, name: PartName) -> PartTuning:
        """Return how a part is tuned."""
        tuning: PartTuning = getattr(self, name)
        return tuning

    def to_json(self) -> str:
        """Return the content of `training.json`."""
        return json.dumps(asdict(self), indent=2, default=str, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, folder: Path = Path()) -> RowsConfig:
        """Read a configuration; fields that are left out keep their defaults.

        Args:
            folder: that relative paths start from.

        Raises:
            InputError: where the text is not JSON, names an unknown field or has a bad value.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise InputError(f"the training configuration is not JSON: {error}") from error
        chosen = _known(cls, content)
        try:
            for name in ("rows", "validation_rows"):
                if name in chosen:
                    chosen[name] = tuple(_source(source, folder) for source in chosen[name])
            if "criteria" in chosen:
                chosen["criteria"] = tuple(_criterion(c) for c in chosen["criteria"])
            for name, kind in _NESTED.items():
                if name in chosen:
                    chosen[name] = kind(**_known(kind, chosen[name]))
            local = folder / str(chosen.get("critic", ""))
            if "critic" in chosen and local.is_dir():
                chosen["critic"] = str(local)
            return cls(**chosen)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise InputError(f"the training configuration is not valid: {error}") from error

    @classmethod
    def load(cls, path: Path) -> RowsConfig:
        """Read a configuration from a file, next to which relative paths are; as `from_json`."""
        return cls.from_json(path.read_text(encoding="utf-8"), path.parent)


_NESTED: dict[str, type] = {
    **dict.fromkeys(("language", "merger", "vision"), PartTuning),
    "lora": LoraSettings,
    "losses": LossWeights,
}


def _known(kind: type, content: Any) -> dict[str, Any]:
    if not isinstance(content, Mapping):
        raise InputError(f"{kind.__name__} in a training configuration must be an object")
    allowed = {f.name for f in fields(kind)}
    unknown = set(content) - allowed
    if unknown:
        raise InputError(
            f"unknown in a training configuration: {sorted(unknown)}; allowed: {sorted(allowed)}"
        )
    return dict(content)


def _source(content: Any, folder: Path) -> Source:
    chosen = _known(Source, content)
    for name in ("path", "clips_root", "questions"):
        if chosen.get(name) is not None:
            chosen[name] = folder / str(chosen[name])
    return Source(**chosen)


def _criterion(content: Any) -> Criterion:
    chosen = _known(Criterion, content)
    return Criterion(**{**chosen, "answers": tuple(chosen["answers"])})
