"""Frame patches against the published video processors, bit for bit."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import transformers
from critic_kernels import frame_patches
from frame_oracle import CLIP_MEAN, CLIP_STD, HALF, noise
from hypothesis import given, settings
from hypothesis import strategies as st


@dataclass(frozen=True)
class Case:
    """Clips, the pixel budget given to a processor, and the sizes and the bytes that it made.

    `digest` is the SHA-256 of its float32 patches, recorded from transformers 5.17.0 and 5.23.0
    with torchvision 0.28.0; both give the same.
    """

    processor: str
    shapes: tuple[tuple[int, int, int], ...]
    budget: tuple[int, int]
    sizes: tuple[tuple[int, int], ...]
    digest: str


SHAPES = ((4, 100, 300), (3, 56, 84), (2, 300, 40), (2, 20, 21), (5, 64, 64))
CASES = (
    Case(
        "Qwen2VLVideoProcessor",
        (*SHAPES, (1, 90, 33)),
        (56 * 56, 112 * 168),
        ((56, 224), (56, 84), (308, 28), (56, 84), (56, 56), (112, 56)),
        "9e359a669ba31f209b7ee367b6f8f91a2a2d8e1745dbbc55a7a2c9e8f4049509",
    ),
    Case(
        "Qwen3VLVideoProcessor",
        SHAPES,
        (4 * 64 * 64, 4 * 96 * 128),
        ((64, 192), (64, 96), (288, 32), (96, 96), (64, 64)),
        "04d3dcabc697b6f89e0c4b2e6e7b57847e14aa41d3e2a12bc4d2961c742d5609",
    ),
)
CONSTANTS = {
    "Qwen2VLVideoProcessor": (14, CLIP_MEAN, CLIP_STD),
    "Qwen3VLVideoProcessor": (16, HALF, HALF),
}


def ours(
    processor: str,
    clips: list[torch.Tensor],
    sizes: tuple[tuple[int, int], ...],
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    patch, mean, std = CONSTANTS[processor]
    return frame_patches(clips, sizes, patch_size=patch, mean=mean, std=std, dtype=dtype)


def digest(patches: torch.Tensor) -> str:
    return hashlib.sha256(patches.numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.processor)
def test_equals_what_the_processors_gave(case: Case) -> None:
    clips = [noise(*shape) for shape in case.shapes]
    assert digest(ours(case.processor, clips, case.sizes)) == case.digest
    clips[0][0, 50, 150, 1] ^= 128
    assert digest(ours(case.processor, clips, case.sizes)) != case.digest


@pytest.fixture(scope="module")
def theirs() -> Iterator[Callable[..., tuple[torch.Tensor, tuple[tuple[int, int], ...]]]]:
    """A function from processor, clips and pixel budget to the processor's patches and sizes."""
    declared = import_torchvision()

    def process(
        name: str, clips: list[torch.Tensor], budget: tuple[int, int]
    ) -> tuple[torch.Tensor, tuple[tuple[int, int], ...]]:
        size = {"shortest_edge": budget[0], "longest_edge": budget[1]}
        processor = getattr(transformers, name)(
            size=size, do_sample_frames=False, cap_pixels_per_frame=False
        )
        videos = [clip.permute(0, 3, 1, 2) for clip in clips]
        made = processor(videos, return_tensors="pt")
        patch = processor.patch_size
        sizes = tuple((int(h) * patch, int(w) * patch) for _, h, w in made["video_grid_thw"])
        return made["pixel_values_videos"], sizes

    yield process
    declared.clear()


def import_torchvision() -> list[torch.library.Library]:
    """Import the package that the processors need, even if it was built for another torch.

    Its compiled operators then do not load, and its Python code, which is all that is needed, wants
    them declared. Declarations last as long as what is returned.
    """
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("the processors need torchvision")
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        declared = []
        for name in ("nms", "qnms"):
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            declared.append(library)
        importlib.import_module("torchvision")
        return declared
    return []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.processor)
def test_the_record_is_what_the_processors_give(case: Case, theirs: Any) -> None:
    patches, sizes = theirs(case.processor, [noise(*shape) for shape in case.shapes], case.budget)
    assert (sizes, digest(patches)) == (case.sizes, case.digest)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(CONSTANTS)),
    st.lists(
        st.tuples(st.integers(2, 5), st.integers(8, 150), st.integers(8, 150)),
        min_size=1,
        max_size=3,
    ),
    st.integers(1, 12),
)
def test_equals_the_processors(
    theirs: Any, processor: str, shapes: list[tuple[int, int, int]], blocks: int
) -> None:
    unit = (2 * CONSTANTS[processor][0]) ** 2
    clips = [noise(*shape) for shape in shapes]
    patches, sizes = theirs(processor, clips, (unit * blocks, 4 * unit * blocks))
    assert torch.equal(ours(processor, clips, sizes), patches)
    assert torch.equal(ours(processor, clips, sizes, torch.bfloat16), patches.to(torch.bfloat16))
