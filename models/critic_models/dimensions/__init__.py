"""Measurements of one clip that need no critic.

What is exported here needs no weights and imports no torch. All dimensions, VBench's sixteen among
them, are in `catalogue`; those that need networks are measured by `suite.network_runner`, those
that need a detector by `detected.measure_detected`; `asked` reads those that ask a critic;
`totals` combines VBench's.
"""

from __future__ import annotations

from critic_models.dimensions.dimension import Dimension
from critic_models.dimensions.measure import (
    DIMENSIONS,
    measure,
    measure_frames,
    measure_stream,
)

__all__ = ["DIMENSIONS", "Dimension", "measure", "measure_frames", "measure_stream"]
