"""What the heads are to say, held against the pictures and the truth of the world."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from critic_models.finetune.draw import known_facts
from critic_models.finetune.heads import (
    SUMMARY_WIDTHS,
    TOKEN_WIDTHS,
    Heads,
    summary_losses,
    token_losses,
)
from critic_models.finetune.targets import (
    MOTION_WIDTH,
    OF_BODY,
    SLOT_VALUES,
    THINGS,
    DenseTargets,
    dense_targets,
)
from critic_models.video.sampling import Transitions
from critic_models.world import DEFECTS, SPLITS, Clip, film, make_take
from critic_models.world.catalogue import COLOURS
from critic_models.world.pairs import sample_suited

SPLIT = SPLITS["train"]
GRID = (4, 4)


def filmed(defect: str, severity: float, index: int = 0, frames: int = 8) -> Clip:
    shot = sample_suited(defect, SPLIT.rng(70, index), SPLIT)
    return film(make_take(shot, {defect: severity}, 5), (128, 128), frames)


def targets_of(clip: Clip) -> DenseTargets:
    chosen = Transitions(8).indices(len(clip.frames), 1.0, np.arange(len(clip.frames)))
    return dense_targets(clip, known_facts(clip), GRID, chosen)


@pytest.mark.parametrize("index", range(6))
def test_the_largest_body_of_a_token_is_named_with_its_colour(index):
    clip = filmed("blur", 0.0, index)
    targets = targets_of(clip)
    patch, token = np.unravel_index(targets.weight.argmax(), targets.weight.shape)
    figure = clip.shot.bodies[0].figure
    names = {(THINGS.index(b.figure.noun), b.figure.colour) for b in clip.shot.bodies}
    colour = targets.colour[patch, token]
    assert (targets.thing[patch, token], COLOURS[colour] if colour >= 0 else "") in names
    assert targets.roles.min() >= 0.0
    assert targets.roles.sum(-1).max() <= 1.0 + 1e-6
    assert clip.shot.premise.noun == figure.noun


def test_bodies_go_where_their_shot_says():
    found = 0
    for index in range(60):
        clip = filmed("haste", 0.0, index)
        premise = clip.shot.premise
        if premise.action != "move" or premise.direction not in ("left", "right"):
            continue
        targets = targets_of(clip)
        share = targets.roles[..., 0] * targets.weight
        across = (targets.motion[..., 0] * share).sum() / share.sum()
        assert (across > 0) == (premise.direction == "right")
        found += 1
    assert found >= 3


def test_motion_is_of_the_frames_that_are_seen():
    short, long = (filmed("blur", 0.0, 3, frames) for frames in (8, 22))
    first, second = targets_of(short).so_far, targets_of(long).so_far
    assert np.allclose(first, second, atol=0.05)
    assert targets_of(short).motion.shape == targets_of(long).motion.shape


@pytest.mark.parametrize("defect", ["freeze", "drop"])
def test_a_patch_is_frozen_where_its_frames_are_equal(defect):
    clip = filmed(defect, 0.6)
    equal = [np.array_equal(a, b) for a, b in zip(clip.frames, clip.frames[1:], strict=False)]
    assert targets_of(clip).frozen.tolist() == [float(e) for e in equal]
    assert any(equal)


def test_a_shuffled_clip_goes_back_in_time():
    steps = targets_of(filmed("shuffle", 0.8)).motion[:, 0, -2]
    assert steps.min() < -1.0
    assert np.abs(targets_of(filmed("shuffle", 0.0)).motion[:, 0, -2]).max() == 0.0


def test_what_has_happened_never_unhappens():
    for defect, column in (("subject_colour", 0), ("background_switch", 1), ("teleport", 2)):
        so_far = targets_of(filmed(defect, 1.0)).so_far
        assert (np.diff(so_far, axis=0) >= 0).all()
        assert so_far[-1, column] > 0.5
        assert targets_of(filmed(defect, 0.0)).so_far.max() == 0.0


def test_defects_and_slots_are_those_of_the_clip():
    clip = filmed("noise", 1.0)
    targets = targets_of(clip)
    assert targets.defects[DEFECTS.index("noise")] == 1.0
    assert targets.defects.sum() == 1.0
    nouns = SLOT_VALUES["object"]
    assert nouns[targets.slots[list(SLOT_VALUES).index("object")]] == clip.shot.premise.noun


def test_perfect_predictions_have_almost_no_loss_and_wrong_ones_do():
    targets = targets_of(filmed("blur", 1.0, 3))
    batch = {name: torch.from_numpy(value)[None] for name, value in vars(targets).items()}
    batch["roles"] = (batch["roles"] > 0.3).float()
    sure = 30.0

    def one_hot(wanted: torch.Tensor, width: int) -> torch.Tensor:
        return torch.nn.functional.one_hot(wanted.clamp_min(0), width).float() * sure

    tokens = (1, 7, 16)
    perfect = {
        "roles": (batch["roles"] * 2 - 1) * sure,
        "thing": one_hot(batch["thing"], TOKEN_WIDTHS["thing"]),
        "colour": one_hot(batch["colour"], TOKEN_WIDTHS["colour"]),
        "motion": batch["motion"].clone(),
        "frozen": (batch["frozen"][:, :, None, None].expand(*tokens, 1) * 2 - 1) * sure,
        "scene": one_hot(batch["scene"], TOKEN_WIDTHS["scene"])[:, :, None].expand(*tokens, -1),
        "imaging": torch.logit(batch["imaging"].clamp(1e-6, 1 - 1e-6))[:, None, None].expand(
            *tokens, -1
        ),
    }
    assert all(loss < 1e-3 for loss in token_losses(perfect, batch).values())
    for name in perfect:
        wrong = -perfect[name] if name != "motion" else perfect[name] + 1.0
        losses = token_losses({**perfect, name: wrong}, batch)
        assert max(losses.values()) > 0.3, name


def test_heads_give_one_prediction_for_every_state():
    predicted = Heads(24, TOKEN_WIDTHS)(torch.randn(2, 7, 16, 24))
    assert all(p.shape[:3] == (2, 7, 16) for p in predicted.values())
    assert predicted["motion"].shape[-1] == MOTION_WIDTH == len(OF_BODY)


def test_an_unknown_slot_is_not_learned():
    targets = targets_of(filmed("noise", 1.0))
    batch = {name: torch.from_numpy(value)[None] for name, value in vars(targets).items()}
    batch["slots"] = torch.full_like(batch["slots"], -1)
    predicted = Heads(24, SUMMARY_WIDTHS)(torch.randn(1, 7, 24))
    losses = summary_losses(predicted, batch)
    assert all(float(losses[f"slot_{name}"]) == 0.0 for name in SLOT_VALUES)
    assert float(losses["defects"]) > 0.0
