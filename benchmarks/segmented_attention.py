"""Attention over packed segments and shared-prefix trees: every implementation, at real shapes.

Vision cases are layers of Qwen2.5-VL (windows of 64 patches, frames of 1,024) and Qwen3-VL (frames
of 784) over clips of 16 frames of 448×448. Trees are layers of their language models: a clip's
prefix with 16, 29 or 64 questions of 30 tokens. `…-x8` is a batch of 8 clips.

The baseline of vision is `sdpa`: one call over equal segments as a batch, with what torch chooses;
rows `sdpa-flash`, `sdpa-cudnn` and `sdpa-efficient` name a backend. That of trees is
`sdpa-dense-mask`: one call under a mask of all rows by all rows, keys repeated for grouped heads,
as transformers does it. What cannot run is named with the reason. On a CPU shapes are smaller.

The gate: off from the reference in fp64 by at most twice what the reference in the timed type is
off, and twice a rounding of the largest value. A deterministic row must also give the same bits for
a segment alone. The floor: 4 operations for a pair of rows that see each other and a channel at the
measured matrix rate, or queries, keys, values and results at the bandwidth of a copy.

`BENCHMARK_SWEEP=1` also times the kernel with every size in `tiles.candidates`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from critic_kernels.segmented_attention import (
    IMPLS,
    Impl,
    SegmentLayout,
    available_impls,
    segmented_attention,
)
from critic_kernels.segmented_attention.availability import DETERMINISTIC
from critic_kernels.segmented_attention.tiles import Tiles, candidates
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.floors import visible_pairs
from benchmarks.measure import (
    Finding,
    Refusal,
    Row,
    Timing,
    commit,
    copy_bandwidth,
    device_name,
    matrix_rate,
    measure,
    peak_memory_mb,
    significant,
    versions,
)

BENCH = "segmented_attention"
QUESTION = 30
BACKENDS = {
    "sdpa-flash": SDPBackend.FLASH_ATTENTION,
    "sdpa-cudnn": SDPBackend.CUDNN_ATTENTION,
    "sdpa-efficient": SDPBackend.EFFICIENT_ATTENTION,
}

Attend = Callable[[], torch.Tensor]
Groups = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Case:
    """One layer's attention over a batch.

    Attributes:
        segments: number and length of equal segments, of a vision tower.
        trees: of a language model, for every clip its prefix and its number of questions.
    """

    name: str
    heads: int
    kv_heads: int
    head_dim: int
    segments: tuple[int, int] = (0, 0)
    trees: Groups = ()

    def layout(self) -> SegmentLayout:
        if self.trees:
            return SegmentLayout.tree([(prefix, [QUESTION] * n) for prefix, n in self.trees])
        count, length = self.segments
        return SegmentLayout.packed([length] * count)

    def first_alone(self) -> SegmentLayout:
        """The first segment, or the first clip with its first question, without neighbours."""
        if self.trees:
            return SegmentLayout.tree([(self.trees[0][0], [QUESTION])])
        return SegmentLayout.packed([self.segments[1]])


CASES = (
    Case("qwen2.5-windows", 16, 16, 80, segments=(128, 64)),
    Case("qwen2.5-frames", 16, 16, 80, segments=(8, 1024)),
    Case("7b-16", 28, 4, 128, trees=((2090, 16),)),
    Case("7b-29", 28, 4, 128, trees=((2090, 29),)),
    Case("7b-64", 28, 4, 128, trees=((2090, 64),)),
    Case("8b-16", 32, 8, 128, trees=((1640, 16),)),
    Case("8b-64", 32, 8, 128, trees=((1640, 64),)),
    Case("2b-16", 16, 8, 128, trees=((1640, 16),)),
    Case("2b-29", 16, 8, 128, trees=((1640, 29),)),
    Case("qwen3-8b-frames", 16, 16, 72, segments=(8, 784)),
    Case("qwen3-2b-frames", 16, 16, 64, segments=(8, 784)),
    Case("qwen2.5-windows-x8", 16, 16, 80, segments=(1024, 64)),
    Case("qwen2.5-frames-x8", 16, 16, 80, segments=(64, 1024)),
    Case("7b-16-x8", 28, 4, 128, trees=((2090, 16),) * 8),
    Case("8b-16-x8", 32, 8, 128, trees=((1640, 16),) * 8),
)
CPU_CASES = (
    Case("cpu-frames", 4, 4, 80, segments=(4, 1024)),
    Case("cpu-windows", 4, 4, 80, segments=(64, 64)),
    Case("cpu-16", 6, 2, 64, trees=((1064, 16),)),
    Case("cpu-64", 6, 2, 64, trees=((1064, 64),)),
    Case("cpu-16-x4", 6, 2, 64, trees=((1064, 16),) * 4),
)


def run(
    device: torch.device,
    dtype: torch.dtype,
    repeats: int,
    cases: Sequence[Case] | None = None,
    sweep: bool | None = None,
) -> Iterator[Finding]:
    """Measure all cases; a row for each implementation and torch backend.

    Args:
        cases: by default those that suit the device.
        sweep: whether to time all sizes of the kernel; by default as the environment says.
    """
    if sweep is None:
        sweep = os.environ.get("BENCHMARK_SWEEP") == "1"
    for case in cases or (CPU_CASES if device.type == "cpu" else CASES):
        bench = Bench(case, device, dtype, repeats)
        yield from bench.implementations()
        if sweep:
            yield from bench.tiles()


@dataclass(frozen=True)
class Trial:
    """A contender that passed the gate: its time, and its largest error."""

    name: str
    timing: Timing
    error: float


class Bench:
    """One case on one device."""

    def __init__(self, case: Case, device: torch.device, dtype: torch.dtype, repeats: int) -> None:
        self.case, self.device, self.dtype, self.repeats = case, device, dtype, repeats
        self.layout = case.layout()
        self.scale = case.head_dim**-0.5
        self.query, self.key, self.value = self._inputs()
        wide = (x.double() for x in (self.query, self.key, self.value))
        self.truth = segmented_attention(*wide, self.layout, self.scale, deterministic=True)
        plain = self._ours("reference", deterministic=True)
        rounding = float(self.truth.abs().max()) * torch.finfo(dtype).eps
        self.bound = 2 * (self._error(plain) + rounding)

    def implementations(self) -> Iterator[Finding]:
        name = "sdpa-dense-mask" if self.case.trees else "sdpa"
        baseline = self._trial(name, self._dense() if self.case.trees else self._sdpa())
        if isinstance(baseline, Refusal):
            yield baseline
            return
        reasons = available_impls(self.device, self.dtype, self.case.head_dim)
        for impl in IMPLS:
            reason = reasons[impl]
            if reason is not None:
                yield Refusal(BENCH, self.case.name, impl, reason)
                continue
            yield self._against(baseline, impl, partial(self._ours, impl))
            if impl in DETERMINISTIC:
                yield self._against(
                    baseline,
                    f"{impl}-deterministic",
                    partial(self._ours, impl, deterministic=True),
                    alone=partial(self._first_alone, impl),
                )
        if self.device.type == "cuda" and not self.case.trees:
            for name, backend in BACKENDS.items():
                yield self._against(baseline, name, self._sdpa(backend))

    def tiles(self) -> Iterator[Finding]:
        """Compare the candidates for the kernel's launch with what is used."""
        reason = available_impls(self.device, self.dtype, self.case.head_dim)["triton"]
        if self.device.type != "cuda" or reason is not None:
            reason = reason or "an interpreter is not timed"
            yield Refusal(BENCH, self.case.name, "triton/tiles", reason)
            return
        first, *others = candidates(self.dtype, self.case.head_dim)
        default = self._trial(f"triton/{_label(first)}", partial(self._kernel, first))
        if isinstance(default, Refusal):
            yield default
            return
        for tiles in others:
            yield self._against(default, f"triton/{_label(tiles)}", partial(self._kernel, tiles))

    def _inputs(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        generator = torch.Generator(self.device).manual_seed(0)
        rows, case = self.layout.num_tokens, self.case
        q, k, v = (
            torch.randn(rows, heads, case.head_dim, device=self.device, generator=generator)
            for heads in (case.heads, case.kv_heads, case.kv_heads)
        )
        return q.to(self.dtype), k.to(self.dtype), v.to(self.dtype)

    def _ours(self, impl: Impl, *, deterministic: bool = False) -> torch.Tensor:
        return segmented_attention(
            self.query,
            self.key,
            self.value,
            self.layout,
            self.scale,
            impl=impl,
            deterministic=deterministic,
        )

    def _kernel(self, tiles: Tiles) -> torch.Tensor:
        from critic_kernels.segmented_attention.triton import launch

        return launch(self.query, self.key, self.value, self.layout, self.scale, tiles=tiles)

    def _sdpa(self, backend: SDPBackend | None = None) -> Attend:
        count, length = self.case.segments
        q, k, v = (
            x.view(count, length, *x.shape[1:]).transpose(1, 2)
            for x in (self.query, self.key, self.value)
        )

        def attend() -> torch.Tensor:
            with sdpa_kernel(backend) if backend else nullcontext():
                mixed = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
            return mixed.transpose(1, 2).flatten(0, 1)

        return attend

    def _dense(self) -> Attend:
        mask = self.layout.mask().to(self.device)
        groups = self.case.heads // self.case.kv_heads
        q, k, v = (x.transpose(0, 1)[None] for x in (self.query, self.key, self.value))

        def attend() -> torch.Tensor:
            repeated = (x.repeat_interleave(groups, dim=1) for x in (k, v))
            mixed = F.scaled_dot_product_attention(q, *repeated, attn_mask=mask, scale=self.scale)
            return mixed[0].transpose(0, 1)

        return attend

    def _error(self, got: torch.Tensor) -> float:
        return float((got.double() - self.truth).abs().max())

    def _first_alone(self, impl: Impl) -> torch.Tensor:
        alone = self.case.first_alone()
        rows = (x[: alone.num_tokens] for x in (self.query, self.key, self.value))
        return segmented_attention(*rows, alone, self.scale, impl=impl, deterministic=True)

    def _trial(self, name: str, attend: Attend, alone: Attend | None = None) -> Trial | Refusal:
        """Judge, then time; what fails or is wrong is refused.

        Args:
            alone: the first rows' result without neighbours, which must have the same bits.
        """
        try:
            got = attend()
            error = self._error(got)
            if not error <= self.bound:
                reason = f"off by {error:.2g}; allowed: {self.bound:.2g}"
                return Refusal(BENCH, self.case.name, name, reason, red=True)
            if alone is not None:
                first = alone()
                if not torch.equal(got[: len(first)], first):
                    reason = "the bits of a segment depend on its neighbours"
                    return Refusal(BENCH, self.case.name, name, reason, red=True)
            return Trial(name, measure(attend, self.device, self.repeats), error)
        except Exception as failure:
            # Torch has no kernel of a backend for some shapes; all else must run.
            what = next(iter(str(failure).strip().splitlines()), "no message")
            reason = f"{type(failure).__name__}: {what}"
            return Refusal(BENCH, self.case.name, name, reason, red=name not in BACKENDS)

    def _against(
        self, baseline: Trial, impl: str, attend: Attend, alone: Attend | None = None
    ) -> Finding:
        trial = self._trial(impl, attend, alone)
        if isinstance(trial, Refusal):
            return trial
        case, timing = self.case, trial.timing
        flops = 4 * case.heads * case.head_dim * visible_pairs(self.layout)
        values = 2 * self.layout.num_tokens * (case.heads + case.kv_heads) * case.head_dim
        floor_ms = 1e3 * max(
            flops / matrix_rate(self.device, self.dtype),
            values * self.dtype.itemsize / copy_bandwidth(self.device),
        )
        return Row(
            bench=BENCH,
            case=case.name,
            impl=impl,
            device=device_name(self.device),
            dtype=str(self.dtype).removeprefix("torch."),
            time_ms=significant(timing.median_ms),
            floor_ms=significant(floor_ms),
            fraction_of_floor=significant(floor_ms / timing.median_ms),
            baseline=baseline.name,
            ratio=significant(baseline.timing.median_ms / timing.median_ms),
            repeats=timing.repeats,
            versions=versions(),
            commit=commit(),
            baseline_ms=significant(baseline.timing.median_ms),
            baseline_repeats=baseline.timing.repeats,
            max_error=significant(trial.error),
            error_bound=significant(self.bound),
            peak_memory_mb=peak_memory_mb(attend, self.device),
            details={
                "tflops_per_s": significant(flops / timing.median_ms / 1e9),
                "spread_ms": significant(timing.spread_ms),
            },
        )


def _label(tiles: Tiles) -> str:
    return f"{tiles.block_rows}x{tiles.block_keys}-w{tiles.num_warps}-s{tiles.num_stages}"
