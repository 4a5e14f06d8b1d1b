"""Weights of a checklist, learned from preferences: logistic regression on answer differences.

VisionReward (arXiv 2412.21059, section 3): with `dx` the difference of two clips' answers and `y`
whether the first is preferred, minimise the cross-entropy of `sigmoid(dx . w)`, and remove negative
weights from iteration to iteration until the weights no longer change. That is projected gradient
descent, and its limit the best weights of which none is negative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from critic_models.errors import InputError
from critic_models.rows.checklist import Checklist, ChecklistItem

RIDGE = 1e-4
"""Keeps weights finite where the questions separate all pairs."""

_MAX_STEPS = 200_000
_TOLERANCE = 1e-10


def learn_weights(
    a: np.ndarray, b: np.ndarray, preferred: np.ndarray, ridge: float = RIDGE
) -> np.ndarray:
    """Fit non-negative weights.

    Args:
        a, b: float64 `[N, Q]`, answers about the first and second clip of each pair: 1 for yes and
            0 for no, or the probability of yes.
        preferred: float64 `[N]`, 1 where the first clip is preferred, 0 where the second is, 0.5
            for a tie.
        ridge: factor of half the squared weights, added to the mean loss.

    Returns:
        float64 `[Q]`, none negative; 0 for a question that was removed.

    Raises:
        InputError: where shapes do not fit, or values are not finite or out of range.
    """
    if a.ndim != 2 or a.shape != b.shape or preferred.shape != a.shape[:1] or a.size == 0:
        raise InputError(
            f"answers must be [N, Q] and preferences [N]; found {a.shape}, {b.shape}, "
            f"{preferred.shape}"
        )
    x = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    y = np.asarray(preferred, np.float64)
    if not np.isfinite(x).all() or not ((y >= 0) & (y <= 1)).all():
        raise InputError("answers must be finite, and preferences in [0, 1]")
    count = len(x)
    # The largest curvature of the loss is a quarter of that of its argument.
    rate = 1.0 / (np.linalg.eigvalsh(x.T @ x / count)[-1] / 4.0 + ridge)
    weights = np.zeros(x.shape[1])
    ahead, momentum = weights, 1.0
    for _ in range(_MAX_STEPS):
        gradient = x.T @ (_sigmoid(x @ ahead) - y) / count + ridge * ahead
        moved = np.maximum(0.0, ahead - rate * gradient)
        if np.abs(moved - ahead).max() <= _TOLERANCE:
            return moved
        # Nesterov's momentum, begun anew where it points uphill (O'Donoghue and Candes, 2015).
        if (ahead - moved) @ (moved - weights) > 0:
            momentum = 1.0
        following = (1.0 + np.sqrt(1.0 + 4.0 * momentum**2)) / 2.0
        ahead = moved + (momentum - 1.0) / following * (moved - weights)
        weights, momentum = moved, following
    raise InputError("the checklist's weights did not converge")


def learn_checklist(
    name: str,
    criteria: Sequence[str],
    a: np.ndarray,
    b: np.ndarray,
    preferred: np.ndarray,
    held_out: np.ndarray,
    critic: str = "",
    revision: str = "",
) -> Checklist:
    """Fit a checklist and measure it on pairs that it did not see.

    Args:
        criteria: names of the `Q` questions.
        a, b, preferred: as in `learn_weights`.
        held_out: bool `[N]`, pairs that only measure.

    Raises:
        InputError: as `learn_weights`, or where no question has a positive weight.
    """
    weights = learn_weights(a[~held_out], b[~held_out], preferred[~held_out])
    kept = [(c, float(w)) for c, w in zip(criteria, weights, strict=True) if w > 0]
    if not kept:
        raise InputError("no question has a positive weight: none goes with the preferences")
    margin = (a[held_out] - b[held_out]) @ weights
    wanted = preferred[held_out] - 0.5
    decided = wanted != 0
    right = (margin * wanted > 0)[decided]
    return Checklist(
        name=name,
        items=tuple(ChecklistItem(c, w) for c, w in kept),
        critic=critic,
        revision=revision,
        removed=tuple(c for c, w in zip(criteria, weights, strict=True) if w <= 0),
        num_pairs=int((~held_out).sum()),
        accuracy=float(right.mean()) if len(right) else None,
    )


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * x))
