"""What may be chosen about an engine, and what is decided for a device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from critic_models.engine import EngineOptions
from critic_models.engine.options import CPU_VISION_CACHE_BYTES
from critic_models.errors import UnknownName

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_a_cpu_runs_plain_torch() -> None:
    decided = EngineOptions().on(CPU, torch.float32)
    assert (decided.attention, decided.elementwise, decided.frame_patches) == (
        "reference",
        "none",
        "reference",
    )
    assert decided.vision_cache_bytes == CPU_VISION_CACHE_BYTES
    assert decided.max_batch_tokens is None
    assert not decided.deterministic


def test_a_gpu_runs_kernels_but_not_in_float64() -> None:
    options = EngineOptions(vision_cache_bytes=0)
    decided = options.on(CUDA, torch.bfloat16)
    assert {decided.attention, decided.elementwise, decided.frame_patches} == {"triton"}
    exact = options.on(CUDA, torch.float64)
    assert (exact.attention, exact.elementwise, exact.frame_patches) == (
        "reference",
        "none",
        "reference",
    )


def test_what_is_named_is_kept() -> None:
    options = EngineOptions("varlen", "compile", "reference", 77, 5)
    decided = options.on(CUDA, torch.bfloat16)
    assert (decided.attention, decided.elementwise, decided.frame_patches) == (
        "varlen",
        "compile",
        "reference",
    )
    assert (decided.max_batch_tokens, decided.vision_cache_bytes) == (77, 5)


@pytest.mark.parametrize("name", ["attention", "elementwise", "frame_patches"])
def test_names_that_do_not_exist_are_refused_with_those_that_do(name: str) -> None:
    with pytest.raises(UnknownName, match="abacus") as raised:
        EngineOptions(**{name: "abacus"})
    assert {"auto", "triton"} <= set(raised.value.details["allowed"])


@pytest.mark.parametrize("numbers", [{"max_batch_tokens": 0}, {"vision_cache_bytes": -1}])
def test_numbers_out_of_range_are_refused_by_name(numbers: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(numbers))):
        EngineOptions(**numbers)


@pytest.mark.parametrize(
    "choice",
    [
        {"attention": "flex"},
        {"attention": "varlen"},
        {"elementwise": "compile"},
        {"elementwise": "reference"},
    ],
)
def test_what_cannot_be_deterministic_is_refused(choice: dict[str, Any]) -> None:
    options = EngineOptions(deterministic=True, vision_cache_bytes=0, **choice)
    with pytest.raises(UnknownName, match="cannot be deterministic"):
        options.on(CUDA, torch.bfloat16)
    EngineOptions(deterministic=True, vision_cache_bytes=0).on(CUDA, torch.bfloat16)


@pytest.mark.parametrize("name", ["elementwise", "frame_patches"])
def test_kernels_are_refused_without_a_gpu(name: str) -> None:
    with pytest.raises(UnknownName, match=f"{name} 'triton' needs a CUDA device"):
        EngineOptions(**{name: "triton"}).on(CPU, torch.float32)
