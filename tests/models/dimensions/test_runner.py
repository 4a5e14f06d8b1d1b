"""Clips are measured together as they are alone; what cannot be measured has a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from critic_models.dimensions.catalogue import CATALOGUE, DETECTED_DIMENSIONS, NETWORK_DIMENSIONS
from critic_models.dimensions.dimension import Compat, Reading
from critic_models.dimensions.measure import DIMENSIONS
from critic_models.dimensions.networked import Ask, Evidence, NetworkDimension, Reader, every_frame
from critic_models.dimensions.runner import NetworkRunner
from critic_models.dimensions.vlm_dimensions import ASKED_DIMENSIONS
from critic_models.dimensions.weights import WeightsMissing
from critic_models.types import Clip
from critic_models.video.frames import from_array
from critic_models.video.sampling import AllFrames, Uniform
from golden_clips import GOLDEN_CLIPS


class Brightness(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[int, ...]] = []

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.batches.append(tuple(batch.shape))
        return batch.float().mean((1, 2, 3))


def prepare(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames[0]).permute(2, 0, 1).float()


def compute(evidence: Evidence, compat: Compat) -> Reading:
    series = tuple(evidence.features.double().tolist())
    return Reading(sum(series) / len(series), None, series)


def dimension(name: str = "brightness", **changes: Any) -> NetworkDimension:
    facts: dict[str, Any] = {
        "name": name,
        "group": "motion",
        "range": (0.0, 255.0),
        "higher_is_better": None,
        "min_frames": 1,
        "description": "the mean",
        "source": "a test",
        "reader": Reader("network", every_frame, prepare, lambda network, batch: network(batch)),
        "compute": compute,
    }
    return NetworkDimension(**{**facts, **changes})


def clip(name: str) -> Clip:
    return GOLDEN_CLIPS[name].clip()


def test_together_as_alone_and_frames_share_batches() -> None:
    network = Brightness()
    small = Reader(
        "network", every_frame, prepare, lambda n, b: n(b), max_batch_values=4 * 3 * 133 * 171
    )
    runner = NetworkRunner([dimension(reader=small)], lambda _: network)
    clips = [(clip(name), Ask()) for name in ("odd", "two", "odd")]
    together = runner.measure(clips)
    # Ten frames of one size in batches of four, whichever clip they are of.
    assert sorted(network.batches) == [
        (2, 3, 130, 203),
        (2, 3, 133, 171),
        (4, 3, 133, 171),
        (4, 3, 133, 171),
    ]
    for (each, ask), scores in zip(clips, together, strict=True):
        (alone,) = NetworkRunner([dimension()], lambda _: Brightness()).measure([(each, ask)])
        found, expected = scores["brightness"], alone["brightness"]
        assert found.per_frame == pytest.approx(expected.per_frame, abs=1e-4)
        assert found.per_frame == pytest.approx(each.frames.mean((1, 2, 3)).tolist(), abs=1e-3)


def test_dimensions_of_one_reader_read_once() -> None:
    network, loaded = Brightness(), []
    runner = NetworkRunner(
        [dimension("first"), dimension("second")], lambda name: loaded.append(name) or network
    )
    reader = dimension().reader
    runner.dimensions = [dimension("first", reader=reader), dimension("second", reader=reader)]
    (scores,) = runner.measure([(clip("two"), Ask())])
    runner.measure([(clip("two"), Ask())])
    assert list(scores) == ["first", "second"]
    assert len(network.batches) == 2
    assert loaded == ["network"]


def test_what_cannot_be_measured_has_a_reason_and_the_rest_goes_on() -> None:
    def load(name: str) -> Any:
        if name == "absent":
            raise WeightsMissing("The file x.pth is not there.")
        return Brightness()

    lacking = Reader("absent", every_frame, prepare, lambda n, b: n(b))
    runner = NetworkRunner(
        [
            dimension("here"),
            dimension("gone", reader=lacking),
            dimension("long", min_frames=4),
            dimension("large", least_side=150),
            dimension("told", needs="color"),
        ],
        load,
    )
    (scores,) = runner.measure([(clip("two"), Ask("a prompt"))])
    assert scores["here"].raw is not None
    reasons = {name: each.reason or "" for name, each in scores.items() if each.raw is None}
    assert reasons == {
        "gone": "The file x.pth is not there.",
        "long": "At least 4 frames are needed; the clip has 2.",
        "large": "Sides of at least 150 pixels are needed; the clip is 203 x 130.",
        "told": "The clip's color is needed and was not given.",
    }
    assert all(scores[name].weight is None for name in reasons)


def test_a_sampled_clip_has_no_number() -> None:
    sampled = from_array(GOLDEN_CLIPS["nine"].frames(), 24.0, Uniform(4))
    (scores,) = NetworkRunner([dimension()], lambda _: Brightness()).measure([(sampled, Ask())])
    assert scores["brightness"].raw is None
    assert "holds 4 of 9" in (scores["brightness"].reason or "")
    whole = from_array(GOLDEN_CLIPS["nine"].frames(), 24.0, AllFrames())
    (scores,) = NetworkRunner([dimension()], lambda _: Brightness()).measure([(whole, Ask())])
    assert scores["brightness"].raw is not None


def test_every_dimension_of_vbench_has_its_facts() -> None:
    named = {n: f for n, f in CATALOGUE.items() if f.source.startswith("VBench")}
    assert len(named) == 18
    assert set(CATALOGUE) == {
        *DIMENSIONS,
        *NETWORK_DIMENSIONS,
        *DETECTED_DIMENSIONS,
        *ASKED_DIMENSIONS,
    }
    assert list(CATALOGUE) == sorted(CATALOGUE)
    for name, facts in named.items():
        assert facts.name == name
        assert facts.cost
        assert facts.range[0] < facts.range[1]
        # The others have a part in VBench's own totals.
        assert (facts.scale is None) is (name in ("i2v_subject", "static_filter"))
        assert facts.boolean == ("Continuous: " in facts.description)
        assert all("; corrected: " in each for each in facts.differences)
        assert facts.needs_weights == (name in NETWORK_DIMENSIONS)
