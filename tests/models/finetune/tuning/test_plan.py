from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from critic_models.finetune.tuning.config import RowsConfig
from critic_models.finetune.tuning.plan import (
    cases_of_step,
    learning_rate_share,
    num_steps,
    spread,
)
from critic_models.rows import Source
from hypothesis import given, settings
from hypothesis import strategies as st

CONFIG = RowsConfig(critic="base", rows=(Source(Path("x")),), cases_per_step=4, epochs=3)


@given(st.integers(1, 30), st.integers(1, 12), st.integers(1, 3))
@settings(max_examples=40)
def test_every_epoch_shows_every_case_once(cases, per_step, epochs):
    config = dataclasses.replace(CONFIG, cases_per_step=per_step, epochs=epochs)
    steps = num_steps(config, cases)
    shown = [c for step in range(steps) for c in cases_of_step(config, cases, step).tolist()]
    for epoch in range(epochs):
        assert sorted(shown[epoch * cases : (epoch + 1) * cases]) == list(range(cases))
    assert len(shown) - epochs * cases < per_step


def test_the_order_is_of_the_seed_and_the_epoch():
    first = [cases_of_step(CONFIG, 40, step).tolist() for step in range(20)]
    assert first == [cases_of_step(CONFIG, 40, step).tolist() for step in range(20)]
    assert first[:10] != first[10:]
    other = dataclasses.replace(CONFIG, seed=1)
    assert first[0] != cases_of_step(other, 40, 0).tolist()


def test_steps_are_bounded():
    assert num_steps(CONFIG, 10) == 8
    assert num_steps(dataclasses.replace(CONFIG, max_steps=5), 10) == 5
    assert num_steps(dataclasses.replace(CONFIG, epochs=0.5), 10) == 2


def test_the_learning_rate_rises_and_falls():
    config = dataclasses.replace(CONFIG, warmup_share=0.1)
    shares = [learning_rate_share(config, step, 100) for step in range(100)]
    assert shares[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert shares[10] == 1.0
    assert shares[55] == pytest.approx(0.5)
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert 0 < shares[99] < 0.01
    flat = dataclasses.replace(config, warmup_share=0.0)
    assert learning_rate_share(flat, 0, 1) == 1.0


@given(st.integers(0, 50), st.integers(1, 20))
def test_a_choice_is_spread_over_everything(count, most):
    chosen = spread(range(count), most)
    assert len(chosen) == min(most, count)
    assert len(set(chosen)) == len(chosen)
    if count and most > 1:
        assert max(chosen) >= count * (1 - 1 / min(most, count)) - 1
