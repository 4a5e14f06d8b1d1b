"""Metric rewards: numbers of a clip that trainers use as rewards, under names of their own.

A metric is asked for beside a critic's criteria, by a name that begins with `metric.`; higher is
better for each of them. `metric.py` says what one is, `catalogue.py` which there are,
`picture_text.py` and `flow.py` hold the formulas, and `suite.py`, which imports networks, measures
clips.
"""

from __future__ import annotations

from critic_models.metrics.catalogue import METRICS
from critic_models.metrics.metric import PREFIX, Metric

__all__ = ["METRICS", "PREFIX", "Metric"]
