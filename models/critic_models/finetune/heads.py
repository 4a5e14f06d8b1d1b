"""Throw-away heads that teach the vision tower and the language model directly.

Linear heads on every visual token ask for what is there; others, on the token that ends each
temporal patch, ask for what has happened so far and, at the last one, for what the clip is about
and every defect that it has. `targets` says what is right.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import nn

from critic_models.finetune.targets import (
    IMAGING_HEADS,
    MOTION_WIDTH,
    OF_BODY,
    ROLES,
    SLOT_VALUES,
    SO_FAR,
    THINGS,
    UNKNOWN,
)
from critic_models.world import DEFECTS
from critic_models.world.catalogue import COLOURS, SCENES

TOKEN_WIDTHS = {
    "roles": len(ROLES),
    "thing": len(THINGS),
    "colour": len(COLOURS),
    "motion": MOTION_WIDTH,
    "frozen": 1,
    "scene": len(SCENES),
    "imaging": len(IMAGING_HEADS),
}
SUMMARY_WIDTHS = {
    "so_far": len(SO_FAR),
    "defects": len(DEFECTS),
    **{f"slot_{name}": len(values) for name, values in SLOT_VALUES.items()},
}
_EVERYWHERE = 0.02
_LEAST_SHARE = 1 / 16
"""Of a square, from which on the body in it can be told."""


class Heads(nn.Module):
    """Linear heads, as one projection of normalised states."""

    def __init__(self, hidden_size: int, widths: Mapping[str, int]) -> None:
        super().__init__()
        self._widths = dict(widths)
        self.norm = nn.LayerNorm(hidden_size)
        self.project = nn.Linear(hidden_size, sum(widths.values()))

    def forward(self, states: torch.Tensor) -> dict[str, torch.Tensor]:
        """Predict from states `[..., hidden]`; fp32 outputs `[..., width]` by name."""
        out = self.project(self.norm(states)).float()
        return dict(zip(self._widths, out.split(list(self._widths.values()), -1), strict=True))


def token_losses(
    predicted: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Compute the loss of every head on visual tokens `[B, P, N, hidden]`; scalars by name."""
    weight = targets["weight"]
    shape = weight.shape
    losses = {"roles": F.binary_cross_entropy_with_logits(predicted["roles"], targets["roles"])}
    sure = weight * (weight > _LEAST_SHARE).float()
    for name in ("thing", "colour"):
        losses[name] = _cross_entropy(predicted[name], targets[name], sure)
    of_body = torch.from_numpy(OF_BODY).to(weight.device)
    share = _EVERYWHERE + weight[..., None]
    each = F.smooth_l1_loss(predicted["motion"], targets["motion"], beta=0.25, reduction="none")
    body = (each * of_body * share).sum() / (share.sum() * of_body.sum())
    frame = (each * (1.0 - of_body)).mean() * MOTION_WIDTH / (1.0 - of_body).sum()
    losses["body"], losses["frame"] = body, frame
    losses["frozen"] = F.binary_cross_entropy_with_logits(
        predicted["frozen"][..., 0], targets["frozen"][..., None].expand(shape)
    )
    scene = targets["scene"][..., None].expand(shape)
    losses["scene"] = _cross_entropy(predicted["scene"], scene, 1.0 - 0.8 * weight)
    imaging = targets["imaging"][:, None, None].expand_as(predicted["imaging"])
    losses["imaging"] = F.binary_cross_entropy_with_logits(predicted["imaging"], imaging)
    return losses


def summary_losses(
    predicted: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Compute the loss of every head on the ends of patches `[B, P, hidden]`; scalars by name."""
    last = {name: values[:, -1] for name, values in predicted.items()}
    losses = {
        "so_far": F.binary_cross_entropy_with_logits(predicted["so_far"], targets["so_far"]),
        "defects": F.binary_cross_entropy_with_logits(last["defects"], targets["defects"]),
    }
    for column, name in enumerate(SLOT_VALUES):
        wanted = targets["slots"][:, column]
        every = torch.ones_like(wanted, dtype=torch.float32)
        losses[f"slot_{name}"] = _cross_entropy(last[f"slot_{name}"], wanted, every)
    return losses


def _cross_entropy(
    logits: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Average over what is known."""
    known = (wanted != UNKNOWN).float() * weight
    each = F.cross_entropy(
        logits.flatten(0, -2), wanted.flatten(), reduction="none", ignore_index=UNKNOWN
    )
    return (each * known.flatten()).sum() / known.sum().clamp_min(1e-6)
