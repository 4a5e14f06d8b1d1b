"""A forward never reads a value back from its device: on a GPU the host would wait for it.

The stand-in for a GPU is torch's meta device, whose tensors have no values: whoever asks for one,
by `.item()`, `.tolist()` or the rows of a mask, gets an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from critic_models.engine import Engine, WorkItem, pack
from critic_models.engine.answers import PendingAnswers
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.model import CriticModel, ElementwiseImpl
from critic_models.vlm.vision_inputs import VisionInputs
from engine_work import clip, item, numbers
from tiny_critics import FAMILY_NAMES, tiny_model, tiny_network
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def work(model_type: str) -> list[WorkItem]:
    one, two = clip(model_type), clip(model_type, "two", (2, 8, 4), seed=2)
    return [item(model_type, [one, two]), item(model_type, [one])]


def valueless(model_type: str, elementwise: ElementwiseImpl = "none") -> Engine:
    network = tiny_network(model_type, torch.float32).to("meta")
    model = CriticModel(network, FAMILIES[model_type], elementwise=elementwise)
    return Engine(model, 1 << 20)


def lengths_only(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tower derive its tables from the grids, as it would by itself."""

    def keywords(inputs: VisionInputs) -> dict[str, Any]:
        grid_thw = torch.tensor(inputs.grids, device="meta")
        return {"grid_thw": grid_thw, "layouts": inputs.layouts}

    monkeypatch.setattr(VisionInputs, "keywords", property(keywords))


def mask_for_rows(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Add deepstack features where a mask says, as transformers does by itself."""
    language = engine.model.network.model.language_model
    process = type(language)._deepstack_process

    def by_mask(hidden: torch.Tensor, rows: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        mask = torch.zeros(hidden.shape[:2], dtype=torch.bool, device="meta")
        mask[0, rows] = True
        return process(language, hidden, mask, features)

    monkeypatch.setattr(language, "_deepstack_process", by_mask)


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
@pytest.mark.parametrize("elementwise", ["none", "reference"])
def test_no_value_is_read(model_type: str, elementwise: ElementwiseImpl) -> None:
    items = work(model_type)
    pending = valueless(model_type, elementwise)._forward(items)
    assert pending.rows.is_meta
    assert pending.rows.shape == (sum(len(i.branches) for i in items), 3 + 1)


@pytest.mark.parametrize(
    ("model_type", "mutant"),
    [*((name, lengths_only) for name in FAMILY_NAMES), ("qwen3_vl", mask_for_rows)],
)
def test_mutants_read_values(model_type: str, mutant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = valueless(model_type)
    mutant(engine, monkeypatch)
    with pytest.raises((RuntimeError, NotImplementedError), match=r"meta|nonzero"):
        engine._forward(work(model_type))


class CopiesToDevice(TorchDispatchMode):
    """Count operations that take something on the host and make something on the device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        taken = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        given = [x for x in tree_leaves(made) if isinstance(x, torch.Tensor)]
        self.count += any(not x.is_meta for x in taken) and any(x.is_meta for x in given)
        return made


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_everything_goes_up_before_the_forward(model_type: str) -> None:
    """A copy in the middle of a forward waits for the kernels before it."""
    engine = valueless(model_type)
    batch = pack(work(model_type))
    with CopiesToDevice() as staging:
        staged = engine._staging.stage(batch, {})
    assert staging.count > 0
    with torch.inference_mode(), CopiesToDevice() as encoding:
        engine._features(staged)
    assert encoding.count == 0


def test_the_next_forward_begins_before_the_last_one_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a GPU the second batch is packed and sent up while the first one is computed."""
    model_type = "qwen3_vl"
    items = [item(model_type, [clip(model_type, str(i), seed=i)]) for i in range(3)]
    engine = Engine(tiny_model(model_type, torch.float32), items[0].num_tokens)
    expected = numbers(engine.run(items))
    forward, read = engine._forward, PendingAnswers.for_items
    events: list[str] = []

    def noted_forward(batch: Sequence[WorkItem]) -> PendingAnswers:
        events.append(f"forward {batch[0].clips[0].clip_id}")
        return forward(batch)

    def noted_read(pending: PendingAnswers, batch: Sequence[WorkItem]) -> Any:
        events.append(f"read {batch[0].clips[0].clip_id}")
        return read(pending, batch)

    monkeypatch.setattr(engine, "_forward", noted_forward)
    monkeypatch.setattr(PendingAnswers, "for_items", noted_read)
    assert numbers(engine.run(items)) == expected
    assert events == ["forward 0", "forward 1", "read 0", "forward 2", "read 1", "read 2"]
