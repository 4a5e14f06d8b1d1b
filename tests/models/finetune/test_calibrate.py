from __future__ import annotations

import numpy as np
import pytest
from critic_models.finetune.accuracy import Accuracy
from critic_models.finetune.calibrate import fit_platt


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    # Values of the closed form, as in Newcombe (1998), Statistics in Medicine 17:857, table I.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)],
)
def test_wilson_intervals_are_the_published_ones(correct, total, low, high):
    assert Accuracy(correct, total).interval == pytest.approx((low, high), abs=5e-5)


def test_platt_scaling_recovers_what_made_the_labels():
    rng = np.random.default_rng(0)
    raw = rng.normal(0, 3, 4000)
    target = 1 / (1 + np.exp(-(0.6 * raw - 1.2)))
    fitted = fit_platt(raw, target)
    assert fitted.scale == pytest.approx(0.6, abs=0.02)
    assert fitted.shift == pytest.approx(-1.2, abs=0.04)


def test_platt_scaling_stays_finite_and_rising():
    raw = np.asarray([-2.0, -1.0, 1.0, 2.0])
    separable = fit_platt(raw, np.asarray([0.0, 0.0, 1.0, 1.0]))
    assert 0 < separable.scale < 100
    falling = fit_platt(raw, np.asarray([1.0, 1.0, 0.0, 0.0]))
    assert falling.scale > 0
