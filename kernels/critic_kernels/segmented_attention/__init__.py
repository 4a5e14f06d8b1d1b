"""Attention over packed segments, each with an optional shared prefix."""

from critic_kernels.segmented_attention.api import segmented_attention
from critic_kernels.segmented_attention.availability import IMPLS, Impl, available_impls
from critic_kernels.segmented_attention.layout import SegmentLayout

__all__ = ["IMPLS", "Impl", "SegmentLayout", "available_impls", "segmented_attention"]
