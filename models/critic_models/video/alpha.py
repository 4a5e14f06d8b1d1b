"""Transparency: what a picture without a background looks like."""

from __future__ import annotations

import numpy as np


def over_black(rgba: np.ndarray) -> np.ndarray:
    """Lay uint8 `[H, W, 4]` with straight alpha over black; return uint8 `[H, W, 3]`.

    Black, because it is what a video player shows around and behind a picture.
    """
    weighted = rgba[..., :3].astype(np.uint16) * rgba[..., 3:]
    return ((weighted + 127) // 255).astype(np.uint8)
