"""Frames to patches: the kernel against the published video processors and plain torch.

Cases are 16 frames at 720p, 480p and 1080p for Qwen2-VL's patches of 14, the first also for
Qwen3-VL's of 16, and a ragged mix of 8 clips. Sizes follow a budget of 448×448 pixels a frame.

On a GPU, frames lie on the device before and patches after; rows `…+upload` start from page-locked
memory instead. The baseline `transformers` runs the processors on the same device: on a GPU that is
float arithmetic, which `triton-float` equals, and `triton-uint8` does not: the row says in how many
values it differs. `transformers-cpu+upload` is what is commonly done: the processors on the CPU,
and a copy of their patches to the device. `torch-float` and `torch-uint8` are this project's
reference on the device; the first does what the processors do there, and needs no torchvision.

The gate: `uint8` must equal the reference on the CPU in every bit, and so must the processors
there; `float` may differ from torch's float path by one level, in three values of a thousand: that
path itself is off by up to 0.01 levels, which moves up to one in a thousand. The floor is the bytes
of all frames and all patches at the bandwidth of a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from critic_kernels.frame_patches import FrameBatch, frame_patches
from critic_kernels.frame_patches.api import Impl
from critic_kernels.frame_patches.layout import PatchLayout
from critic_kernels.frame_patches.resample import Resample
from critic_kernels.frame_patches.tiles import PATCH_TILES, ROW_TILES, Tile
from critic_models.video.resize import qwen3_smart_resize, qwen_smart_resize

from benchmarks.measure import (
    Finding,
    Refusal,
    Row,
    Timing,
    commit,
    copy_bandwidth,
    device_name,
    measure,
    peak_memory_mb,
    significant,
    versions,
)

BENCH = "frame_patches"
FRAME_PIXELS = (128 * 28 * 28, 448 * 448)
HALF = (0.5, 0.5, 0.5)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
FLOAT_DIFFERS_IN = 3e-3
NEEDS_CUDA = "the triton kernel needs a CUDA device"

Patches = Callable[[], torch.Tensor]


@dataclass(frozen=True)
class Case:
    """Clips `(T, H, W)` for a processor of transformers."""

    name: str
    processor: str
    shapes: tuple[tuple[int, int, int], ...]

    @property
    def patch_size(self) -> int:
        return 14 if self.processor == "Qwen2VLVideoProcessor" else 16

    @property
    def budget(self) -> tuple[int, int]:
        """Fewest and most pixels: of a frame, or of a whole clip for Qwen3-VL."""
        frames = 1 if self.patch_size == 14 else self.shapes[0][0]
        return FRAME_PIXELS[0] * frames, FRAME_PIXELS[1] * frames

    @property
    def sizes(self) -> list[tuple[int, int]]:
        if self.patch_size == 14:
            return [qwen_smart_resize(h, w, 28, *self.budget) for _, h, w in self.shapes]
        return [qwen3_smart_resize(t, h, w, 32, *self.budget) for t, h, w in self.shapes]

    @property
    def options(self) -> dict[str, Any]:
        mean, std = (CLIP_MEAN, CLIP_STD) if self.patch_size == 14 else (HALF, HALF)
        return {"patch_size": self.patch_size, "mean": mean, "std": std}


RAGGED = (
    (16, 720, 1280),
    (8, 480, 854),
    (16, 1080, 1920),
    (5, 720, 1280),
    (12, 1280, 720),
    (16, 448, 448),
    (4, 256, 256),
    (9, 360, 640),
)
CASES = (
    Case("720p", "Qwen2VLVideoProcessor", ((16, 720, 1280),)),
    Case("ragged-8", "Qwen2VLVideoProcessor", RAGGED),
    Case("1080p", "Qwen2VLVideoProcessor", ((16, 1080, 1920),)),
    Case("480p", "Qwen2VLVideoProcessor", ((16, 480, 854),)),
    Case("720p-qwen3", "Qwen3VLVideoProcessor", ((16, 720, 1280),)),
)


def run(
    device: torch.device, dtype: torch.dtype, repeats: int, cases: Sequence[Case] = CASES
) -> Iterator[Finding]:
    """Measure all cases; one row for each baseline of each implementation."""
    on_gpu = device.type == "cuda"
    for case in cases:
        bench = Bench(case, device, dtype, repeats)
        yield from bench.on_gpu() if on_gpu else bench.on_cpu()
    if on_gpu:
        yield from Bench(replace(cases[0], name="tiles"), device, dtype, repeats).tiles()


@dataclass(frozen=True)
class Rival:
    """A baseline, or the reason why there is none; `exact` where it must equal the reference."""

    name: str
    patches: Patches | str
    exact: bool


class Bench:
    """One case on one device."""

    def __init__(self, case: Case, device: torch.device, dtype: torch.dtype, repeats: int) -> None:
        self.case, self.device, self.dtype, self.repeats = case, device, dtype, repeats
        generator = torch.Generator().manual_seed(0)
        clips = [
            torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=generator)
            for shape in case.shapes
        ]
        self.host = FrameBatch.of(clips, pin_memory=device.type == "cuda")
        self.batch = self.host.to(device)
        self.truth = self.ours("reference", "uint8", self.host)

    def on_cpu(self) -> Iterator[Finding]:
        rivals = [Rival("transformers", self._processor(self.device), exact=True)]
        yield from self._against(
            "reference-uint8", lambda: self.ours("reference", "uint8", self.host), rivals
        )
        yield Refusal(BENCH, self.case.name, "triton-uint8", NEEDS_CUDA)

    def on_gpu(self) -> Iterator[Finding]:
        there, here = self._processor(self.device), self._processor(torch.device("cpu"))
        rivals = [
            Rival("transformers", there, exact=False),
            Rival("torch-float", lambda: self.ours("reference", "float", self.batch), exact=False),
        ]
        exact = Rival(
            "torch-uint8", lambda: self.ours("reference", "uint8", self.batch), exact=True
        )
        yield from self._against(
            "triton-uint8", lambda: self.ours("triton", "uint8", self.batch), [*rivals, exact]
        )
        yield from self._against(
            "triton-uint8+upload",
            lambda: self.ours("triton", "uint8", self.host.to(self.device, non_blocking=True)),
            [Rival("transformers-cpu+upload", here, exact=True)],
        )
        yield from self._against(
            "triton-float", lambda: self.ours("triton", "float", self.batch), rivals
        )

    def tiles(self) -> Iterator[Finding]:
        """Compare the candidates for each launch with what is used."""
        from critic_kernels.frame_patches.triton import launch

        layout = PatchLayout(self.case.patch_size, 2, 2)
        mean, std = self.case.options["mean"], self.case.options["std"]

        def cut(*tiles: Tile) -> Patches:
            return lambda: launch(
                self.batch, self.case.sizes, layout, mean, std, self.dtype, "uint8", *tiles
            )

        first = (ROW_TILES[0], PATCH_TILES[0])
        pairs = [(rows, first[1]) for rows in ROW_TILES[1:]]
        pairs += [(first[0], patches) for patches in PATCH_TILES[1:]]
        for pair in pairs:
            label = "+".join(map(str, pair))
            rivals = [Rival("first-tiles", cut(*first), exact=True)]
            yield from self._against(f"triton-uint8/{label}", cut(*pair), rivals)

    def ours(self, impl: Impl, resample: Resample, batch: FrameBatch) -> torch.Tensor:
        return frame_patches(
            batch,
            self.case.sizes,
            dtype=self.dtype,
            impl=impl,
            resample=resample,
            **self.case.options,
        )

    def _processor(self, where: torch.device) -> Patches | str:
        """The processor on a device, its patches brought to ours; or why it cannot run."""
        processor = load_processor(self.case)
        if isinstance(processor, str):
            return processor
        videos = [c.permute(0, 3, 1, 2).contiguous().to(where) for c in self.host.clips]

        def process() -> torch.Tensor:
            made = processor(videos, return_tensors="pt")["pixel_values_videos"]
            return made.to(self.device, self.dtype)

        return process

    def _against(self, impl: str, run: Patches, rivals: Sequence[Rival]) -> Iterator[Finding]:
        wrong = self._wrong_float(run()) if "float" in impl else self._wrong(run())
        if wrong:
            yield Refusal(BENCH, self.case.name, impl, wrong, red=True)
            return
        timing = measure(run, self.device, self.repeats)
        for rival in rivals:
            if isinstance(rival.patches, str):
                yield Refusal(BENCH, self.case.name, rival.name, rival.patches)
                continue
            patches = rival.patches()
            wrong = self._wrong(patches) if rival.exact else None
            if wrong:
                yield Refusal(BENCH, self.case.name, rival.name, wrong, red=True)
                continue
            differs = fraction_different(patches, self.truth)
            rival_timing = measure(rival.patches, self.device, self.repeats)
            yield self._row(impl, run, timing, rival.name, rival_timing, differs)

    def _wrong(self, got: torch.Tensor) -> str | None:
        differs = fraction_different(got, self.truth)
        return f"{differs:.2%} of values differ from the reference" if differs else None

    def _wrong_float(self, got: torch.Tensor) -> str | None:
        expected = self.ours("reference", "float", self.host)
        differs = fraction_different(got, expected)
        # The widest gap of two neighbouring levels, each rounded to the dtype; none exceeds 4.
        level = 1 / (255 * min(self.case.options["std"])) + 4 * torch.finfo(self.dtype).eps
        if differs > FLOAT_DIFFERS_IN:
            return f"{differs:.2%} of values differ from torch's float path"
        most = float((got.cpu().float() - expected.float()).abs().max())
        return None if most <= level else f"off by {most:.2g}, which is more than a level"

    def _row(
        self, impl: str, run: Patches, timing: Timing, baseline: str, rival: Timing, differs: float
    ) -> Row:
        frame_bytes = sum(3 * t * h * w for t, h, w in self.case.shapes)
        patch_bytes = self.truth.numel() * self.dtype.itemsize
        floor_ms = (frame_bytes + patch_bytes) / copy_bandwidth(self.device) * 1e3
        return Row(
            bench=BENCH,
            case=self.case.name,
            impl=impl,
            device=device_name(self.device),
            dtype=str(self.dtype).removeprefix("torch."),
            time_ms=significant(timing.median_ms),
            floor_ms=significant(floor_ms),
            fraction_of_floor=significant(floor_ms / timing.median_ms),
            baseline=baseline,
            ratio=significant(rival.median_ms / timing.median_ms),
            repeats=timing.repeats,
            versions=versions(),
            commit=commit(),
            baseline_ms=significant(rival.median_ms),
            baseline_repeats=rival.repeats,
            peak_memory_mb=peak_memory_mb(run, self.device),
            details={
                "frame_megabytes": significant(frame_bytes / 1e6),
                "patch_megabytes": significant(patch_bytes / 1e6),
                "spread_ms": significant(timing.spread_ms),
                "baseline_differs_in": significant(differs),
            },
        )


def fraction_different(got: torch.Tensor, expected: torch.Tensor) -> float:
    """Count values that differ, both brought to the CPU; all of them where shapes do."""
    if got.shape != expected.shape:
        return 1.0
    return float((got.cpu() != expected).double().mean())


@cache
def load_processor(case: Case) -> Any:
    """Build the case's processor, or say in a line why this environment has none."""
    try:
        import transformers

        processor = getattr(transformers, case.processor)
        return processor(
            size={"shortest_edge": case.budget[0], "longest_edge": case.budget[1]},
            do_sample_frames=False,
            cap_pixels_per_frame=False,
        )
    except (ImportError, RuntimeError) as error:
        return f"{case.processor} does not load: {str(error).strip().splitlines()[0]}"
