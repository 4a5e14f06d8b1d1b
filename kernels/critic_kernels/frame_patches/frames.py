"""Clips of different sizes in one flat buffer: what goes up to a device in one copy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

_ALIGNMENT = 16


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """uint8 clips, one after another, without gaps.

    Attributes:
        pixels: uint8 `[N]`, contiguous and aligned to 16 bytes; each clip as `[T, H, W, 3]`.
            Kernels read whole words, a little past the last pixel: `N` is a multiple of 16, and at
            least 16 more than the clips take.
        shapes: `(T, H, W)` of every clip, each at least 1.

    Raises:
        ValueError: where the buffer or the shapes are not so.
    """

    pixels: torch.Tensor
    shapes: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        if any(len(shape) != 3 or min(shape) < 1 for shape in self.shapes):
            raise ValueError(f"every clip needs at least one frame and one pixel: {self.shapes}")
        pixels = self.pixels
        if pixels.ndim != 1 or pixels.dtype != torch.uint8 or not pixels.is_contiguous():
            raise ValueError(
                f"pixels must be uint8 [N], contiguous; found {pixels.dtype} {tuple(pixels.shape)}"
            )
        least = _buffer_bytes(self.shapes)
        if pixels.numel() < least or pixels.numel() % _ALIGNMENT or pixels.data_ptr() % _ALIGNMENT:
            raise ValueError(
                f"pixels need {least} bytes or more, in whole multiples of {_ALIGNMENT}, and such "
                f"an address; found {pixels.numel()} bytes at {pixels.data_ptr():#x}"
            )

    @classmethod
    def of(cls, clips: Sequence[torch.Tensor], *, pin_memory: bool = False) -> FrameBatch:
        """Copy clips, uint8 `[T, H, W, 3]` on one device, into one buffer there.

        Args:
            pin_memory: allocate page-locked memory, for an asynchronous copy to a GPU. The clips
                must then be on the CPU.

        Raises:
            ValueError: where a clip has another shape or dtype, or devices differ.
        """
        check_clips(clips)
        shapes = tuple((clip.shape[0], clip.shape[1], clip.shape[2]) for clip in clips)
        pixels = torch.empty(
            _buffer_bytes(shapes),
            dtype=torch.uint8,
            device=clips[0].device if clips else None,
            pin_memory=pin_memory,
        )
        batch = cls(pixels, shapes)
        for place, clip in zip(batch.clips, clips, strict=True):
            place.copy_(clip)
        return batch

    @property
    def clips(self) -> tuple[torch.Tensor, ...]:
        """The clips as views of the buffer, uint8 `[T, H, W, 3]` each."""
        found, first = [], 0
        for shape in self.shapes:
            end = first + 3 * math.prod(shape)
            found.append(self.pixels[first:end].view(*shape, 3))
            first = end
        return tuple(found)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> FrameBatch:
        """Copy the buffer to a device, in one transfer."""
        return FrameBatch(self.pixels.to(device, non_blocking=non_blocking), self.shapes)


def _buffer_bytes(shapes: Sequence[tuple[int, int, int]]) -> int:
    used = sum(3 * math.prod(shape) for shape in shapes)
    return -(-used // _ALIGNMENT) * _ALIGNMENT + _ALIGNMENT


def check_clips(clips: Sequence[torch.Tensor]) -> None:
    """Check clips that are handed over one by one.

    Raises:
        ValueError: where one is not uint8 `[T, H, W, 3]` with a frame and a pixel, or lies on
            another device than the first.
    """
    for index, clip in enumerate(clips):
        if clip.ndim != 4 or clip.shape[3] != 3 or clip.dtype != torch.uint8:
            raise ValueError(
                f"clip {index} must be uint8 [T, H, W, 3]; found {clip.dtype} {tuple(clip.shape)}"
            )
        if clip.numel() == 0:
            raise ValueError(
                f"clip {index} needs at least one frame and one pixel: {tuple(clip.shape)}"
            )
        if clip.device != clips[0].device:
            raise ValueError(f"clips lie on {clips[0].device} and on {clip.device}")
