"""Rotary position embedding of queries and keys."""

from critic_kernels.rotary.api import HeadNorm, rotate, rotate_packed

__all__ = ["HeadNorm", "rotate", "rotate_packed"]
