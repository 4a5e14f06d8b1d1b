"""Throw-away heads that teach the vision tower directly, and their targets.

A language model's loss reaches a new vision tower too weakly to teach it shape or direction. The
world knows where the object is, how it moved and what was done to every frame; linear heads on
every merged token ask for all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from critic_models.world import SLOTS, VALUES, Degraded, Scene, object_mask
from critic_models.world.defects import IMAGING, Defect
from critic_models.world.scene import UNITS

_MASK_CELL = 16
"""The object's mask is drawn with 16×16 pixels to a merged token, and averaged."""

_MOTION_SCALE = 8.0
_GAIN_SCALE = 4.0


@dataclass(frozen=True, eq=False)
class DenseTargets:
    """What the heads are to say of one clip; `P` temporal patches of `h × w` merged tokens.

    Attributes:
        coverage: float32 `[P, h, w]`, share of the token's cell that the object covers.
        slots: int64 `[3]`, indices of colour, shape and direction.
        motion: float32 `[P, 7]`: the object's centre and displacement between the two frames, the
            background's displacement, and the logarithm of the change of brightness.
        frozen: float32 `[P]`, whether both frames are the same one.
        imaging: float32 `[3]`, how strong blur, noise and blocking are.
    """

    coverage: np.ndarray
    slots: np.ndarray
    motion: np.ndarray
    frozen: np.ndarray
    imaging: np.ndarray


def strength(severity: float) -> float:
    """Map a severity to the share of `no` in the answer to "is it free of this defect?".

    A concave curve: the step from none to a little is worth more than the one from much to more.
    """
    return float(severity) ** 0.6


def dense_targets(
    scene: Scene,
    degraded: Degraded,
    severities: Mapping[Defect, float],
    grid: tuple[int, int],
    chosen: np.ndarray,
) -> DenseTargets:
    """Compute the targets of one clip.

    Args:
        scene, degraded, severities: the clip, all its frames.
        grid: `(h, w)` merged tokens of a frame.
        chosen: int64 `[2 P]`, the frames that the critic sees.
    """
    count = len(degraded.sources)
    sources = degraded.sources[chosen]
    offsets, gains = degraded.offsets[chosen], degraded.gains[chosen]
    rows, columns = grid
    size = (rows * _MASK_CELL, columns * _MASK_CELL)
    mask = object_mask(scene, size, count)[sources]
    cells = mask.reshape(-1, 2, rows, _MASK_CELL, columns, _MASK_CELL)
    coverage = cells.mean((1, 3, 5), dtype=np.float32) / 255.0

    objects = (scene.object_path(count)[sources] + offsets).reshape(-1, 2, 2)
    backgrounds = (offsets - scene.camera_path(count)[sources]).reshape(-1, 2, 2)
    brightness = np.log(np.maximum(gains, 0.05)).reshape(-1, 2)
    motion = np.concatenate(
        [
            objects.mean(1) / (UNITS / 4),
            (objects[:, 1] - objects[:, 0]) / _MOTION_SCALE,
            (backgrounds[:, 1] - backgrounds[:, 0]) / _MOTION_SCALE,
            (brightness[:, 1:] - brightness[:, :1]) * _GAIN_SCALE,
        ],
        axis=1,
    )
    return DenseTargets(
        coverage=coverage,
        slots=np.asarray([VALUES[k].index(scene.slots[k]) for k in SLOTS]),
        motion=motion.astype(np.float32),
        frozen=(sources[0::2] == sources[1::2]).astype(np.float32),
        imaging=np.asarray([strength(severities[k]) for k in IMAGING], np.float32),
    )


_WIDTHS = {
    "coverage": 1,
    "colour": len(VALUES["colour"]),
    "shape": len(VALUES["shape"]),
    "direction": len(VALUES["direction"]),
    "motion": 7,
    "frozen": 1,
    "imaging": len(IMAGING),
}


class DenseHeads(nn.Module):
    """Linear heads on tokens of the vision tower."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden_size)
        self.project = nn.Linear(hidden_size, sum(_WIDTHS.values()))

    def forward(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        """Predict from tokens `[..., hidden]`; fp32 outputs `[..., width]` by name."""
        out = self.project(self.norm(tokens)).float()
        return dict(zip(_WIDTHS, out.split(list(_WIDTHS.values()), -1), strict=True))


def dense_losses(
    predicted: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Compute the loss of every head.

    Args:
        predicted: from `DenseHeads` for tokens `[B, P, N, hidden]`.
        targets: the fields of `DenseTargets`, batched; coverage as `[B, P, N]`.

    Returns:
        Scalars by name.
    """
    coverage, frozen = targets["coverage"], targets["frozen"]
    losses = {
        "coverage": F.binary_cross_entropy_with_logits(predicted["coverage"][..., 0], coverage)
    }
    everywhere = 0.05 + coverage
    moving = everywhere * (1.0 - frozen[..., None])
    for column, slot in enumerate(VALUES):
        weight = moving if slot == "direction" else everywhere
        logits = predicted[slot]
        wanted = targets["slots"][:, None, None, column].expand(logits.shape[:-1])
        each = F.cross_entropy(logits.flatten(0, 2), wanted.flatten(), reduction="none")
        losses[slot] = (each * weight.flatten()).sum() / weight.sum()
    motion = targets["motion"][:, :, None].expand_as(predicted["motion"])
    losses["motion"] = F.smooth_l1_loss(predicted["motion"], motion, beta=0.25)
    losses["frozen"] = F.binary_cross_entropy_with_logits(
        predicted["frozen"][..., 0], frozen[..., None].expand(coverage.shape)
    )
    imaging = targets["imaging"][:, None, None].expand_as(predicted["imaging"])
    losses["imaging"] = F.binary_cross_entropy_with_logits(predicted["imaging"], imaging)
    return losses
