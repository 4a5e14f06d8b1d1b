"""Whether the answer to a pair depends on which clip is shown first.

`forward` holds the probabilities that the first shown clip wins, the second wins, or neither, with
A shown first; `backward` the same with B shown first. float64 `[N, 3]`, rows summing to one.
"""

from __future__ import annotations

import numpy as np

_TIE = 2


def order_consistency(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Return 1 minus the total variation distance between the two answers about A and B; `[N]`.

    As `order_consistency` of every served preference.
    """
    return 1.0 - 0.5 * np.abs(forward - backward[:, [1, 0, _TIE]]).sum(1)


def same_side(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Tell whether both orders name the same outcome; bool `[N]`."""
    return forward.argmax(1) == backward[:, [1, 0, _TIE]].argmax(1)


def first_shown_advantage(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Return how far an answer leans to the clip shown first, whichever it is; `[N]`, in [-1, 1].

    P(first wins) minus P(second wins), averaged over both orders: what the clips themselves
    contribute cancels. Above 0 the critic favours the first, below 0 the second.
    """
    leans = (forward[:, 0] - forward[:, 1]) + (backward[:, 0] - backward[:, 1])
    result: np.ndarray = leans / 2
    return result
