"""Clips to the rows that a vision tower reads."""

from critic_kernels.frame_patches.api import frame_patches
from critic_kernels.frame_patches.frames import FrameBatch

__all__ = ["FrameBatch", "frame_patches"]
