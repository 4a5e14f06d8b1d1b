"""From files in a folder to numbers, by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from critic_models.dimensions.catalogue import NETWORK_DIMENSIONS
from critic_models.dimensions.networked import Ask
from critic_models.dimensions.networks.raft import Raft
from critic_models.dimensions.suite import network_runner
from critic_models.dimensions.weights import WeightStore
from critic_models.errors import UnknownName
from golden_clips import GOLDEN_CLIPS
from seeded_networks import SMALL, fill


def test_weights_that_are_there_give_the_golden_number(tmp_path: Path) -> None:
    store = WeightStore(tmp_path)
    raft = fill(Raft(), SMALL["raft_things"]["gain"])
    state = {f"module.{name}": tensor for name, tensor in raft.state_dict().items()}
    torch.save(state, store.path("raft_things"))
    runner = network_runner(["dynamic_degree", "subject_consistency"], store, compat="vbench")
    (scores,) = runner.measure([(GOLDEN_CLIPS["odd"].clip(), Ask())])
    golden = json.loads((Path(__file__).parent / "goldens" / "dynamic_degree.json").read_text())
    expected = golden["cases"]["odd"]
    assert scores["dynamic_degree"].raw == float(expected["score"])
    np.testing.assert_allclose(
        scores["dynamic_degree"].per_frame or (), expected["lengths"], rtol=1e-6
    )
    assert scores["subject_consistency"].raw is None
    assert "dino_vitbase16_pretrain.pth" in (scores["subject_consistency"].reason or "")


def test_without_any_weights_every_dimension_names_its_file(tmp_path: Path) -> None:
    picture = GOLDEN_CLIPS["two"].frames()[0]
    ask = Ask("a person is marching", {"appearance_style": "Van Gogh style"}, picture)
    runner = network_runner(list(NETWORK_DIMENSIONS), WeightStore(tmp_path))
    (scores,) = runner.measure([(GOLDEN_CLIPS["odd"].clip(), ask)])
    assert list(scores) == list(NETWORK_DIMENSIONS)
    for name, score in scores.items():
        assert score.raw is None
        assert "critic weights fetch" in (score.reason or ""), name


def test_a_name_that_is_no_network_dimension_is_refused() -> None:
    with pytest.raises(UnknownName, match="'temporal_flickering'"):
        network_runner(["temporal_flickering"])


def test_a_file_that_comes_later_is_found(tmp_path: Path) -> None:
    store = WeightStore(tmp_path)
    runner = network_runner(["dynamic_degree"], store)
    clip = (GOLDEN_CLIPS["three"].clip(), Ask())
    assert runner.measure([clip])[0]["dynamic_degree"].raw is None
    raft = fill(Raft(), SMALL["raft_things"]["gain"])
    torch.save(raft.state_dict(), store.path("raft_things"))
    assert runner.measure([clip])[0]["dynamic_degree"].raw is not None


def test_some_of_the_dimensions_are_measured_until_somebody_says_stop(tmp_path: Path) -> None:
    store = WeightStore(tmp_path)
    raft = fill(Raft(), SMALL["raft_things"]["gain"])
    torch.save(raft.state_dict(), store.path("raft_things"))
    runner = network_runner(["dynamic_degree", "static_filter"], store)
    clip = (GOLDEN_CLIPS["two"].clip(), Ask())
    assert list(runner.measure([clip], ["static_filter"])[0]) == ["static_filter"]

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        runner.measure([clip], go_on=stop)
