"""Frames of a clip to the rows that a vision tower reads."""

from critic_kernels.frame_patches.api import frame_patches

__all__ = ["frame_patches"]
