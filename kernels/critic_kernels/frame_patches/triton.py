"""Frame patching as two Triton launches for a whole ragged batch.

The first launch resamples rows, byte by byte from the packed frames, into planes in scratch memory.
The second resamples columns of those planes, looks the levels up and writes patches. README.md
says why there are two. All arithmetic of `uint8` is on integers, in the order of torch's resize.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl

from critic_kernels._triton.numerics import round_half_even
from critic_kernels.frame_patches.frames import FrameBatch
from critic_kernels.frame_patches.layout import PatchLayout
from critic_kernels.frame_patches.plan import CLIP_FIELDS, build_tables
from critic_kernels.frame_patches.resample import Resample
from critic_kernels.frame_patches.tiles import (
    MAX_FRAMES,
    PATCH_TILES,
    ROW_TILES,
    Tile,
    patch_grid,
    row_grid,
)


@triton.jit
def _funnel(low, high, shift):
    """Return 32 bits of two words, from bit `shift` of the lower one."""
    both = (high.to(tl.uint64) << 32) | low.to(tl.uint64)
    return (both >> shift).to(tl.uint32)


@triton.jit
def _byte(word, INDEX: tl.constexpr, NUMBER: tl.constexpr):
    return ((word >> (8 * INDEX)) & 0xFF).to(NUMBER)


@triton.jit
def _weight(address, FIXED: tl.constexpr):
    weight = tl.load(address)
    if not FIXED:
        weight = weight.to(tl.float32, bitcast=True)
    return weight


@triton.jit
def _level(total, shift, FIXED: tl.constexpr):
    """Round a weighted sum to a level in [0, 255]."""
    if FIXED:
        return tl.minimum(tl.maximum(total >> shift, 0), 255)
    return round_half_even(tl.minimum(tl.maximum(total, 0.0), 255.0)).to(tl.int32)


@triton.jit
def resample_rows_kernel(
    words,
    tables,
    clips,
    scratch,
    FIELDS: tl.constexpr,
    FIXED: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Resample `ROWS` rows of one frame to `COLUMNS` columns of each colour plane."""
    frame = tl.program_id(1)
    clip = clips + tl.program_id(2) * FIELDS
    first_byte, first_scratch = tl.load(clip), tl.load(clip + 1)
    frames, height = tl.load(clip + 3).to(tl.int32), tl.load(clip + 4).to(tl.int32)
    width, out_width = tl.load(clip + 5).to(tl.int32), tl.load(clip + 7).to(tl.int32)
    pitch = tl.load(clip + 8).to(tl.int32)
    x_first, x_weights = tables + tl.load(clip + 9), tables + tl.load(clip + 10)
    groups, shift = tl.load(clip + 11).to(tl.int32), tl.load(clip + 12).to(tl.int32)

    across = tl.cdiv(out_width, COLUMNS)
    row = (tl.program_id(0) // across) * ROWS
    if (frame >= frames) | (row >= height):
        return
    rows = row + tl.arange(0, ROWS)
    columns = (tl.program_id(0) % across) * COLUMNS + tl.arange(0, COLUMNS)
    # What lies outside does the work of the last row or column, which costs no masks.
    column = tl.minimum(columns, out_width - 1)
    first = tl.load(x_first + column)
    below = tl.minimum(tl.arange(0, ROWS), height - 1 - row)

    # Scalars carry the large offsets, so that 32 bits do for every pixel.
    base = first_byte + (frame.to(tl.int64) * height + row) * width * 3
    offsets = (base & 3).to(tl.int32) + (below * width * 3)[:, None] + (first * 3)[None, :]
    shifts = ((offsets & 3) * 8).to(tl.uint64)
    # A hint at the order of lanes: neighbours are to take neighbours in a row, whose words lie in
    # the same few cache lines. The compiler orders lanes by runs of addresses, and knows of none
    # here. The claim joins no loads, which would need aligned words too.
    at = tl.max_contiguous(words + (base >> 2) + (offsets >> 2), [1, 2])
    weights = x_weights + column

    NUMBER: tl.constexpr = tl.int32 if FIXED else tl.float32
    red = tl.zeros([ROWS, COLUMNS], NUMBER)
    if FIXED:
        red += (1 << shift) >> 1
    green = red
    blue = red
    low = tl.load(at)
    for _ in range(0, groups):
        middle = tl.load(at + 1)
        high = tl.load(at + 2)
        top = tl.load(at + 3)
        # Four pixels of three bytes.
        a = _funnel(low, middle, shifts)
        b = _funnel(middle, high, shifts)
        c = _funnel(high, top, shifts)
        w0 = _weight(weights, FIXED)[None, :]
        w1 = _weight(weights + out_width, FIXED)[None, :]
        w2 = _weight(weights + 2 * out_width, FIXED)[None, :]
        w3 = _weight(weights + 3 * out_width, FIXED)[None, :]
        red += w0 * _byte(a, 0, NUMBER) + w1 * _byte(a, 3, NUMBER)
        red += w2 * _byte(b, 2, NUMBER) + w3 * _byte(c, 1, NUMBER)
        green += w0 * _byte(a, 1, NUMBER) + w1 * _byte(b, 0, NUMBER)
        green += w2 * _byte(b, 3, NUMBER) + w3 * _byte(c, 2, NUMBER)
        blue += w0 * _byte(a, 2, NUMBER) + w1 * _byte(b, 1, NUMBER)
        blue += w2 * _byte(c, 0, NUMBER) + w3 * _byte(c, 3, NUMBER)
        low = top
        at += 3
        weights += 4 * out_width

    # Columns between the width and the pitch are written too: the next launch reads whole vectors.
    plane = height.to(tl.int64) * pitch
    at = scratch + first_scratch + frame * 3 * plane + row.to(tl.int64) * pitch
    at += (tl.arange(0, ROWS) * pitch)[:, None] + columns[None, :]
    alive = (rows < height)[:, None] & (columns < pitch)[None, :]
    STORED: tl.constexpr = tl.uint8 if FIXED else tl.float32
    if FIXED:
        red = _level(red, shift, FIXED)
        green = _level(green, shift, FIXED)
        blue = _level(blue, shift, FIXED)
    tl.store(at, red.to(STORED), mask=alive)
    tl.store(at + plane, green.to(STORED), mask=alive)
    tl.store(at + 2 * plane, blue.to(STORED), mask=alive)


@triton.jit
def resample_columns_kernel(
    scratch,
    tables,
    clips,
    levels,
    out,
    FIELDS: tl.constexpr,
    FIXED: tl.constexpr,
    PATCH: tl.constexpr,
    TEMPORAL: tl.constexpr,
    MERGE: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Resample columns to `ROWS` x `COLUMNS` pixels of a colour plane, and write their patches."""
    frame, channel = tl.program_id(1) // 3, tl.program_id(1) % 3
    clip = clips + tl.program_id(2) * FIELDS
    first_scratch, first_row = tl.load(clip + 1), tl.load(clip + 2)
    frames, height = tl.load(clip + 3).to(tl.int32), tl.load(clip + 4).to(tl.int32)
    BLOCK: tl.constexpr = PATCH * MERGE
    AREA: tl.constexpr = PATCH * PATCH
    out_height, out_width = tl.load(clip + 6).to(tl.int32), tl.load(clip + 7).to(tl.int32)
    out_width = tl.multiple_of(out_width, BLOCK & -BLOCK)
    pitch = tl.multiple_of(tl.load(clip + 8).to(tl.int32), 16)
    y_first, y_weights = tables + tl.load(clip + 13), tables + tl.load(clip + 14)
    taps, shift = tl.load(clip + 15).to(tl.int32), tl.load(clip + 16).to(tl.int32)

    across = tl.cdiv(out_width, COLUMNS)
    row = (tl.program_id(0) // across) * ROWS
    if (frame >= tl.cdiv(frames, TEMPORAL) * TEMPORAL) | (row >= out_height):
        return
    ys = row + tl.arange(0, ROWS)
    xs = (tl.program_id(0) % across) * COLUMNS + tl.arange(0, COLUMNS)

    # A clip that ends inside a temporal patch repeats its last frame.
    source = tl.minimum(frame, frames - 1).to(tl.int64) * 3 + channel
    at = scratch + tl.multiple_of(first_scratch, 16) + source * height * pitch
    y = tl.minimum(ys, out_height - 1)
    at += (tl.load(y_first + y) * pitch)[:, None] + xs[None, :]
    weights = y_weights + y
    within = (xs < pitch)[None, :]
    NUMBER: tl.constexpr = tl.int32 if FIXED else tl.float32
    total = tl.zeros([ROWS, COLUMNS], NUMBER)
    if FIXED:
        total += (1 << shift) >> 1
    for _ in range(0, taps):
        pixels = tl.load(at, mask=within, other=0).to(NUMBER)
        total += _weight(weights, FIXED)[:, None] * pixels
        at += pitch
        weights += out_height
    # As in the first kernel, a hint at the order of lanes: that of the stores.
    entries = tl.max_contiguous(levels + channel * 256 + _level(total, shift, FIXED), [1, 2])
    value = tl.load(entries)

    blocks = out_width // BLOCK
    first_row += (frame // TEMPORAL).to(tl.int64) * (out_height // PATCH) * (blocks * MERGE)
    out += first_row * (3 * TEMPORAL * AREA) + (channel * TEMPORAL + frame % TEMPORAL) * AREA
    # Rows of patches: block row, block, then the place within the block.
    y_row = (ys // BLOCK) * (blocks * MERGE * MERGE) + (ys // PATCH % MERGE) * MERGE
    x_row = (xs // BLOCK) * (MERGE * MERGE) + xs // PATCH % MERGE
    y_offset = y_row * (3 * TEMPORAL * AREA) + ys % PATCH * PATCH
    x_offset = x_row * (3 * TEMPORAL * AREA) + xs % PATCH
    alive = (ys < out_height)[:, None] & (xs < out_width)[None, :]
    tl.store(out + y_offset[:, None] + x_offset[None, :], value, mask=alive)


def launch(
    batch: FrameBatch,
    sizes: Sequence[tuple[int, int]],
    layout: PatchLayout,
    mean: Sequence[float],
    std: Sequence[float],
    dtype: torch.dtype,
    resample: Resample,
    row_tile: Tile = ROW_TILES[0],
    patch_tile: Tile = PATCH_TILES[0],
) -> torch.Tensor:
    """Compute what `critic_kernels.frame_patches` promises, in two launches; shapes as there.

    Nothing waits for the device: tables go up from page-locked memory, in one copy.

    Raises:
        ValueError: for pixels on a CPU, unless Triton's interpreter is on; for a clip that has too
            many frames for a grid.
    """
    device = batch.pixels.device
    if device.type != "cuda" and not triton.knobs.runtime.interpret:
        raise ValueError(
            f"the triton kernel needs pixels on a GPU, or TRITON_INTERPRET=1: they are on {device}"
        )
    longest = max((frames for frames, _, _ in batch.shapes), default=0)
    if longest > MAX_FRAMES:
        raise ValueError(f"the triton kernel takes {MAX_FRAMES} frames at most: {longest}")
    tables = build_tables(batch.shapes, sizes, layout, mean, std, dtype, resample)
    out = torch.empty(tables.num_rows, layout.columns, dtype=dtype, device=device)
    if not batch.shapes:
        return out
    tables = tables.to(device)
    fixed = resample == "uint8"
    scratch_dtype = torch.uint8 if fixed else torch.float32
    scratch = torch.empty(tables.num_scratch, dtype=scratch_dtype, device=device)
    resample_rows_kernel[row_grid(batch.shapes, sizes, row_tile)](
        batch.pixels.view(torch.uint32),
        tables.words,
        tables.clips,
        scratch,
        FIELDS=len(CLIP_FIELDS),
        FIXED=fixed,
        ROWS=row_tile.rows,
        COLUMNS=row_tile.columns,
        num_warps=row_tile.num_warps,
    )
    resample_columns_kernel[patch_grid(batch.shapes, sizes, layout, patch_tile)](
        scratch,
        tables.words,
        tables.clips,
        tables.levels,
        out,
        FIELDS=len(CLIP_FIELDS),
        FIXED=fixed,
        PATCH=layout.patch_size,
        TEMPORAL=layout.temporal_patch_size,
        MERGE=layout.merge_size,
        ROWS=patch_tile.rows,
        COLUMNS=patch_tile.columns,
        num_warps=patch_tile.num_warps,
    )
    return out
