"""Measurements of one clip that need no critic and no weights."""

from __future__ import annotations

from critic_models.dimensions.dimension import Dimension
from critic_models.dimensions.measure import (
    DIMENSIONS,
    measure,
    measure_frames,
    measure_stream,
)

__all__ = ["DIMENSIONS", "Dimension", "measure", "measure_frames", "measure_stream"]
