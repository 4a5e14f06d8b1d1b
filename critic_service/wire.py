"""What all wire models have in common, and what may be told of a prompt besides its text."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_QUESTIONS = 32
MAX_WORDS_CHARACTERS = 500

Words = Annotated[str, Field(min_length=1, max_length=MAX_WORDS_CHARACTERS)]


class Wire(BaseModel):
    """Base of all wire models: strict about fields, silent about nothing."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class SpatialRelationship(Wire):
    """How two objects were to stand to each other: `object_a` `on the left of` `object_b`."""

    object_a: Words
    object_b: Words
    relationship: Words


class Auxiliary(Wire):
    """What is known of a prompt, for dimensions that need it.

    The names are those of VBench's `auxiliary_info`. `questions` (descriptions, for
    `vlm.composition`) and `judge` are VBench-2.0's.
    """

    object: Words | None = Field(default=None, description="`bird`, or `bird and cat`")
    color: Words | None = None
    appearance_style: Words | None = None
    scene: Words | None = None
    human_action: Words | None = None
    spatial_relationship: SpatialRelationship | None = None
    questions: Annotated[list[Words], Field(min_length=1, max_length=MAX_QUESTIONS)] | None = None
    judge: tuple[bool, bool] | None = Field(
        default=None, description="whether one creature alone is to be seen; whether all count"
    )
