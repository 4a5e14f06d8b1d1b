"""Muon for the matrices of both towers' layers, AdamW for all else, and one learning-rate schedule.

Muon (Jordan et al., 2024) orthogonalises the momentum of a weight matrix. From random weights it
learns this world's shapes and directions from a third of the clips that AdamW needs.
"""

from __future__ import annotations

from typing import Any

import torch

from critic_models.finetune.config import TrainConfig
from critic_models.finetune.forward import Learner
from critic_models.finetune.group import Member

_INNER = ("layers.", ".blocks.", "merger")
_LARGEST_SIDE = 640
"""Shorter side of the matrices that Muon moves; what it costs grows with the cube of it."""

_FLOOR = 0.02
"""Of the learning rate at the end of the schedule."""


class Optimizer:
    """Both optimisers as one.

    Until `start_asking` only the vision tower and the dense heads are moved; from then on the
    language model too, with a warm-up of its own.
    """

    def __init__(self, learner: Learner, config: TrainConfig, member: Member) -> None:
        self._config = config
        self._member = member
        self._warm_from = {"tower": 0, "language": 0}
        self.asks = False
        groups: dict[tuple[str, str], list[torch.nn.Parameter]] = {}
        for name, parameter in learner.named_parameters():
            language = ".language_model." in name or name.startswith("summary.")
            part = "language" if language else "tower"
            inner = any(place in name for place in _INNER)
            small = parameter.ndim == 2 and min(parameter.shape) <= _LARGEST_SIDE
            kind = "matrix" if inner and small else "other"
            groups.setdefault((kind, part), []).append(parameter)
        self._parameters = [p for group in groups.values() for p in group]

        def of(kind: str) -> list[dict[str, Any]]:
            return [{"params": groups[kind, part], "part": part} for part in self._warm_from]

        self._muon = torch.optim.Muon(
            of("matrix"),
            lr=config.matrix_lr,
            weight_decay=config.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )
        self._adamw = torch.optim.AdamW(
            of("other"),
            lr=config.other_lr,
            weight_decay=config.weight_decay,
            betas=(0.9, 0.98),
            fused=True,
        )

    @property
    def asks_since(self) -> int:
        """Step at which the language model was let move; 0 before."""
        return self._warm_from["language"]

    def start_asking(self, step: int) -> None:
        """Let the language model move, and warm it up from this step on."""
        self.asks = True
        self._warm_from["language"] = step

    def set_rate(self, step: int, share: float) -> None:
        """Set the learning rates: warm-up, constant, then a straight fall to the end of each."""
        config = self._config
        bases = ((self._muon, config.matrix_lr), (self._adamw, config.other_lr))
        for optimizer, base in bases:
            for group in optimizer.param_groups:
                tower = group["part"] == "tower"
                end = 1.0 - config.fixed_tower_share if tower else 1.0
                start = 1.0 - config.decay_share
                falling = min(1.0, (end - share) / (end - start)) if start < end else 1.0
                age = step - self._warm_from[group["part"]] + 1
                warm = min(1.0, age / config.warmup_steps)
                rate = base * warm * max(_FLOOR, falling)
                if self.asks and tower:
                    rate *= config.asked_tower_rate
                group["lr"] = rate

    def step(self) -> float:
        """Average and clip the gradients, move, and forget them; returns their norm before it."""
        self._member.average([p.grad for p in self._parameters if p.grad is not None])
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._config.clip_gradient)
        self._muon.step()
        self._adamw.step()
        self._muon.zero_grad()
        self._adamw.zero_grad()
        return float(norm)

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to continue."""
        return {
            "muon": self._muon.state_dict(),
            "adamw": self._adamw.state_dict(),
            "warm_from": dict(self._warm_from),
            "asks": self.asks,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self._muon.load_state_dict(state["muon"])
        self._adamw.load_state_dict(state["adamw"])
        self._warm_from = dict(state["warm_from"])
        self.asks = bool(state["asks"])
