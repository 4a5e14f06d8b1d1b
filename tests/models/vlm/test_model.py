"""The network as the engine calls it: what is handed in, and what is read from the vocabulary."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from critic_kernels.frame_patches import FrameBatch
from critic_models.vlm import vocabulary
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.model import CriticModel
from critic_models.vlm.patches import patches_of_frames
from critic_models.vlm.vocabulary import answer_logits
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_critics import FAMILY_NAMES, tiny_model, tiny_network
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GRIDS = [(4, 4, 8), (1, 8, 4), (2, 10, 12)]
EXACT_FP64 = 1e-10


def pixels(model_type: str) -> torch.Tensor:
    patch = tiny_model(model_type).vision_shape.patch_size
    rows = sum(t * h * w for t, h, w in GRIDS)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, 6 * patch * patch, generator=generator, dtype=torch.float64)


def stock_tower(model_type: str, patches: torch.Tensor) -> list[torch.Tensor]:
    """Features of transformers' own tower, with its own tables, attention and convolution."""
    visual: Any = tiny_network(model_type).model.visual
    with torch.inference_mode():
        out = visual(patches, grid_thw=torch.tensor(GRIDS))
    return [out.pooler_output, *(getattr(out, "deepstack_features", None) or ())]


def our_tower(model: CriticModel, patches: torch.Tensor) -> list[torch.Tensor]:
    with torch.inference_mode():
        features = model.encode_clips(patches, GRIDS)
    return [features.tokens, *features.deepstack]


def gap(ours: list[torch.Tensor], stock: list[torch.Tensor]) -> float:
    pairs = zip(ours, stock, strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_the_tower_with_its_tables_handed_in_is_the_stock_one(model_type: str) -> None:
    patches = pixels(model_type)
    stock = stock_tower(model_type, patches)
    assert stock[0].std() > 0.01, "features too flat to tell implementations apart"
    assert gap(our_tower(tiny_model(model_type), patches), stock) < EXACT_FP64


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_tables_of_other_grids_give_other_features(model_type: str) -> None:
    """The mutant: height and width exchanged, in tables of the same sizes."""
    patches, model = pixels(model_type), tiny_model(model_type)
    right = our_tower(model, patches)
    turned = model.vision_inputs([(t, w, h) for t, h, w in GRIDS])
    with torch.inference_mode():
        features = model.encode_clips(patches, GRIDS, turned)
    assert gap([features.tokens, *features.deepstack], right) > 1e-2


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_replacements_are_made_on_the_instance(model_type: str) -> None:
    tiny_model(model_type)
    untouched: Any = tiny_network(model_type)
    assert "forward" not in vars(untouched.model.visual.patch_embed.proj)
    assert "_deepstack_process" not in vars(untouched.model.language_model)


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_the_patch_embedding_can_be_trained(model_type: str) -> None:
    model = tiny_model(model_type)
    weight = model.network.model.visual.patch_embed.proj.weight
    model.encode_clips(pixels(model_type), GRIDS).tokens.sum().backward()
    assert weight.grad is not None
    assert weight.grad.abs().max() > 0


def test_attention_that_cannot_run_is_refused_when_the_model_is_built() -> None:
    network: Any = tiny_network("qwen3_vl")
    with pytest.raises(ValueError, match="attention 'flash' cannot run"):
        CriticModel(network, FAMILIES["qwen3_vl"], "flash")


def test_an_unknown_way_to_add_deepstack_features_is_refused() -> None:
    network: Any = tiny_network("qwen3_vl")
    language = network.model.language_model
    language._deepstack_process = None
    with pytest.raises(ValueError, match="deepstack"):
        CriticModel(network, FAMILIES["qwen3_vl"])


def test_frames_give_the_patches_that_they_give_one_by_one() -> None:
    family, shape = FAMILIES["qwen2_vl"], tiny_model("qwen2_vl").vision_shape
    generator = torch.Generator().manual_seed(0)
    clips = [
        torch.randint(0, 256, (n, h, w, 3), dtype=torch.uint8, generator=generator)
        for n, h, w in ((4, 50, 70), (3, 28, 56))
    ]
    grids = [(2, 4, 6), (2, 2, 4)]
    together = patches_of_frames(FrameBatch.of(clips), grids, family, shape)
    apart = [
        patches_of_frames([clip], [grid], family, shape)
        for clip, grid in zip(clips, grids, strict=True)
    ]
    assert torch.equal(together, torch.cat(apart))


@settings(max_examples=40, deadline=None)
@given(
    branches=st.integers(1, 9),
    answers=st.integers(1, 4),
    vocabulary_size=st.integers(1, 40),
    chunk=st.integers(1, 45),
    rows=st.integers(1, 10),
)
def test_answers_and_normaliser_are_those_of_the_whole_vocabulary(
    branches: int, answers: int, vocabulary_size: int, chunk: int, rows: int
) -> None:
    generator = torch.Generator().manual_seed(branches + 100 * vocabulary_size)
    hidden = torch.randn(branches, 6, generator=generator, dtype=torch.float64)
    weight = torch.randn(vocabulary_size, 6, generator=generator, dtype=torch.float64)
    ids = torch.randint(0, vocabulary_size, (branches, answers), generator=generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "VOCABULARY_CHUNK", chunk)
        patch.setattr(vocabulary, "ROWS_AT_ONCE", rows)
        read = answer_logits(hidden, weight, ids, F.linear)
    whole = hidden @ weight.T
    assert torch.allclose(read.logits, whole.gather(1, ids), atol=1e-12)
    assert torch.allclose(read.log_normalizer, whole.logsumexp(1), atol=1e-12)


class LargestTensor(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        sizes = [x.numel() for x in tree_leaves(made) if isinstance(x, torch.Tensor)]
        self.elements = max(self.elements, *sizes, 0)
        return made


def test_the_logits_that_are_held_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "VOCABULARY_CHUNK", 50)
    monkeypatch.setattr(vocabulary, "ROWS_AT_ONCE", 8)
    hidden, weight = torch.randn(100, 4), torch.randn(1_000, 4)
    ids = torch.zeros(100, 2, dtype=torch.int64)
    with LargestTensor() as seen:
        answer_logits(hidden.double(), weight.double(), ids, F.linear)
    assert seen.elements <= max(8 * 50, weight.numel(), 100 * 20)


def test_bfloat16_is_read_in_fp32() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(3, 64, generator=generator).bfloat16()
    weight = torch.randn(30, 64, generator=generator).bfloat16()
    read = answer_logits(hidden, weight, torch.tensor([[1], [2], [3]]), F.linear)
    exact = hidden.double() @ weight.double().T
    assert read.logits.dtype == torch.float32
    # Products of 64 terms below 20 in fp32: each sum is off by at most 64 * 20 * 2**-24.
    assert (read.log_normalizer - exact.logsumexp(1)).abs().max() < 64 * 20 * 2**-24
