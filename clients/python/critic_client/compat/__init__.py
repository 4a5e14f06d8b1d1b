"""Reward functions with the signatures that other trainers call; nothing is ever pickled.

from critic_client import CriticClient
from critic_client.compat import multi_score

reward_fn = multi_score(CriticClient(url), {"text_alignment": 1.0, "visual_quality": 0.5}, fps=16)
rewards, _ = reward_fn(videos, prompts, metadata, only_strict=True)
"""

from __future__ import annotations

from .flow_grpo import critic_score, multi_score

__all__ = ["critic_score", "multi_score"]
