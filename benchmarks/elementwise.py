"""Norms, rotary embeddings and activations: the kernels against transformers' eager modules.

Shapes are layers of Qwen2.5-VL-7B and Qwen3-VL-8B: the vision tower over a clip of 16 frames of
448×448, the language model over one clip with 16 questions, and over 16,384 packed rows. Baselines
are what transformers runs eagerly (`eager`) and the same under torch.compile (`compile`); the
kernel runs on CUDA alone. The gate: results within three roundings of fp64's. The floor is the
bytes that must be read and written once, at the bandwidth of a copy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from critic_kernels import layer_norm, quick_gelu, rms_norm, rotate, rotate_packed, swiglu
from critic_kernels.rotary import HeadNorm

from benchmarks.measure import (
    Finding,
    Refusal,
    Row,
    commit,
    copy_bandwidth,
    device_name,
    measure,
    peak_memory_mb,
    significant,
    versions,
)

BENCH = "elementwise"
EPSILON = 1e-6
ROUNDINGS = 3.0
"""Of a result's own dtype, by the largest value of the row: two products and a sum."""

Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Case:
    """One operation on one layer's rows.

    Attributes:
        run: from an implementation's name and the inputs to the results.
        shapes: of the inputs.
        wide: positions of inputs that are fp32 in any model.
    """

    name: str
    run: Callable[..., Tensors]
    shapes: tuple[tuple[int, ...], ...]
    wide: frozenset[int] = frozenset()


def _add_rms(impl: Any, x: Any, residual: Any, weight: Any) -> Tensors:
    return rms_norm(x, weight, EPSILON, residual=residual, impl=impl)


def _add_layer(impl: Any, x: Any, residual: Any, weight: Any, bias: Any) -> Tensors:
    return layer_norm(x, weight, bias, EPSILON, residual=residual, impl=impl)


def _swiglu(impl: Any, gate: Any, up: Any) -> Tensors:
    return (swiglu(gate, up, impl=impl),)


def _quick_gelu(impl: Any, x: Any) -> Tensors:
    return (quick_gelu(x, impl=impl),)


def _rotate(impl: Any, query: Any, key: Any, cos: Any, sin: Any) -> Tensors:
    return rotate(query, key, cos, sin, impl=impl)


def _rotate_normed(
    impl: Any, query: Any, key: Any, cos: Any, sin: Any, query_weight: Any, key_weight: Any
) -> Tensors:
    norm = HeadNorm(query_weight, key_weight, EPSILON)
    return rotate(query, key, cos, sin, norm=norm, impl=impl)


def _rotate_packed(impl: Any, packed: Any, cos: Any, sin: Any) -> Tensors:
    return rotate_packed(packed, cos, sin, impl=impl)[:2]


def cases(text_rows: int = 2_570, vision_rows: int = 8_192, packed: int = 16_384) -> list[Case]:
    """Layers of the published shapes, those that move the most bytes first."""
    found = []
    for rows, label in ((text_rows, "text"), (packed, "packed")):
        found += [
            Case(f"swiglu-{label}-7b", _swiglu, ((rows, 18_944),) * 2),
            Case(f"add-rms-{label}-7b", _add_rms, ((rows, 3_584),) * 2 + ((3_584,),)),
            Case(
                f"rotary-{label}-7b",
                _rotate,
                ((rows, 28, 128), (rows, 4, 128), (rows, 128), (rows, 128)),
            ),
            Case(
                f"norm-rotary-{label}-8b",
                _rotate_normed,
                ((rows, 32, 128), (rows, 8, 128), (rows, 128), (rows, 128), (128,), (128,)),
            ),
        ]
    seen = vision_rows
    return [
        *found,
        Case(
            "rotary-vision-7b",
            _rotate_packed,
            ((seen, 3, 16, 80), (seen, 80), (seen, 80)),
            frozenset({1, 2}),
        ),
        Case("swiglu-vision-7b", _swiglu, ((seen, 3_420),) * 2),
        Case("add-rms-vision-7b", _add_rms, ((seen, 1_280),) * 2 + ((1_280,),)),
        Case("add-layer-vision-8b", _add_layer, ((seen, 1_152),) * 2 + ((1_152,),) * 2),
        Case("quick-gelu-vision-2b", _quick_gelu, ((seen, 5_120),)),
    ]


