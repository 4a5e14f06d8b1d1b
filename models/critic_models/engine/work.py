"""What the engine is given: questions about one or two prepared clips, already tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from critic_models.vlm.patches import PreparedClip
from critic_models.vlm.prompts import Prefix


@dataclass(frozen=True, eq=False)
class Branch:
    """One question: token ids int64 `[Q]`, and the tokens that may answer it."""

    criterion: str
    ids: np.ndarray
    words: tuple[str, ...]
    answer_ids: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class WorkItem:
    """Some questions about the same clips.

    Attributes:
        clips: one clip, or two in the order they are presented.
        prefix: their shared prompt.
        prefix_positions: int64 `[3, P]`.
        branch_start: position at which every branch starts.
        branches: the questions, at least one.
    """

    clips: tuple[PreparedClip, ...]
    prefix: Prefix
    prefix_positions: np.ndarray
    branch_start: int
    branches: tuple[Branch, ...]

    @property
    def num_tokens(self) -> int:
        """What the item costs in one forward: visual, prompt and question tokens."""
        return len(self.prefix.ids) + sum(len(b.ids) for b in self.branches)

    @property
    def prefix_key(self) -> tuple[str, ...]:
        """Items with equal keys have equal prefixes, and share one in a batch."""
        return tuple(clip.key for clip in self.clips)

    @property
    def frame_bytes(self) -> int:
        """Bytes of frames that are cut into patches on the engine's device."""
        frames = {clip.key: clip.frames for clip in self.clips if clip.frames is not None}
        return sum(each.numel() for each in frames.values())
