"""Normalisation of rows, after a residual has been added."""

from critic_kernels.residual_norm.api import layer_norm, rms_norm

__all__ = ["layer_norm", "rms_norm"]
