"""Attention over packed segments, each with an optional shared prefix."""

from critic_kernels.segmented_attention.api import segmented_attention
from critic_kernels.segmented_attention.layout import SegmentLayout

__all__ = ["SegmentLayout", "segmented_attention"]
