"""What subject and background consistency have in common: likeness of frames by their features."""

from __future__ import annotations

from torch import Tensor

from critic_models.dimensions.dimension import Reading, Scale


def frame_likeness(features: Tensor) -> Tensor:
    """Return how alike each frame is to the one before and to the first.

    Args:
        features: `[T, D]`, of unit length.

    Returns:
        `[T - 1]`, from the second frame on: the mean of the two cosines, each at least 0.
    """
    to_previous = (features[1:] * features[:-1]).sum(-1).clamp_min(0)
    to_first = (features[1:] * features[:1]).sum(-1).clamp_min(0)
    return (to_previous.double() + to_first.double()) / 2


def consistency(features: Tensor, scale: Scale) -> Reading:
    """Compute a clip's consistency; it weighs as many frames as were compared."""
    likeness = frame_likeness(features)
    raw = float(likeness.mean())
    return Reading(raw, scale.value(raw), tuple(likeness.tolist()), weight=float(len(likeness)))
