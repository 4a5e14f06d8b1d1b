"""Write frames as an MP4 that every player opens."""

from __future__ import annotations

import io
import math
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

_BT709 = 1  # the number of BT.709 in H.264's three colour fields
_MAX_FPS_DENOMINATOR = 1001  # exact for 24000/1001 and its kin


def encode_mp4(frames: np.ndarray, fps: float, crf: int = 18) -> bytes:
    """Encode frames as H.264 in MP4, 4:2:0, BT.709, limited range.

    4:2:0 needs even sides: an odd one gets its last row or column once more, so the file is one
    pixel larger than `frames`. 4:4:4 would keep the size, but most players cannot show it.

    Args:
        frames: uint8 `[T, H, W, 3]`, RGB, T at least 1.
        fps: frames per second, above 0; kept as a fraction with a denominator of at most 1001.
        crf: constant rate factor of x264, 0 (best) to 51.

    Returns:
        The file. Equal frames give equal bytes for one version of x264.

    Raises:
        ValueError: frames, rate or crf are not so.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or frames.size == 0:
        raise ValueError(f"frames must be uint8 [T, H, W, 3], got {frames.dtype} {frames.shape}")
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be a finite number above 0, got {fps}")
    if not 0 <= crf <= 51:
        raise ValueError(f"crf must be 0 to 51, got {crf}")
    _, height, width, _ = frames.shape
    odd = ((0, height % 2), (0, width % 2), (0, 0))
    buffer = io.BytesIO()
    with av.open(buffer, mode="w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(_MAX_FPS_DENOMINATOR)
        )
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(crf), "threads": "1"}
        stream.codec_context.colorspace = _BT709
        stream.codec_context.color_primaries = _BT709
        stream.codec_context.color_trc = _BT709
        stream.codec_context.color_range = ColorRange.MPEG
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.pad(frame, odd, mode="edge"), format="rgb24")
            container.mux(stream.encode(_to_bt709(picture)))
        container.mux(stream.encode())
    return buffer.getvalue()


def _to_bt709(picture: av.VideoFrame) -> av.VideoFrame:
    # Tags alone would be a lie: without these, RGB is converted by BT.601.
    return picture.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        threads=1,
    )
