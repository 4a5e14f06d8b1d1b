"""Size rules of model families: pure arithmetic on heights and widths, no pixels.

The rules must give the very sizes that a checkpoint was trained with, including what their
rounding does at the edges, so they follow the order of operations of the published processors
(Qwen2-VL and Qwen3-VL in transformers) in double precision.
"""

from __future__ import annotations

import math

from critic_models.errors import ClipError

MAX_ASPECT_RATIO = 200


def qwen_smart_resize(
    height: int, width: int, factor: int, min_pixels: int, max_pixels: int
) -> tuple[int, int]:
    """Return the size that Qwen2-VL and Qwen2.5-VL resize a frame to.

    Each side is rounded to a multiple of `factor`. If the area is then above `max_pixels`, both
    original sides are scaled down by the square root of the excess and rounded down; if below
    `min_pixels`, scaled up and rounded up. Budgets are pixels of one frame.

    Args:
        height: pixels, at least 1.
        width: pixels, at least 1.
        factor: patch size times merge size, in pixels: 28 for these models.
        min_pixels: least area of a frame.
        max_pixels: greatest area of a frame.

    Returns:
        Height and width, multiples of `factor`.

    Raises:
        ClipError: one side is more than 200 times the other.
        ValueError: a size, the factor or the budgets make no sense.
    """
    _check(height, width, factor, min_pixels, max_pixels)
    _check_aspect(height, width)
    # Height and width first, budget last: the order decides the last bit, and so a size.
    return _fit(height, width, factor, 1, 1, min_pixels, max_pixels)


def qwen3_smart_resize(
    num_frames: int,
    height: int,
    width: int,
    factor: int,
    min_pixels: int,
    max_pixels: int,
    temporal_factor: int = 2,
) -> tuple[int, int]:
    """Return the size that Qwen3-VL resizes the frames of a video to.

    As `qwen_smart_resize`, with two differences: budgets count the pixels of all frames together,
    T x H x W with T rounded to a multiple of `temporal_factor`; and a side below `factor` is first
    brought up to it, keeping the aspect ratio.

    Args:
        num_frames: sampled frames, at least `temporal_factor`.
        height: pixels, at least 1.
        width: pixels, at least 1.
        factor: patch size times merge size, in pixels: 32 for these models.
        min_pixels: least number of pixels of the video.
        max_pixels: greatest number of pixels of the video.
        temporal_factor: frames in one temporal patch.

    Returns:
        Height and width, multiples of `factor`.

    Raises:
        ClipError: one side is more than 200 times the other.
        ValueError: a size, a factor or the budgets make no sense.
    """
    _check(height, width, factor, min_pixels, max_pixels)
    if temporal_factor < 1 or num_frames < temporal_factor:
        raise ValueError(f"num_frames {num_frames} must be at least {temporal_factor}")
    if height < factor or width < factor:
        scale = max(factor / height, factor / width)
        height, width = int(height * scale), int(width * scale)
    _check_aspect(height, width)
    counted = round(num_frames / temporal_factor) * temporal_factor
    return _fit(height, width, factor, num_frames, counted, min_pixels, max_pixels)


def qwen3_capped_max_pixels(
    num_frames: int, factor: int, min_pixels: int, max_pixels: int, max_tokens_per_frame: int = 768
) -> int:
    """Return the budget of a video under the cap per frame of qwen-vl-utils.

    A frame gets at most `max_tokens_per_frame` squares of `factor` and at most its even share of
    `max_pixels`, but never less than 1.05 times `min_pixels`. This is what transformers calls
    `cap_pixels_per_frame`; pass the result as `max_pixels` of `qwen3_smart_resize`.
    """
    share = min(max_tokens_per_frame * factor * factor, max_pixels // num_frames)
    return max(share, int(min_pixels * 1.05)) * num_frames


def _fit(
    height: int,
    width: int,
    factor: int,
    num_frames: int,
    counted_frames: int,
    min_pixels: int,
    max_pixels: int,
) -> tuple[int, int]:
    rounded_height = round(height / factor) * factor
    rounded_width = round(width / factor) * factor
    rounded_pixels = counted_frames * rounded_height * rounded_width
    pixels = num_frames * height * width
    if rounded_pixels > max_pixels:
        shrink = math.sqrt(pixels / max_pixels)
        return (
            max(factor, math.floor(height / shrink / factor) * factor),
            max(factor, math.floor(width / shrink / factor) * factor),
        )
    if rounded_pixels < min_pixels:
        grow = math.sqrt(min_pixels / pixels)
        return (
            math.ceil(height * grow / factor) * factor,
            math.ceil(width * grow / factor) * factor,
        )
    return rounded_height, rounded_width


def _check(height: int, width: int, factor: int, min_pixels: int, max_pixels: int) -> None:
    if min(height, width, factor) < 1:
        raise ValueError(f"height {height}, width {width}, factor {factor} must be at least 1")
    if not 0 < min_pixels <= max_pixels:
        raise ValueError(f"0 < min_pixels <= max_pixels, got {min_pixels} and {max_pixels}")


def _check_aspect(height: int, width: int) -> None:
    ratio = max(height, width) / min(height, width)
    if ratio > MAX_ASPECT_RATIO:
        raise ClipError(
            f"One side of the frame is {ratio:.1f} times the other; "
            f"at most {MAX_ASPECT_RATIO} is allowed.",
            limit="max_aspect_ratio",
            allowed=MAX_ASPECT_RATIO,
            found=ratio,
        )
