"""Activations of MLPs in one pass."""

from critic_kernels.swiglu.api import quick_gelu, swiglu

__all__ = ["quick_gelu", "swiglu"]
