"""A rendered world with captions and graded defects, for training and auditing critics.

Deterministic by seed; needs numpy and OpenCV only.
"""

from critic_models.world.captions import SLOTS, VALUES, with_wrong, write_caption
from critic_models.world.defects import (
    DEFECTS,
    Degraded,
    apply,
    degrade,
    encode_lightly,
    sample_severities,
)
from critic_models.world.render import object_mask, render
from critic_models.world.scene import Scene, sample_scene
from critic_models.world.splits import SPLITS, Split

__all__ = [
    "DEFECTS",
    "SLOTS",
    "SPLITS",
    "VALUES",
    "Degraded",
    "Scene",
    "Split",
    "apply",
    "degrade",
    "encode_lightly",
    "object_mask",
    "render",
    "sample_scene",
    "sample_severities",
    "with_wrong",
    "write_caption",
]
