"""Host-built tables of one batch: what each clip is, how its axes are resampled, the levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from critic_kernels.frame_patches.layout import PatchLayout, normalisation
from critic_kernels.frame_patches.resample import TAP_GROUP, Axis, Resample, axis

CLIP_FIELDS = (
    "first_byte",
    "first_scratch",
    "first_row",
    "frames",
    "height",
    "width",
    "out_height",
    "out_width",
    "pitch",
    "x_first",
    "x_weights",
    "x_groups",
    "x_shift",
    "y_first",
    "y_weights",
    "y_taps",
    "y_shift",
)
_CLIP_WORDS = 2 * len(CLIP_FIELDS)
_PITCH_ALIGNMENT = 16


@dataclass(frozen=True, eq=False)
class Tables:
    """What a launch needs besides pixels, in one buffer so that one copy takes it to a device.

    Attributes:
        words: int32 `[N]`: the levels, then the clips, then the axes. The order keeps every part
            aligned to 16 bytes, so that one compiled kernel serves all batches.
        num_clips: clips; each is a row of int64, its columns `CLIP_FIELDS`. `x_first`, `x_weights`,
            `y_first` and `y_weights` are indices into `words`; a weight of tap `k` for output
            index `i` lies at `weights + k * num_out + i`.
        levels_dtype: dtype of the patches; `levels[channel * 256 + level]` is the normalised value.
        num_scratch: elements of the horizontally resampled clips, `[T, 3, H, pitch]` each, rows
            padded to `pitch`, a multiple of 16.
        num_rows: rows of patches.
    """

    words: torch.Tensor
    num_clips: int
    levels_dtype: torch.dtype
    num_scratch: int
    num_rows: int

    @property
    def levels(self) -> torch.Tensor:
        return self.words[: self._num_level_words].view(self.levels_dtype)

    @property
    def clips(self) -> torch.Tensor:
        end = self._num_level_words + _CLIP_WORDS * self.num_clips
        return self.words[self._num_level_words : end].view(torch.int64)

    @property
    def _num_level_words(self) -> int:
        return 3 * 256 * self.levels_dtype.itemsize // 4

    def to(self, device: torch.device) -> Tables:
        """Copy to a device; from page-locked memory, so that the host does not wait."""
        words = self.words.pin_memory() if device.type == "cuda" else self.words
        return Tables(
            words.to(device, non_blocking=True),
            self.num_clips,
            self.levels_dtype,
            self.num_scratch,
            self.num_rows,
        )


def build_tables(
    shapes: Sequence[tuple[int, int, int]],
    sizes: Sequence[tuple[int, int]],
    layout: PatchLayout,
    mean: Sequence[float],
    std: Sequence[float],
    dtype: torch.dtype,
    resample: Resample,
) -> Tables:
    """Lay out the tables of clips `(T, H, W)` that are resized to `sizes`, `(h, w)` each."""
    levels = _levels(tuple(mean), tuple(std), dtype)
    axes = _AxisWords(len(levels) + _CLIP_WORDS * len(shapes))
    first_byte = first_scratch = first_row = 0
    clips = []
    for (frames, height, width), (out_height, out_width) in zip(shapes, sizes, strict=True):
        across, down = axis(width, out_width, resample), axis(height, out_height, resample)
        pitch = -(-out_width // _PITCH_ALIGNMENT) * _PITCH_ALIGNMENT
        entry = {
            "first_byte": first_byte,
            "first_scratch": first_scratch,
            "first_row": first_row,
            "frames": frames,
            "height": height,
            "width": width,
            "out_height": out_height,
            "out_width": out_width,
            "pitch": pitch,
            "x_first": axes.place(across),
            "x_weights": axes.place(across) + across.num_out,
            "x_groups": len(across.weights) // TAP_GROUP,
            "x_shift": across.shift,
            "y_first": axes.place(down),
            "y_weights": axes.place(down) + down.num_out,
            "y_taps": down.taps,
            "y_shift": down.shift,
        }
        clips.append([entry[field] for field in CLIP_FIELDS])
        first_byte += 3 * frames * height * width
        first_scratch += 3 * frames * height * pitch
        first_row += layout.rows(frames, (out_height, out_width))
    entries = np.asarray(clips, dtype=np.int64).reshape(-1)
    words = np.concatenate([levels, entries.view(np.int32), *axes.words])
    return Tables(torch.from_numpy(words), len(clips), dtype, first_scratch, first_row)


class _AxisWords:
    """Axes of a batch one after another, each once: `first`, then weights tap by tap."""

    def __init__(self, start: int) -> None:
        self.words: list[np.ndarray] = []
        self._end = start
        self._placed: dict[tuple[int, int], int] = {}

    def place(self, item: Axis) -> int:
        """Return where an axis begins, adding it when it is new."""
        key = (item.num_in, item.num_out)
        if key not in self._placed:
            words = (item.first, item.weights.view(np.int32).reshape(-1))
            self._placed[key] = self._end
            self.words.extend(words)
            self._end += sum(map(len, words))
        return self._placed[key]


@lru_cache(maxsize=16)
def _levels(mean: tuple[float, ...], std: tuple[float, ...], dtype: torch.dtype) -> np.ndarray:
    centre, spread = normalisation(mean, std, torch.device("cpu"))
    levels = torch.arange(256, dtype=torch.float32)
    values = (levels[None] - centre[:, None]) / spread[:, None]
    return values.to(dtype).view(torch.int32).reshape(-1).numpy()
