"""Checkpoints of published networks: what they are, where they lie, and safe loading."""

from __future__ import annotations

from critic_models.dimensions.weights.registry import WEIGHTS, WeightsFile
from critic_models.dimensions.weights.store import WeightsMissing, WeightStore, weights_dir

__all__ = ["WEIGHTS", "WeightStore", "WeightsFile", "WeightsMissing", "weights_dir"]
