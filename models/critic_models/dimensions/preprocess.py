"""How frames are prepared for networks: resizing, cropping and normalising, as references do it.

Most resizing here is not antialiased, because VBench turns that off; antialiasing changes features
by more than a wrong interpolation. Frames come as uint8 and the order of rounding matters: resized
as floats they keep the overshoot of bicubic interpolation, resized as uint8 they lose it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

Mode = Literal["bilinear", "bicubic"]


def to_planes(frames: np.ndarray) -> Tensor:
    """Return uint8 `[…, H, W, 3]` as uint8 `[…, 3, H, W]`."""
    return torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, -3)


def short_side_size(height: int, width: int, short: int) -> tuple[int, int]:
    """Return the size whose shorter side is `short`; the longer one is rounded down."""
    if width <= height:
        return int(short * height / width), short
    return short, int(short * width / height)


def resize(planes: Tensor, size: tuple[int, int], mode: Mode) -> Tensor:
    """Resize without antialiasing.

    Args:
        planes: `[N, C, H, W]`; uint8 is rounded and clamped to uint8 again, floats are not.
        size: height and width.
        mode: of interpolation.

    Returns:
        `[N, C, *size]` of the same dtype.
    """
    if planes.shape[-2:] == size:
        return planes
    resized = F.interpolate(planes.float(), size, mode=mode, align_corners=False)
    if planes.dtype is torch.uint8:
        return resized.clamp(0, 255).round().to(torch.uint8)
    return resized


def centre_crop(planes: Tensor, side: int) -> Tensor:
    """Cut the middle square out of `[…, H, W]`; a half pixel is rounded to even."""
    height, width = planes.shape[-2:]
    top, left = round((height - side) / 2), round((width - side) / 2)
    return planes[..., top : top + side, left : left + side]


def normalise(
    planes: Tensor, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> Tensor:
    """Bring 0 … 255 to 0 … 1, then subtract `mean` and divide by `std`, per channel."""
    shape = (3, 1, 1)
    scaled = planes.float().div(255.0)
    return scaled.sub(torch.tensor(mean).view(shape)).div(torch.tensor(std).view(shape))


def clip_square_of_floats(frames: np.ndarray, side: int = 224) -> Tensor:
    """Prepare frames for CLIP as VBench does for background consistency and aesthetic quality.

    Args:
        frames: uint8 `[N, H, W, 3]`.
        side: of the square.

    Returns:
        `[N, 3, side, side]`.
    """
    return _clip_square(to_planes(frames).float(), side)


def clip_square_of_bytes(frames: np.ndarray, side: int = 224) -> Tensor:
    """Prepare frames for ViCLIP: as `clip_square_of_floats`, but resized as uint8."""
    return _clip_square(to_planes(frames), side)


def clip_square_of_pictures(frames: np.ndarray, side: int = 224) -> Tensor:
    """Prepare frames for CLIP as VBench does for appearance style: resized, antialiased, by PIL."""
    height, width = frames.shape[1:3]
    new_height, new_width = short_side_size(height, width, side)
    pictures = [
        np.asarray(Image.fromarray(frame).resize((new_width, new_height), Image.Resampling.BICUBIC))
        for frame in frames
    ]
    return normalise(centre_crop(to_planes(np.stack(pictures)), side), CLIP_MEAN, CLIP_STD)


def _clip_square(planes: Tensor, side: int) -> Tensor:
    size = short_side_size(planes.shape[-2], planes.shape[-1], side)
    return normalise(centre_crop(resize(planes, size, "bicubic"), side), CLIP_MEAN, CLIP_STD)


def pad_to_multiple(planes: Tensor, multiple: int) -> tuple[Tensor, tuple[int, int]]:
    """Repeat the edges until both sides are multiples.

    Args:
        planes: float `[N, C, H, W]`.
        multiple: of pixels.

    Returns:
        The padded planes, and how many rows and columns were added above and to the left: half of
        what is missing, rounded down.
    """
    height, width = planes.shape[-2:]
    rows, columns = -height % multiple, -width % multiple
    top, left = rows // 2, columns // 2
    sides = (left, columns - left, top, rows - top)
    return F.pad(planes, sides, mode="replicate"), (top, left)
