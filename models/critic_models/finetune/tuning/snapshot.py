"""Where a run stands, on disk: what is trained, the optimiser, and the step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from critic_models.errors import InputError
from critic_models.finetune.tuning.config import RowsConfig
from critic_models.finetune.tuning.parts import Tuned
from critic_models.finetune.tuning.questions import Case

SNAPSHOT_FILE = "snapshot.pt"

_WITHOUT_EFFECT = {
    *("name", "description", "limits", "reward_weights", "pairwise_method", "max_rejected_share"),
    *("workers", "evaluate_every_steps", "snapshot_every_steps", "evaluation_cases"),
}
"""Fields of the configuration that do not change what is learned."""


def run_key(config: RowsConfig, revision: str, cases: Sequence[Case]) -> str:
    """Hash everything that decides what a run learns."""
    content = {k: v for k, v in json.loads(config.to_json()).items() if k not in _WITHOUT_EFFECT}
    digest = hashlib.sha256(json.dumps([content, revision], sort_keys=True).encode())
    for case in cases:
        digest.update(repr(case).encode())
    return digest.hexdigest()


def save_snapshot(
    folder: Path, key: str, step: int, tuned: Tuned, optimizer: torch.optim.Optimizer
) -> None:
    """Write a snapshot in place of the former one; a run killed meanwhile keeps the former."""
    state = {
        "key": key,
        "step": step,
        "trained": {name: p.detach() for name, p in tuned.parameters.items()},
        "optimizer": optimizer.state_dict(),
    }
    partial = folder / (SNAPSHOT_FILE + ".partial")
    torch.save(state, partial)
    partial.replace(folder / SNAPSHOT_FILE)


def load_snapshot(folder: Path, key: str, tuned: Tuned, optimizer: torch.optim.Optimizer) -> int:
    """Continue from the snapshot in a folder; returns the step, 0 where there is none.

    Raises:
        InputError: where the snapshot is of another run.
    """
    path = folder / SNAPSHOT_FILE
    if not path.is_file():
        return 0
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    if state["key"] != key:
        raise InputError(
            f"{path} is of a run with another configuration, critic or rows; remove it to start "
            "anew, or choose another folder"
        )
    parameters = tuned.parameters
    with torch.no_grad():
        for name, value in state["trained"].items():
            parameters[name].copy_(value)
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
