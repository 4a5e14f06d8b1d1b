"""Clips: decode, sample and size video from bytes that nobody vouches for."""

from __future__ import annotations

from critic_models.video.decode import (
    ClipInfo,
    decode,
    decode_images,
    iter_frames,
    probe,
)
from critic_models.video.encode import encode_mp4
from critic_models.video.frames import (
    from_array,
    from_safetensors,
    iter_array,
    read_safetensors,
    to_safetensors,
)
from critic_models.video.limits import DEFAULT_LIMITS, ClipLimits
from critic_models.video.load import ClipInput, iter_clip_bytes, load_clip, read_file
from critic_models.video.reader import TimedFrame
from critic_models.video.resize import (
    qwen3_capped_max_pixels,
    qwen3_smart_resize,
    qwen_smart_resize,
)
from critic_models.video.sampling import (
    AllFrames,
    AtRate,
    Middle,
    Sampling,
    Uniform,
    sampling_from_name,
)

__all__ = [
    "DEFAULT_LIMITS",
    "AllFrames",
    "AtRate",
    "ClipInfo",
    "ClipInput",
    "ClipLimits",
    "Middle",
    "Sampling",
    "TimedFrame",
    "Uniform",
    "decode",
    "decode_images",
    "encode_mp4",
    "from_array",
    "from_safetensors",
    "iter_array",
    "iter_clip_bytes",
    "iter_frames",
    "load_clip",
    "probe",
    "qwen3_capped_max_pixels",
    "qwen3_smart_resize",
    "qwen_smart_resize",
    "read_file",
    "read_safetensors",
    "sampling_from_name",
    "to_safetensors",
]
