"""Frame patches in torch: rows against their definition, resampling against torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from critic_kernels.frame_patches import FrameBatch, frame_patches
from critic_kernels.frame_patches.layout import PatchLayout
from critic_kernels.frame_patches.plan import CLIP_FIELDS, build_tables
from critic_kernels.frame_patches.reference import resize_in_two_passes
from critic_kernels.frame_patches.resample import axis
from frame_oracle import CLIP_MEAN, CLIP_STD, HALF, noise, rows_by_definition
from hypothesis import example, given, settings
from hypothesis import strategies as st

FAMILIES = [(16, HALF, HALF), (14, CLIP_MEAN, CLIP_STD)]
LENGTHS = st.one_of(st.integers(1, 40), st.integers(1, 2500))


@pytest.mark.parametrize("num_frames", [1, 2, 5])
@pytest.mark.parametrize("temporal", [1, 2, 3])
@pytest.mark.parametrize(("patch", "mean", "std"), FAMILIES)
def test_rows_follow_the_definition(
    patch: int, mean: tuple[float, ...], std: tuple[float, ...], num_frames: int, temporal: int
) -> None:
    size = (2 * patch, 6 * patch)
    clip = noise(num_frames, *size)
    got = frame_patches(
        [clip], [size], patch_size=patch, temporal_patch_size=temporal, mean=mean, std=std
    )
    expected = rows_by_definition(clip.numpy(), patch, 2, mean, std, temporal)
    assert got.shape == expected.shape
    # Levels to 255 and a quotient below 3, three roundings of float32 each.
    np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=3 * 3 * 2**-24)
    unmerged = rows_by_definition(clip.numpy(), patch, 1, mean, std, temporal)
    assert not np.allclose(got.numpy(), unmerged)


def test_clips_of_all_sizes_come_one_after_another() -> None:
    clips = [noise(3, 50, 70), noise(1, 32, 64), noise(4, 20, 300)]
    sizes = [(64, 64), (32, 64), (32, 128)]
    options = {"patch_size": 16, "mean": HALF, "std": HALF}
    alone = [
        frame_patches([c], [s], **options)  # type: ignore[arg-type]
        for c, s in zip(clips, sizes, strict=True)
    ]
    together = frame_patches(clips, sizes, **options)  # type: ignore[arg-type]
    packed = frame_patches(FrameBatch.of(clips), sizes, **options)  # type: ignore[arg-type]
    assert torch.equal(together, torch.cat(alone))
    assert torch.equal(packed, together)
    assert frame_patches([], [], **options).shape == (0, 1536)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_patches_are_the_wide_ones_rounded_once(dtype: torch.dtype) -> None:
    options = {"patch_size": 14, "mean": CLIP_MEAN, "std": CLIP_STD}
    clip = noise(3, 50, 70)
    wide = frame_patches([clip], [(56, 84)], **options)  # type: ignore[arg-type]
    narrow = frame_patches([clip], [(56, 84)], dtype=dtype, **options)  # type: ignore[arg-type]
    assert torch.equal(narrow, wide.to(dtype))


def test_the_two_ways_to_resample_are_told_apart() -> None:
    options = {"patch_size": 16, "mean": HALF, "std": HALF}
    clip, size = noise(2, 90, 130), (64, 96)
    images = clip.permute(0, 3, 1, 2)
    for resample, resized in {
        "uint8": F.interpolate(images, size, mode="bicubic", antialias=True),
        "float": F.interpolate(images.float(), size, mode="bicubic", antialias=True)
        .clamp(0, 255)
        .round(),
    }.items():
        pixels = resized.permute(0, 2, 3, 1).numpy().astype(np.float64)
        expected = rows_by_definition(pixels, 16, 2, HALF, HALF)
        for way in ("uint8", "float"):
            got = frame_patches([clip], [size], resample=way, **options)  # type: ignore[arg-type]
            assert np.allclose(got.numpy(), expected, atol=1e-6) == (way == resample)


def one_axis(num_in: int, num_out: int, levels: torch.Tensor) -> np.ndarray:
    """Apply the fixed-point weights of an axis to uint8 `[N, num_in]`."""
    along = axis(num_in, num_out, "uint8")
    total = np.full((len(levels), num_out), (1 << along.shift) >> 1, dtype=np.int64)
    for tap in range(along.taps):
        total += along.weights[tap].astype(np.int64) * levels.numpy()[:, along.first + tap]
    assert np.abs(total).max() < 2**31, "the kernel adds in 32 bits"
    return np.clip(total >> along.shift, 0, 255)


@settings(max_examples=150, deadline=None)
@given(LENGTHS, LENGTHS)
@example(1920, 616)
@example(3840, 448)
@example(448, 448)
@example(1, 2500)
@example(2500, 1)
# The precision stops at 22 bits, though the weights of so long a filter would allow more.
@example(2104, 8)
def test_fixed_point_weights_are_those_of_torch(num_in: int, num_out: int) -> None:
    levels = noise(1, 8, num_in)[0, :, :, 0]
    image = levels[None, None].expand(1, 3, -1, -1).contiguous()
    expected = F.interpolate(image, (8, num_out), mode="bicubic", antialias=True)[0, 0].numpy()
    np.testing.assert_array_equal(one_axis(num_in, num_out, levels), expected)


@settings(max_examples=150, deadline=None)
@given(LENGTHS, LENGTHS, st.sampled_from(["uint8", "float"]))
def test_no_weight_reaches_past_the_ends(num_in: int, num_out: int, resample: str) -> None:
    along = axis(num_in, num_out, resample)  # type: ignore[arg-type]
    assert len(along.weights) % 4 == 0
    assert not along.weights[along.taps :].any()
    assert along.first.min() >= 0
    assert along.first.max() + along.taps <= num_in
    total = along.weights.astype(np.float64).sum(0) / (1 << along.shift)
    half = 0.5 / (1 << along.shift) if resample == "uint8" else 2**-25
    assert np.abs(total - 1).max() <= along.taps * half + 1e-15


@settings(max_examples=25, deadline=None)
@given(*[st.integers(1, 80)] * 4)
def test_two_passes_in_float64_equal_torch(height: int, width: int, h: int, w: int) -> None:
    images = noise(2, height, width).permute(0, 3, 1, 2)
    expected = F.interpolate(images, (h, w), mode="bicubic", antialias=True)
    assert torch.equal(resize_in_two_passes(images, (h, w)), expected)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.integers(1, 9)] * 3), max_size=5))
def test_a_batch_holds_its_clips(shapes: list[tuple[int, int, int]]) -> None:
    clips = [noise(*shape) for shape in shapes]
    batch = FrameBatch.of(clips)
    assert batch.shapes == tuple(shapes)
    assert all(torch.equal(a, b) for a, b in zip(batch.clips, clips, strict=True))
    assert FrameBatch(batch.pixels, batch.shapes).to("cpu").shapes == batch.shapes


def test_a_batch_copies_views_as_they_look() -> None:
    planes = noise(2, 6, 8).permute(0, 3, 1, 2).contiguous()
    view = planes.permute(0, 2, 3, 1)[:, 1:5, ::2]
    assert torch.equal(FrameBatch.of([view]).clips[0], view)


def test_an_axis_that_clips_share_is_sent_once() -> None:
    layout = PatchLayout(16, 2, 2)
    shapes, sizes = [(2, 90, 90), (4, 90, 90)], [(64, 64), (64, 64)]
    one, two = (
        build_tables(shapes[:n], sizes[:n], layout, HALF, HALF, torch.float32, "uint8")
        for n in (1, 2)
    )
    assert len(two.words) - len(one.words) == 2 * len(CLIP_FIELDS)
    assert two.num_rows == one.num_rows + 2 * 16


def test_bad_input_is_refused() -> None:
    options = {"patch_size": 16, "mean": HALF, "std": HALF}

    def refused(match: str, clips: object, sizes: object, **changes: object) -> None:
        with pytest.raises(ValueError, match=match):
            frame_patches(clips, sizes, **{**options, **changes})  # type: ignore[arg-type]

    clip = noise(2, 32, 32)
    refused("clip 0 must be uint8", [clip.float()], [(32, 32)])
    refused("clip 1 must be uint8", [clip, clip[0]], [(32, 32)] * 2)
    refused("at least one frame", [clip[:0]], [(32, 32)])
    refused("multiples of 32", [clip], [(32, 40)])
    refused("multiples of 32", [clip], [(0, 32)])
    refused("1 clips need as many sizes; found 2", [clip], [(32, 32)] * 2)
    refused("std none of 0", [clip], [(32, 32)], std=(0.5, 0.5, 0.0))
    refused("at least 1", [clip], [(32, 32)], merge_size=0)
    refused("not torch.float64", [clip], [(32, 32)], dtype=torch.float64)
    refused("not 'nearest'", [clip], [(32, 32)], resample="nearest")
    refused("no implementation 'magic'", [clip], [(32, 32)], impl="magic")


def test_a_bad_buffer_is_refused() -> None:
    pixels = torch.zeros(64, dtype=torch.uint8)
    assert FrameBatch(pixels, ((1, 4, 4),)).clips[0].shape == (1, 4, 4, 3)
    with pytest.raises(ValueError, match="64 bytes or more"):
        FrameBatch(pixels[:48], ((1, 4, 4),))
    with pytest.raises(ValueError, match="whole multiples of 16"):
        FrameBatch(torch.zeros(65, dtype=torch.uint8), ((1, 4, 4),))
    with pytest.raises(ValueError, match="such an address"):
        FrameBatch(torch.zeros(80, dtype=torch.uint8)[1:65], ((1, 4, 4),))
    with pytest.raises(ValueError, match="uint8"):
        FrameBatch(pixels.int(), ((1, 4, 4),))
    with pytest.raises(ValueError, match="at least one frame"):
        FrameBatch(pixels, ((0, 4, 4),))
