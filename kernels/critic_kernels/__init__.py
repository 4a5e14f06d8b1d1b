"""Operations of the critic engine, one folder each: `api`, `reference` (torch) and kernels.

Importing this package needs torch only; a kernel's own toolchain is imported when it is chosen.
"""

from critic_kernels.frame_patches import frame_patches
from critic_kernels.segmented_attention import SegmentLayout, segmented_attention

__all__ = ["SegmentLayout", "frame_patches", "segmented_attention"]
