"""What differs between the supported architectures, as facts.

Sources: the configurations and processors of transformers 5.17 to 5.23 for `qwen2_vl`,
`qwen2_5_vl` and `qwen3_vl`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from critic_models.errors import CheckpointError

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Family:
    """One architecture.

    Attributes:
        model_type: as in `config.json`.
        model_class: its class in transformers.
        timestamps: whether every temporal patch is preceded by its time as text.
        budget_unit: whether the processor's pixel budget counts one frame or the whole clip.
        timed_positions: whether temporal positions scale with seconds.
        system: the system message of its chat template, if it has one by default.
    """

    model_type: str
    model_class: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    timestamps: bool
    budget_unit: Literal["frame", "clip"]
    timed_positions: bool
    system: str | None


_ASSISTANT = "You are a helpful assistant."
FAMILIES = {
    family.model_type: family
    for family in (
        Family(
            "qwen2_vl",
            "Qwen2VLForConditionalGeneration",
            CLIP_MEAN,
            CLIP_STD,
            timestamps=False,
            budget_unit="frame",
            timed_positions=False,
            system=_ASSISTANT,
        ),
        Family(
            "qwen2_5_vl",
            "Qwen2_5_VLForConditionalGeneration",
            CLIP_MEAN,
            CLIP_STD,
            timestamps=False,
            budget_unit="frame",
            timed_positions=True,
            system=_ASSISTANT,
        ),
        Family(
            "qwen3_vl",
            "Qwen3VLForConditionalGeneration",
            HALF,
            HALF,
            timestamps=True,
            budget_unit="clip",
            timed_positions=False,
            system=None,
        ),
    )
}


def family_of(model_type: object) -> Family:
    """Return the family of a `config.json`'s `model_type`, or raise `CheckpointError`."""
    try:
        return FAMILIES[str(model_type)]
    except KeyError:
        raise CheckpointError(
            f"checkpoints of type {model_type!r} are not supported; supported: "
            + ", ".join(sorted(FAMILIES)),
            model_type=str(model_type),
        ) from None
