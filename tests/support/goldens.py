"""The reference package's own numbers, as `benchmarks/vbench_goldens` recorded them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from golden_clips import GOLDEN_CLIPS

_FOLDER = Path(__file__).parents[1] / "models" / "dimensions" / "goldens"
FEATURES = 1e-5
SCORES = 1e-6
"""How far features and scores may be from them."""


def golden(name: str) -> dict[str, Any]:
    """Read the goldens of a dimension, and check that its clips are still the same."""
    document: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for clip, digest in document.get("clips", {}).items():
        assert GOLDEN_CLIPS[clip].digest() == digest
    return document
