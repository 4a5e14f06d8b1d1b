from __future__ import annotations

import numpy as np
import pytest
import torch
from critic_models.finetune.heads import DenseHeads, dense_losses, dense_targets, strength
from critic_models.world import DEFECTS, SPLITS, VALUES, degrade, render, sample_scene

NONE = dict.fromkeys(DEFECTS, 0.0)


def targets_of(index: int, severities: dict[str, float] | None = None, frames: int = 8):
    split = SPLITS["train"]
    scene = sample_scene(split.rng(index), split)
    severities = {**NONE, **(severities or {})}
    clip = degrade(severities, render(scene, (128, 128), frames), np.random.default_rng(index))
    chosen = np.linspace(0, frames - 1, 8).round().astype(int)
    return scene, clip, dense_targets(scene, clip, severities, (4, 4), chosen)


@pytest.mark.parametrize("index", range(6))
def test_coverage_is_where_the_object_is_and_of_its_size(index):
    scene, _, targets = targets_of(index)
    weights = targets.coverage / targets.coverage.sum((1, 2), keepdims=True)
    cells = 32 * np.arange(4) + 16
    x, y = (weights.sum(1) * cells).sum(1), (weights.sum(2) * cells).sum(1)
    centres = scene.object_path(8).reshape(4, 2, 2).mean(1) + 64
    assert np.abs(np.stack([x, y], 1) - centres).max() < 8
    factor = {"circle": np.pi, "square": 1.8**2, "triangle": 2.2 * 2.1 / 2}[scene.shape]
    ratio = targets.coverage.sum((1, 2)) * 32**2 / (factor * scene.radius**2)
    assert ((ratio > 0.9) & (ratio < 1.35)).all()


@pytest.mark.parametrize("index", range(8))
def test_displacement_points_where_the_caption_says(index):
    scene, _, targets = targets_of(index)
    dx, dy = targets.motion[:, 2:4].mean(0)
    seen = {"left": -dx, "right": dx, "up": -dy, "down": dy}
    assert max(seen, key=seen.get) == scene.direction


def test_motion_is_relative_to_the_frames_that_are_seen():
    _, _, short = targets_of(2, frames=8)
    _, _, long = targets_of(2, frames=22)
    assert np.allclose(short.motion, long.motion, atol=1e-6)


def test_a_frozen_patch_is_one_whose_frames_are_equal():
    _, clip, targets = targets_of(1, {"freeze": 1.0})
    equal = [np.array_equal(clip.frames[2 * p], clip.frames[2 * p + 1]) for p in range(4)]
    assert targets.frozen.tolist() == [float(e) for e in equal]
    assert targets.frozen.any()
    assert not targets.frozen.all()


def test_strength_is_monotone_and_keeps_the_ends():
    values = [strength(s) for s in np.linspace(0, 1, 11)]
    assert values[0] == 0.0
    assert values[-1] == 1.0
    assert values == sorted(values)


def test_perfect_predictions_have_almost_no_loss_and_wrong_ones_do():
    _, _, one = targets_of(3, {"blur": 1.0})
    batch = {name: torch.from_numpy(value)[None] for name, value in vars(one).items()}
    batch["coverage"] = (batch["coverage"].flatten(2) > 0.1).float()
    sure = 30.0
    perfect = {
        "coverage": (batch["coverage"][..., None] * 2 - 1) * sure,
        "motion": batch["motion"][:, :, None].expand(1, 4, 16, 7),
        "frozen": (batch["frozen"][:, :, None, None].expand(1, 4, 16, 1) * 2 - 1) * sure,
        "imaging": (batch["imaging"][:, None, None].expand(1, 4, 16, 3) * 2 - 1) * sure,
    }
    for column, slot in enumerate(VALUES):
        logits = torch.zeros(1, 4, 16, len(VALUES[slot]))
        logits[..., batch["slots"][0, column]] = sure
        perfect[slot] = logits
    assert all(loss < 1e-3 for loss in dense_losses(perfect, batch).values())
    for name, values in perfect.items():
        wrong = {**perfect, name: -values if name != "motion" else values + 1.0}
        assert dense_losses(wrong, batch)[name] > 0.5


def test_heads_give_one_prediction_for_every_token():
    predicted = DenseHeads(24)(torch.randn(2, 4, 16, 24))
    assert all(p.shape[:3] == (2, 4, 16) for p in predicted.values())
    assert predicted["direction"].shape[-1] == 4
