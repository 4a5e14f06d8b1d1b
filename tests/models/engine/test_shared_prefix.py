"""One packed forward for all questions equals one forward per question of stock transformers.

The reference is an untouched transformers model, its own positions, its own attention and its own
language-model head. Networks are random with widely spread logits, in fp64 and fp32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from critic_kernels import SegmentLayout
from critic_models.engine import Engine, WorkItem, packing
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.positions import prefix_positions
from critic_models.vlm.prompts import VisualGrid, build_prefix
from engine_work import QUESTIONS, SECONDS_PER_PATCH, TOKENIZER, clip, item, numbers
from tiny_critics import FAMILY_NAMES, tiny_model, tiny_network

EXACT_FP64, EXACT_FP32 = 1e-10, 1e-4


def run(
    model_type: str, items: Sequence[WorkItem], dtype: torch.dtype = torch.float64
) -> np.ndarray:
    """Answer logits and log-normaliser of every branch, `[B, A + 1]`."""
    answered = numbers(Engine(tiny_model(model_type, dtype), 1 << 20).run(items))
    return np.asarray([row for of_item in answered for row in of_item])


def one_forward_per_question(
    model_type: str, items: Sequence[WorkItem], dtype: torch.dtype = torch.float64
) -> np.ndarray:
    network = tiny_network(model_type, dtype)
    rows = []
    for work in items:
        patches = torch.cat([c.patches for c in work.clips]).to(dtype)
        grids = torch.tensor([c.patch_grid for c in work.clips])
        timing = (
            {"second_per_grid_ts": torch.full((len(work.clips),), SECONDS_PER_PATCH)}
            if model_type == "qwen2_5_vl"
            else {}
        )
        for branch in work.branches:
            ids = torch.from_numpy(np.concatenate([work.prefix.ids, branch.ids]))[None]
            is_video = ids == TOKENIZER.special_id("<|video_pad|>")
            with torch.inference_mode():
                logits = network(
                    input_ids=ids,
                    pixel_values_videos=patches,
                    video_grid_thw=grids,
                    mm_token_type_ids=is_video.int() * 2,
                    use_cache=False,
                    **timing,
                ).logits[0, -1]
            normalizer = torch.logsumexp(logits, 0)
            rows.append([*logits[list(branch.answer_ids)].tolist(), float(normalizer)])
    return np.asarray(rows)


def gap(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_equals_one_forward_per_question(model_type: str) -> None:
    work = [item(model_type, [clip(model_type)])]
    reference = one_forward_per_question(model_type, work)
    assert reference.std() > 0.5, "logits too flat to tell implementations apart"
    assert gap(run(model_type, work), reference) < EXACT_FP64
    assert gap(run(model_type, work, torch.float32), reference) < EXACT_FP32


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_the_kernel_in_the_whole_model(model_type: str) -> None:
    pytest.importorskip("triton", reason="triton is not installed: `make test-kernels`")
    work = [item(model_type, [clip(model_type)])]
    model = tiny_model(model_type, torch.float32, attention="triton")
    (rows,) = numbers(Engine(model, 1 << 20).run(work))
    assert gap(np.asarray(rows), one_forward_per_question(model_type, work)) < EXACT_FP32


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_many_clips_and_both_orders_of_a_pair_in_one_batch(model_type: str) -> None:
    one = clip(model_type)
    two = clip(model_type, "two", (2, 8, 4), seed=2)
    work = [
        item(model_type, [one, two]),
        item(model_type, [two]),
        item(model_type, [two, one], QUESTIONS[:2]),
        item(model_type, [two], QUESTIONS[1:]),
    ]
    assert gap(run(model_type, work), one_forward_per_question(model_type, work)) < EXACT_FP64


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
@pytest.mark.parametrize("mutant", ["branches see their neighbours", "positions do not restart"])
def test_mutants_fail(model_type: str, mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    work = [item(model_type, [clip(model_type)])]
    reference = one_forward_per_question(model_type, work)
    if mutant == "branches see their neighbours":

        class Leaking(SegmentLayout):
            @classmethod
            def tree(cls, groups: Sequence[tuple[int, Sequence[int]]]) -> SegmentLayout:
                return SegmentLayout.packed([p + sum(b) for p, b in groups], causal=True)

        monkeypatch.setattr(packing, "SegmentLayout", Leaking)
    else:
        following = iter(range(0, 10_000))

        def running(start: int, length: int) -> np.ndarray:
            return np.array([[start + next(following) for _ in range(length)]] * 3)

        monkeypatch.setattr(packing, "branch_positions", running)
    assert gap(run(model_type, work), reference) > 1e-2


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_other_pixels_give_other_answers(model_type: str) -> None:
    reference = one_forward_per_question(model_type, [item(model_type, [clip(model_type)])])
    other = [item(model_type, [clip(model_type, seed=9)])]
    assert gap(run(model_type, other), reference) > 1e-2


def test_order_of_questions_is_order_of_answers() -> None:
    work = item("qwen3_vl", [clip("qwen3_vl")])
    backwards = item("qwen3_vl", [clip("qwen3_vl")], QUESTIONS[::-1])
    assert gap(run("qwen3_vl", [work]), run("qwen3_vl", [backwards])[::-1]) < EXACT_FP64


def test_old_positions_continue_after_the_last_moment() -> None:
    """Twelve moments of 2x2 tokens: transformers 4 continues after 12, transformers 5 after 2."""
    model_type = "qwen2_vl"
    long = clip(model_type, grid=(12, 4, 4))
    family = FAMILIES[model_type]
    prefix = build_prefix(TOKENIZER, family, [long.grid], None)
    lead = int(np.flatnonzero(prefix.is_visual)[0])
    positions, start = prefix_positions(prefix, family, "mrope-v4", 1.0)
    assert positions[0, prefix.is_visual].max() == lead + 11
    assert start == lead + 12 + 1
    _, newer = prefix_positions(prefix, family, "mrope-hf5", 1.0)
    assert newer == lead + 2 + 1
    _, sequential = prefix_positions(prefix, family, "sequential", 1.0)
    assert sequential == len(prefix.ids)
    hf5 = [item(model_type, [long])]
    assert gap(run(model_type, hf5), one_forward_per_question(model_type, hf5)) < EXACT_FP64
    v4 = [item(model_type, [long], version="mrope-v4")]
    assert gap(run(model_type, v4), run(model_type, hf5)) > 1e-2


def test_half_second_patches_are_not_truncated() -> None:
    """transformers before 5.18 rounds seconds to whole numbers, which freezes time."""
    family = FAMILIES["qwen2_5_vl"]
    grid = VisualGrid(4, 1, 1, (0.25, 0.75, 1.25, 1.75), 0.5)
    prefix = build_prefix(TOKENIZER, family, [grid], None)
    positions, _ = prefix_positions(prefix, family, "mrope-v4", 2.0)
    moments = positions[0, prefix.is_visual]
    assert (moments - moments[0]).tolist() == [0, 1, 2, 3]
