"""Size rules against transformers' own functions, and against sizes worked out by hand."""

from __future__ import annotations

import ast
import importlib.util
import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from critic_models.errors import ClipError
from critic_models.video.resize import (
    qwen3_capped_max_pixels,
    qwen3_smart_resize,
    qwen_smart_resize,
)
from hypothesis import given
from hypothesis import strategies as st


def published(module: str, name: str) -> Callable[..., tuple[int, int]]:
    """Take one function out of a module of transformers that needs torchvision to import."""
    package, _, leaf = module.rpartition(".")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed")
    path = Path(spec.origin).parent / f"{leaf}.py"
    if not path.exists():
        pytest.skip(f"{module} has moved")
    tree = ast.parse(path.read_text())
    chosen = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
    if not chosen:
        pytest.skip(f"{module}.{name} has moved")
    namespace: dict[str, object] = {"math": math}
    code = compile(ast.Module(chosen, []), str(path), "exec")
    exec(code, namespace)  # noqa: S102
    return namespace[name]  # type: ignore[return-value]


def sizes(seed: int, count: int) -> list[tuple[int, int]]:
    chance = random.Random(seed)
    usual = [(480, 854), (720, 1280), (1080, 1920), (448, 448), (33, 5000), (8, 8), (2160, 4096)]
    return usual + [(chance.randint(16, 3000), chance.randint(16, 3000)) for _ in range(count)]


def test_qwen2_sizes_are_those_of_transformers() -> None:
    theirs = published("transformers.models.qwen2_vl.image_processing_qwen2_vl", "smart_resize")
    for height, width in sizes(1, 3000):
        for low, high in ((56 * 56, 14 * 14 * 4 * 1280), (128 * 784, 768 * 784), (3136, 100_352)):
            expected = theirs(height, width, 28, low, high)
            assert qwen_smart_resize(height, width, 28, low, high) == expected


def test_qwen3_sizes_are_those_of_transformers() -> None:
    theirs = published("transformers.models.qwen3_vl.video_processing_qwen3_vl", "smart_resize")
    for height, width in sizes(2, 1500):
        for num_frames in (2, 3, 5, 8, 16, 31):
            for low, high in ((4096, 768 * 1024), (128 * 1024, 25_165_824)):
                expected = theirs(num_frames, height, width, 2, 32, low, high)
                assert qwen3_smart_resize(num_frames, height, width, 32, low, high) == expected


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (448, 448, (448, 448)),  # already multiples, inside the budget
        (480, 854, (476, 840)),  # 17.14 -> 17, 30.5 -> 30: halves go to even
        (20, 20, (56, 56)),  # below 3136 pixels: 20 * 2.8 = 56
        (1080, 1920, (728, 1316)),  # above 1,003,520: 26.8 and 47.7 patches, rounded down
    ],
)
def test_qwen2_sizes_worked_out_by_hand(height: int, width: int, expected: tuple[int, int]) -> None:
    assert qwen_smart_resize(height, width, 28, 56 * 56, 14 * 14 * 4 * 1280) == expected


@given(
    st.integers(28, 3000),
    st.integers(28, 3000),
    st.sampled_from([28, 32]),
    st.integers(50_000, 1_000_000),
)
def test_sizes_are_multiples_inside_the_budget(
    height: int, width: int, factor: int, budget: int
) -> None:
    new_height, new_width = qwen_smart_resize(height, width, factor, 3136, budget)
    assert new_height % factor == new_width % factor == 0
    # The only way above the budget is a side that is already one factor.
    assert new_height * new_width <= budget or factor in (new_height, new_width)


@pytest.mark.parametrize("rounding", [math.floor, math.ceil])
def test_another_rounding_gives_other_sizes(rounding: Callable[[float], int]) -> None:
    def mutant(height: int, width: int) -> tuple[int, int]:
        return rounding(height / 28) * 28, rounding(width / 28) * 28

    inside = [(h, w) for h, w in sizes(3, 500) if 3136 < h * w < 900_000 and max(h, w) < 1200]
    differing = [s for s in inside if mutant(*s) != qwen_smart_resize(*s, 28, 3136, 1_003_520)]
    assert len(differing) > len(inside) // 2


def test_the_budget_of_a_video_counts_its_frames() -> None:
    one = qwen3_smart_resize(2, 720, 1280, 32, 4096, 2 * 720 * 1280)
    many = qwen3_smart_resize(32, 720, 1280, 32, 4096, 2 * 720 * 1280)
    assert one[0] * one[1] > 10 * many[0] * many[1]


def test_the_cap_per_frame() -> None:
    assert qwen3_capped_max_pixels(4, 32, 128 * 1024, 25_165_824) == 4 * 768 * 1024
    assert qwen3_capped_max_pixels(64, 32, 4096, 25_165_824) == 64 * (25_165_824 // 64)
    assert qwen3_capped_max_pixels(768, 32, 128 * 1024, 25_165_824) == 768 * 137_625


def test_an_extreme_shape_is_refused() -> None:
    assert qwen_smart_resize(10, 2000, 28, 3136, 1_003_520)
    with pytest.raises(ClipError, match="at most 200") as caught:
        qwen_smart_resize(10, 2001, 28, 3136, 1_003_520)
    assert caught.value.details["limit"] == "max_aspect_ratio"
    with pytest.raises(ClipError):
        qwen3_smart_resize(2, 64, 13_000, 32, 4096, 1_003_520)


@pytest.mark.parametrize(
    "call",
    [
        lambda: qwen_smart_resize(0, 10, 28, 10, 20),
        lambda: qwen_smart_resize(10, 10, 28, 20, 10),
        lambda: qwen3_smart_resize(1, 10, 10, 32, 10, 20),
    ],
)
def test_arguments_that_make_no_sense_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"must be|<="):
        call()
