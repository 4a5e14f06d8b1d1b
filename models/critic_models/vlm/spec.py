"""What makes a checkpoint a critic: questions, sampling, positions, readout, calibration.

A critic of this project carries it as `critic.json` beside its weights. A checkpoint without one is
a general model, judged with the zero-shot questions.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from critic_models.errors import CheckpointError, UnknownName
from critic_models.video.sampling import AtRate, Sampling, sampling_from_name
from critic_models.vlm.criteria import (
    PAIRWISE_ANSWERS,
    ZERO_SHOT_CRITERIA,
    AnswerKind,
    Criterion,
)
from critic_models.vlm.families import Family
from critic_models.vlm.positions import POSITION_VERSIONS, PositionVersion
from critic_models.vlm.prompts import TEMPLATE_VERSION

SPEC_FILE = "critic.json"
SPEC_FORMAT = 1

PairwiseMethod = Literal["both_orders", "scores"]


@dataclass(frozen=True)
class Platt:
    """`value = sigmoid(scale * raw + shift)`; fitted on validation clips, `scale` positive."""

    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, raw: float) -> float:
        return _sigmoid(self.scale * raw + self.shift)


@dataclass(frozen=True)
class CriticSpec:
    """All of a critic that is not weights.

    Attributes:
        name: as on the wire.
        description, limits: for people; what it judges, and what it cannot.
        criteria: by name.
        sampling: which frames of a clip it looks at.
        min_pixels, max_pixels: budget of one frame, or of the whole clip (`budget_unit`).
        positions: version of the rotary positions.
        system: system message, if any.
        pairwise_method: how `compare` judges unless told otherwise.
        pairwise_question: with an `{aspect}` slot.
        tie_margin: half-width of the tie band on the raw scale, for preferences from scores.
        calibration: by criterion; the identity of the log-odds where none was fitted.
        reward_weights: of criteria in the default reward.
        min_answer_mass: below it the critic did not answer.
    """

    name: str
    description: str
    limits: str
    criteria: Mapping[str, Criterion]
    sampling: Sampling
    min_pixels: int
    max_pixels: int
    budget_unit: Literal["frame", "clip"]
    positions: PositionVersion
    system: str | None
    pairwise_method: PairwiseMethod
    pairwise_question: str
    reward_weights: Mapping[str, float]
    pairwise_answers: tuple[str, ...] = PAIRWISE_ANSWERS
    tie_margin: float = math.log(2.0)
    calibration: Mapping[str, Platt] = field(default_factory=dict)
    min_answer_mass: float = 0.1

    @property
    def default_criteria(self) -> tuple[str, ...]:
        return tuple(name for name, c in self.criteria.items() if c.default)

    @property
    def template_hash(self) -> str:
        """Hash of everything that decides which tokens are asked."""
        questions = [asdict(c) for c in self.criteria.values()]
        for question in questions:
            del question["default"]
        text = [TEMPLATE_VERSION, self.system, self.pairwise_question, self.pairwise_answers]
        return _hash([*text, questions])

    @property
    def calibration_hash(self) -> str:
        """Hash of everything that turns logits into values and preferences."""
        platts = {name: asdict(platt) for name, platt in sorted(self.calibration.items())}
        return _hash([platts, self.tie_margin, self.min_answer_mass, self.pairwise_method])

    def to_json(self) -> dict[str, Any]:
        """Return the content of `critic.json`."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        content["criteria"] = [asdict(c) for c in self.criteria.values()]
        content["sampling"] = self.sampling.name
        content["calibration"] = {name: asdict(p) for name, p in self.calibration.items()}
        content["reward_weights"] = dict(self.reward_weights)
        return {"format": SPEC_FORMAT, **content}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CriticSpec:
        """Build a specification from the content of `critic.json`.

        Raises:
            CheckpointError: for an unknown format, missing or unknown fields, or bad values.
        """
        fields = dict(content)
        if fields.pop("format", None) != SPEC_FORMAT:
            raise CheckpointError(f"{SPEC_FILE} is not of format {SPEC_FORMAT}")
        try:
            criteria = [_criterion(c) for c in fields["criteria"]]
            fields["criteria"] = {c.name: c for c in criteria}
            fields["sampling"] = sampling_from_name(fields["sampling"])
            fields["pairwise_answers"] = tuple(fields["pairwise_answers"])
            calibration = fields["calibration"].items()
            fields["calibration"] = {name: Platt(**values) for name, values in calibration}
            spec = cls(**fields)
        except (KeyError, TypeError, ValueError, UnknownName) as error:
            raise CheckpointError(f"{SPEC_FILE} is not valid: {error}") from error
        spec.check()
        return spec

    def check(self) -> None:
        """Raise `CheckpointError` where fields contradict each other."""
        unknown = {*self.calibration, *self.reward_weights} - set(self.criteria)
        if unknown:
            raise CheckpointError(f"{SPEC_FILE} names unknown criteria: {sorted(unknown)}")
        if self.positions not in POSITION_VERSIONS:
            raise CheckpointError(f"{SPEC_FILE} names unknown positions: {self.positions!r}")
        if self.pairwise_method not in get_args(PairwiseMethod):
            raise CheckpointError(f"{SPEC_FILE}: unknown pairwise_method {self.pairwise_method!r}")
        if len(self.pairwise_answers) != len(PAIRWISE_ANSWERS):
            raise CheckpointError(f"{SPEC_FILE}: pairwise_answers must be first, second and tie")
        if any(platt.scale <= 0 for platt in self.calibration.values()):
            raise CheckpointError(f"{SPEC_FILE}: a calibration must rise with the raw score")
        if not self.default_criteria or not 0 < self.min_pixels <= self.max_pixels:
            raise CheckpointError(f"{SPEC_FILE} needs a default criterion and a pixel budget")


