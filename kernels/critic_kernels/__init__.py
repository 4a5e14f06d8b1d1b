"""Operations of the critic engine, one folder each: `api`, `reference` (torch) and kernels.

Importing this package needs torch only; a kernel's own toolchain is imported when it is chosen.
"""

from critic_kernels.frame_patches import frame_patches
from critic_kernels.residual_norm import layer_norm, rms_norm
from critic_kernels.rotary import rotate, rotate_packed
from critic_kernels.segmented_attention import SegmentLayout, segmented_attention
from critic_kernels.swiglu import quick_gelu, swiglu

__all__ = [
    "SegmentLayout",
    "frame_patches",
    "layer_norm",
    "quick_gelu",
    "rms_norm",
    "rotate",
    "rotate_packed",
    "segmented_attention",
    "swiglu",
]
