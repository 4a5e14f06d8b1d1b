"""Fused layers against the untouched network: bit-equal by the reference, close by the kernels."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from critic_models.engine import Engine
from critic_models.vlm import fused
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.fused import use_fused
from critic_models.vlm.model import CriticModel
from engine_work import clip, item, numbers
from tiny_critics import FAMILY_NAMES, tiny_network

# Of the largest errors among some dozens of numbers, each a sum of independent roundings.
LARGEST_RATIO = 3.0


def answers(model_type: str, dtype: torch.dtype, impl: fused.Impl | None) -> torch.Tensor:
    """All logits about two clips, float64."""
    network = tiny_network(model_type, dtype)
    model = CriticModel(network, FAMILIES[model_type])
    if impl is not None:
        use_fused(network, impl)
    items = [
        item(model_type, [clip(model_type)]),
        item(model_type, [clip(model_type, "two", (2, 8, 4), seed=2)]),
    ]
    rows: Sequence[Any] = numbers(Engine(model, 4096).run(items))
    return torch.tensor([n for row in rows for branch in row for n in branch], dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_replaced_layers_compute_what_the_published_ones_do(
    model_type: str, dtype: torch.dtype
) -> None:
    ours = answers(model_type, dtype, "reference")
    assert torch.equal(ours, answers(model_type, dtype, None))


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_triton_stays_within_the_networks_own_error(model_type: str) -> None:
    pytest.importorskip("triton", reason="triton is not installed: `make test-kernels`")
    truth = answers(model_type, torch.float64, "reference")
    for dtype in (torch.float32, torch.bfloat16):
        theirs = (answers(model_type, dtype, None) - truth).abs().max()
        ours = (answers(model_type, dtype, "triton") - truth).abs().max()
        assert ours <= LARGEST_RATIO * theirs


@pytest.mark.slow
def test_compiled_stays_within_the_networks_own_error() -> None:
    truth = answers("qwen3_vl", torch.float64, "reference")
    theirs = (answers("qwen3_vl", torch.float32, None) - truth).abs().max()
    ours = (answers("qwen3_vl", torch.float32, "compile") - truth).abs().max()
    assert ours <= LARGEST_RATIO * theirs


MUTANTS = {
    "residual": ("rms_norm", lambda x, residual=None, **o: fused_rms_norm(x, **o)),
    "epsilon": ("rms_norm", lambda x, **o: fused_rms_norm(x, **{**o, "epsilon": 0.1})),
    "angles": ("rotate", lambda q, k, cos, sin, **o: fused_rotate(q, k, sin, cos, **o)),
    "vision angles": ("rotate_packed", lambda p, c, s, **o: fused_rotate_packed(p, c, -s, **o)),
    "gate": ("swiglu", lambda gate, up, **o: fused_swiglu(up, gate, **o)),
}
fused_rms_norm, fused_rotate = fused.rms_norm, fused.rotate
fused_rotate_packed, fused_swiglu = fused.rotate_packed, fused.swiglu


@pytest.mark.parametrize("mutant", MUTANTS)
def test_wrong_operations_move_the_answers(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, wrong = MUTANTS[mutant]
    right = answers("qwen2_5_vl", torch.float64, "reference")
    monkeypatch.setattr(fused, name, wrong)
    assert (answers("qwen2_5_vl", torch.float64, "reference") - right).abs().max() > 1e-3


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_unknown_layers_are_refused(model_type: str) -> None:
    network = tiny_network(model_type, torch.float32)
    network.model.language_model.layers[1].mlp.act_fn = torch.nn.Tanh()
    with pytest.raises(ValueError, match="no fused gate for Tanh"):
        use_fused(network, "reference")
    network = tiny_network(model_type, torch.float32)
    del network.model.language_model.layers[0].self_attn.o_proj
    with pytest.raises(ValueError, match="without o_proj is not known"):
        use_fused(network, "reference")
    network = tiny_network(model_type, torch.float32)
    network.model.visual.blocks[0] = torch.nn.Identity()
    with pytest.raises(ValueError, match="Identity cannot be fused"):
        use_fused(network, "reference")


def test_a_cache_is_refused() -> None:
    network = tiny_network("qwen3_vl", torch.float32)
    use_fused(network, "reference")
    layer = network.model.language_model.layers[0]
    with pytest.raises(RuntimeError, match="keep no cache"):
        layer(torch.ones(1, 2, 64), position_embeddings=None, past_key_values=object())


@pytest.mark.parametrize(
    "path", ["language_model.layers.0", "language_model.layers.0.self_attn", "visual.blocks.0"]
)
@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_a_part_that_would_be_left_out_is_refused(model_type: str, path: str) -> None:
    network = tiny_network(model_type, torch.float32)
    network.model.get_submodule(path).add_module("extra", torch.nn.Identity())
    with pytest.raises(ValueError, match="with extra is not known"):
        use_fused(network, "reference")


@pytest.mark.parametrize("tower", ["language_model.layers", "visual.blocks"])
@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_an_mlp_of_other_parts_is_refused(model_type: str, tower: str) -> None:
    network = tiny_network(model_type, torch.float32)
    network.model.get_submodule(f"{tower}.0.mlp").add_module("extra", torch.nn.Identity())
    with pytest.raises(ValueError, match=r"with extra is not known|is not two layers"):
        use_fused(network, "reference")


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
@torch.inference_mode()
def test_a_copy_computes_by_its_own_weights(model_type: str) -> None:
    network = tiny_network(model_type, torch.float32)
    use_fused(network, "reference")
    copied = copy.deepcopy(network)
    for tower in ("language_model.layers.0.mlp", "visual.blocks.0.mlp"):
        mlp = copied.model.get_submodule(tower)
        before = network.model.get_submodule(tower)
        for parameter in mlp.parameters():
            parameter.zero_()
        rows = torch.ones(2, next(mlp.parameters()).shape[1])
        assert not mlp(rows).any()
        assert before(rows).any()


def test_what_cannot_run_here_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="elementwise 'triton' cannot run: triton is not inst"):
        use_fused(tiny_network("qwen3_vl", torch.float32), "triton")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match="there is no no-such-compiler"):
        use_fused(tiny_network("qwen3_vl", torch.float32), "compile")