def load_spec(directory: Path, family: Family) -> CriticSpec:
    """Read `critic.json`, or build the zero-shot specification for a general model."""
    path = directory / SPEC_FILE
    if not path.is_file():
        return zero_shot_spec(directory, family)
    return CriticSpec.from_json(read_json_object(path))


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON object of a checkpoint.

    Raises:
        CheckpointError: where the file cannot be read or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} must hold a JSON object")
    return content


def zero_shot_spec(directory: Path, family: Family) -> CriticSpec:
    """Judge with a general model: two frames a second, the checkpoint's own pixel budget."""
    min_pixels, max_pixels = _pixel_budget(directory, family)
    defaults = [c.name for c in ZERO_SHOT_CRITERIA if c.default]
    return CriticSpec(
        name=directory.name,
        description="A general vision-language model, asked without training.",
        limits="Not trained as a critic and not calibrated: audit it before training on it.",
        criteria={c.name: c for c in ZERO_SHOT_CRITERIA},
        sampling=AtRate(fps=2.0, min_frames=4, max_frames=64),
        min_pixels=min_pixels,
        max_pixels=max_pixels,
        budget_unit=family.budget_unit,
        positions="mrope-v4",
        system=family.system,
        pairwise_method="both_orders",
        pairwise_question=(
            "Which of the two videos is better in {aspect}? Answer with a single word: A, B or tie."
        ),
        reward_weights=dict.fromkeys(defaults, 1.0),
    )


def _pixel_budget(directory: Path, family: Family) -> tuple[int, int]:
    """Read the processor's budget; published sizes of the family where the file has none."""
    for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
        path = directory / name
        if not path.is_file():
            continue
        content = read_json_object(path)
        size = content.get("size") or {}
        low = content.get("min_pixels", size.get("shortest_edge"))
        high = content.get("max_pixels", size.get("longest_edge"))
        if isinstance(low, int) and isinstance(high, int):
            return low, high
    unit = 32 * 32 if family.budget_unit == "clip" else 28 * 28
    return 128 * unit, 768 * unit


def _criterion(content: Mapping[str, Any]) -> Criterion:
    criterion = Criterion(**{**content, "answers": tuple(content["answers"])})
    if criterion.read_from not in get_args(AnswerKind):
        raise ValueError(f"criterion {criterion.name}: unknown readout {criterion.read_from!r}")
    if criterion.read_from == "yes_no" and len(criterion.answers) != 2:
        raise ValueError(f"criterion {criterion.name}: yes_no takes exactly two answers")
    if len(criterion.answers) < 2:
        raise ValueError(f"criterion {criterion.name}: needs at least two answers")
    return criterion


def _hash(content: Any) -> str:
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _sigmoid(x: float) -> float:
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    return math.exp(x) / (1.0 + math.exp(x))
