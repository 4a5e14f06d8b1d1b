"""Two processes that train together compute what one would on all of their clips."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from critic_models.finetune.config import SMOKE
from critic_models.finetune.group import Member, together
from critic_models.finetune.train import train

GRADIENT = torch.arange(6.0).view(2, 3)


def other(member: Member, share: float) -> None:
    assert not member.leads
    assert member.agree(-1.0) == share
    gradient = GRADIENT * 3
    member.average([gradient, gradient.clone()])


def failing(member: Member) -> None:
    raise SystemExit(3)


def test_gradients_are_averaged_and_values_agreed(tmp_path):
    with together(2, tmp_path, other, 0.25) as member:
        assert member.leads
        assert member.agree(0.25) == 0.25
        gradients = [GRADIENT.clone(), GRADIENT.clone()]
        member.average(gradients)
    assert all(torch.equal(gradient, GRADIENT * 2) for gradient in gradients)


def test_one_process_needs_nobody(tmp_path):
    with together(1, tmp_path, failing) as member:
        gradient = GRADIENT.clone()
        member.average([gradient])
    assert torch.equal(gradient, GRADIENT)
    assert member.agree(0.5) == 0.5


def test_a_process_that_fails_fails_the_run(tmp_path):
    with pytest.raises(RuntimeError, match="failed"), together(2, tmp_path, failing):
        pass


@pytest.mark.slow
def test_a_run_of_two_processes_trains(tmp_path):
    config = dataclasses.replace(SMOKE, processes=2, batch_clips=4, steps=4)
    learner, run = train(config, tmp_path)
    assert run.step == 4
    assert all(torch.isfinite(p).all() for p in learner.parameters())
