"""Every dimension there is, with its facts; importing it imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from critic_models.dimensions.aesthetic_quality import AESTHETIC_QUALITY
from critic_models.dimensions.appearance_style import APPEARANCE_STYLE
from critic_models.dimensions.background_consistency import BACKGROUND_CONSISTENCY
from critic_models.dimensions.caption_dimensions import COLOR, SCENE
from critic_models.dimensions.detected import DetectedDimension
from critic_models.dimensions.dimension import Facts
from critic_models.dimensions.dynamic_degree import DYNAMIC_DEGREE
from critic_models.dimensions.human_action import HUMAN_ACTION
from critic_models.dimensions.i2v_subject import I2V_SUBJECT
from critic_models.dimensions.imaging_quality import IMAGING_QUALITY
from critic_models.dimensions.measure import DIMENSIONS
from critic_models.dimensions.motion_smoothness import MOTION_SMOOTHNESS
from critic_models.dimensions.networked import NetworkDimension
from critic_models.dimensions.object_dimensions import (
    MULTIPLE_OBJECTS,
    OBJECT_CLASS,
    SPATIAL_RELATIONSHIP,
)
from critic_models.dimensions.static_filter import STATIC_FILTER
from critic_models.dimensions.subject_consistency import SUBJECT_CONSISTENCY
from critic_models.dimensions.video_text import OVERALL_CONSISTENCY, TEMPORAL_STYLE
from critic_models.dimensions.vlm_dimensions import ASKED_DIMENSIONS

NETWORK_DIMENSIONS: Mapping[str, NetworkDimension] = MappingProxyType(
    {
        each.name: each
        for each in (
            AESTHETIC_QUALITY,
            APPEARANCE_STYLE,
            BACKGROUND_CONSISTENCY,
            DYNAMIC_DEGREE,
            HUMAN_ACTION,
            I2V_SUBJECT,
            IMAGING_QUALITY,
            MOTION_SMOOTHNESS,
            OVERALL_CONSISTENCY,
            STATIC_FILTER,
            SUBJECT_CONSISTENCY,
            TEMPORAL_STYLE,
        )
    }
)

DETECTED_DIMENSIONS: Mapping[str, DetectedDimension] = MappingProxyType(
    {
        each.name: each
        for each in (COLOR, MULTIPLE_OBJECTS, OBJECT_CLASS, SCENE, SPATIAL_RELATIONSHIP)
    }
)

CATALOGUE: Mapping[str, Facts] = MappingProxyType(
    dict(
        sorted(
            {
                **DIMENSIONS,
                **NETWORK_DIMENSIONS,
                **DETECTED_DIMENSIONS,
                **ASKED_DIMENSIONS,
            }.items()
        )
    )
)
"""By name: those of `DIMENSIONS`, those that need networks, a detector, or a critic to ask."""


def users_of(weights: str) -> list[str]:
    """Return the names of the dimensions that need a file."""
    return [name for name, facts in CATALOGUE.items() if weights in facts.weights]