def run(
    device: torch.device,
    dtype: torch.dtype,
    repeats: int,
    chosen: list[Case] | None = None,
) -> Iterator[Finding]:
    """Measure every case; one row for each baseline of each implementation.

    Args:
        chosen: by default all cases, but for those of packed rows on a CPU: their fp64 truth takes
            tens of gigabytes.
    """
    on_gpu = device.type == "cuda"
    for case in chosen or [c for c in cases() if on_gpu or "-packed-" not in c.name]:
        generator = torch.Generator(device).manual_seed(0)
        inputs = [
            torch.randn(shape, generator=generator, device=device).to(
                torch.float32 if i in case.wide else dtype
            )
            for i, shape in enumerate(case.shapes)
        ]
        yield from _measure(case, inputs, device, dtype, repeats)


@torch.inference_mode()
def _measure(
    case: Case, inputs: list[torch.Tensor], device: torch.device, dtype: torch.dtype, repeats: int
) -> Iterator[Finding]:
    truth = case.run("reference", *(x.double() for x in inputs))

    def runs(impl: str) -> Callable[[], Tensors]:
        return lambda: case.run(impl, *inputs)

    impls = ["triton", "compile"]
    if device.type != "cuda":
        impls = ["compile"]
        yield Refusal(BENCH, case.name, "triton", "the triton kernel needs a CUDA device")
    times = {"eager": measure(runs("reference"), device, repeats)}
    errors: dict[str, tuple[float, float]] = {}
    for impl in reversed(impls):
        results = case.run(impl, *inputs)
        errors[impl] = worst_error(results, truth)
        worst, bound = errors[impl]
        if not worst <= bound:
            reason = f"off by {worst:.3g} of a row's largest value, {bound:.3g} allowed"
            yield Refusal(BENCH, case.name, impl, reason, red=True)
            continue
        times[impl] = measure(runs(impl), device, repeats)
    num_bytes = sum(x.nbytes for x in inputs) + sum(x.numel() * dtype.itemsize for x in truth)
    if case.run is _rotate_packed:
        # The value is passed on as it lies; it is neither read nor written.
        num_bytes -= inputs[0].nbytes // 3
    floor_ms = num_bytes / copy_bandwidth(device) * 1e3
    for impl in impls:
        if impl not in times:
            continue
        time = times[impl]
        for baseline, rival in times.items():
            if baseline == impl or (impl == "compile" and baseline == "triton"):
                continue
            yield Row(
                bench=BENCH,
                case=case.name,
                impl=impl,
                device=device_name(device),
                dtype=str(dtype).removeprefix("torch."),
                time_ms=significant(time.median_ms),
                floor_ms=significant(floor_ms),
                fraction_of_floor=significant(floor_ms / time.median_ms),
                baseline=baseline,
                ratio=significant(rival.median_ms / time.median_ms),
                repeats=time.repeats,
                versions=versions(),
                commit=commit(),
                baseline_ms=significant(rival.median_ms),
                baseline_repeats=rival.repeats,
                max_error=significant(errors[impl][0]),
                error_bound=significant(errors[impl][1]),
                peak_memory_mb=peak_memory_mb(runs(impl), device),
                details={"megabytes": significant(num_bytes / 1e6)},
            )


def worst_error(results: Tensors, truth: Tensors) -> tuple[float, float]:
    """Return the largest error as a share of its row's largest value, and what is allowed."""
    worst = 0.0
    for got, expected in zip(results, truth, strict=True):
        scale = expected.abs().amax(-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        error = ((got.double() - expected).abs() / scale).max().item()
        worst = error if math.isnan(error) else max(worst, error)
    return worst, ROUNDINGS * torch.finfo(results[0].dtype).eps
